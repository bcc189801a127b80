/*
 * kept.h - what a trace kept beyond its chain, as JSON: what the row in trace_evidence holds, and what
 * `trace --cookies` and `--console` show. Text from outside becomes valid UTF-8. Caller owns it; never NULL.
 */
#ifndef TRACEPOOL_WORKER_EVIDENCE_KEPT_H
#define TRACEPOOL_WORKER_EVIDENCE_KEPT_H

#include "worker/chain/chain.h"

/*
 * {"cookies": [{"name", "value", "domain", "host_only", "path", "expires", "secure", "http_only",
 * "same_site"}], "left_out"}: expires is null for a session's cookie, same_site where it is unknown, as it
 * always is over HTTP alone.
 */
NODISCARD json_t *kept_cookies_json(const struct trace_result *r);

/*
 * {"messages": [{"kind", "text", "source", "line", "column", "hop", "page"}], "left_out"}: hop counts from 1,
 * as the table of hops does, and page is its URL.
 */
NODISCARD json_t *kept_console_json(const struct trace_result *r);

#endif
