/*
 * ads.h - a trace that ends in an ad: its document is read, its wrappers are followed through the trace's
 * proxy, and what was found becomes evidence and the ad views to plan.
 *
 * Nothing is sent for an ad here. Fetching a tag or a wrapper is a hop of the trace (vast_fetch.h).
 */
#ifndef TRACEPOOL_WORKER_ADS_H
#define TRACEPOOL_WORKER_ADS_H

#include "common/conf.h"
#include "worker/trace.h"
#include "worker/vast/view.h"
#include "worker/vast_resolve.h"

/* Whether the answer that the trace ended with is a VAST document, by its first bytes. */
bool ads_found(const struct trace_result *result);

/*
 * Follows the document's wrappers; done as vast_resolve_start has it. The trace must have ended in an ad and
 * have time left.
 */
struct vast_resolve *ads_resolve(struct vast_fetcher *fetcher, uv_loop_t *loop, struct trace *t,
                                 const struct conf *conf, int64_t left_ms,
                                 void (*done)(void *arg, struct vast_resolver *r, const struct err *err),
                                 void *arg);

/*
 * What finish_traces_with_ads() reads: request and attempt, evidence (structure, lint, hops, failures), and a
 * view for each ad that was found. r is NULL when there is nothing, and err says why. Caller owns it.
 */
json_t *ads_json(struct trace *t, const struct vast_resolver *r, const struct err *err,
                 const struct vast_sender *sender);

#endif
