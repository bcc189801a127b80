/*
 * store.h - an ended trace as the JSON that finish_traces and return_traces take.
 *
 * Plain functions: value in, value out. When and how it is sent is finish.h.
 */
#ifndef TRACEPOOL_WORKER_STORE_H
#define TRACEPOOL_WORKER_STORE_H

#include "worker/trace.h"

/*
 * The object that finish_traces() reads, for a trace with or without a result. With is_cut the
 * bare error only: everything that came from outside is left out. Caller owns it.
 */
json_t *store_result_json(const struct trace *t);
/* {"request_id", "attempt", "ip"}: handed back untraced. Caller owns it. */
json_t *store_return_json(const struct trace *t);

/* What the trace came to, result or not: outcome_name() of it goes into row, log and metric. */
enum outcome store_outcome(const struct trace *t);
/* The trace's error: of the result if there is one. ERR_OK when nothing went wrong. */
const struct err *store_error(const struct trace *t);

#endif
