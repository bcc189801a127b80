/*
 * relay_head.h - the head of a request that Chromium sends to its proxy: read, and written anew.
 *
 * Pure. Accepts what a browser sends to a proxy and nothing else: CONNECT host:port, or an absolute http
 * URL; header lines without folding; a body by Content-Length only.
 */
#ifndef TRACEPOOL_WORKER_BROWSER_RELAY_HEAD_H
#define TRACEPOOL_WORKER_BROWSER_RELAY_HEAD_H

#include "common/buf.h"

#include <stdint.h>

enum relay_parse { RELAY_MORE, RELAY_HEAD, RELAY_BAD };

struct relay_head {
    struct str method;
    struct str target;  /* as sent: "host:port" of a CONNECT, or the absolute URL */
    struct str headers; /* all header lines, each with its CRLF */
    bool is_connect;
    struct str authorization; /* what follows "Basic "; ptr NULL when there is none */
    int64_t body_length;
    size_t size; /* of the head, the empty line included */
};

/* Views point into bytes. */
enum relay_parse relay_head_parse(struct str bytes, size_t max, struct relay_head *out);

/* "user:password" of a Basic credential, decoded into out; false when it is no base64 of that form. */
NODISCARD bool relay_head_credentials(struct str authorization, struct buf *out);

/*
 * The request as it goes on: target as given, hop-by-hop headers left out, `Connection: close`, and the real
 * proxy's credentials when user or password is set. False when out is full.
 */
NODISCARD bool relay_head_write(const struct relay_head *head, struct str target, struct str user,
                                struct str password, struct buf *out);

#endif
