/*
 * trust.h - which neighbours are front proxies whose headers may be believed.
 */
#ifndef TRACEPOOL_EDGE_TRUST_H
#define TRACEPOOL_EDGE_TRUST_H

#include "common/err.h"
#include "common/httpd.h"

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

enum { TRUST_ADDRESS = 16 };

/*
 * The visitor's address, IPv4 as ::ffff:a.b.c.d: the other end of the connection, or, while that is a trusted
 * proxy, what it says in X-Forwarded-For, read from the right and believed no further than trusted proxies
 * reach. False: nobody knows (a unix socket that is not trusted, or a proxy that says nothing readable).
 */
bool trust_visitor(const struct trust *trust, const struct httpd_request *request,
                   uint8_t out[TRUST_ADDRESS]);

#endif
