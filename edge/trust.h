/*
 * trust.h - which neighbours are front proxies whose headers may be believed.
 */
#ifndef TRACEPOOL_EDGE_TRUST_H
#define TRACEPOOL_EDGE_TRUST_H

#include "common/err.h"
#include "common/str.h"

#include <stdint.h>
#include <sys/socket.h>

enum { TRUST_MAX = 64 };

struct trust_net {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    int bits;
};

struct trust {
    struct trust_net nets[TRUST_MAX];
    size_t n;
    bool has_unix;
};

/*
 * Reads "10.0.0.0/8, 192.0.2.1, 2001:db8::/32, unix". ERR_BAD_SETTING names the entry that is none.
 */
NODISCARD bool trust_parse(struct str list, struct trust *out, struct err *err);

/* Whether the other end of a connection is one of them. */
bool trust_has(const struct trust *trust, const struct sockaddr_storage *peer);

#endif
