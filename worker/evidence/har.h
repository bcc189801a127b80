/*
 * har.h - a trace as HAR 1.2, which browsers' network panels and many tools open.
 *
 * One page, one entry a hop. Own fields: `_via` (how the chain came to the hop), `_notes`, `_tls`
 * (certificate facts), and on the log `_outcome` and `_error`. Left out on purpose: credentials in URLs (and
 * those of the proxy, which are nowhere in a result), values of cookies, bodies, and request headers, which
 * are the same for every trace.
 */
#ifndef TRACEPOOL_WORKER_EVIDENCE_HAR_H
#define TRACEPOOL_WORKER_EVIDENCE_HAR_H

#include "worker/chain/chain.h"

/*
 * Caller owns it; never NULL. serverIPAddress is whom we talked to: the proxy, where there was one. A hop
 * that was never opened is an entry with status 0. Where it is unknown when a hop began, it is taken to have
 * begun when the one before ended.
 */
NODISCARD json_t *har_json(const struct trace_result *r);

#endif
