/*
 * proxy.h - a proxy as libcurl and the address guard need it. For whoever makes transfers through one.
 */
#ifndef TRACEPOOL_WORKER_TRACER_PROXY_H
#define TRACEPOOL_WORKER_TRACER_PROXY_H

#include "common/arena.h"
#include "common/err.h"
#include "worker/chain/request.h"

#include <sys/socket.h>

/* Whether such a proxy can be used; no proxy at all can. ERR_BAD_INPUT repeats neither user nor password. */
NODISCARD bool tracer_proxy_check(const struct trace_proxy *p, struct err *err);
/* "scheme://host:port", without credentials; NULL when the arena is full. */
const char *tracer_proxy_url(struct arena *a, const struct trace_proxy *p);
/* False when its host is a name. */
bool tracer_proxy_address(const struct trace_proxy *p, struct sockaddr_storage *out);

#endif
