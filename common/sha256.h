/*
 * sha256.h - SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104): to sign what is posted to somebody else's
 * server.
 */
#ifndef TRACEPOOL_COMMON_SHA256_H
#define TRACEPOOL_COMMON_SHA256_H

#include "common/str.h"

#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t len; /* bytes so far */
    uint8_t block[SHA256_BLOCK];
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, struct str bytes);
void sha256_end(struct sha256 *h, uint8_t digest[SHA256_BYTES]);

/* The HMAC as lower-case hexadecimal digits, NUL-terminated. */
void hmac_sha256_hex(struct str key, struct str message, char hex[2 * SHA256_BYTES + 1]);

#endif
