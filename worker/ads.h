/*
 * ads.h - traces that end in an ad, or are one: a tag is requested as its provider wants it, the document is
 * read, its wrappers are followed through the trace's proxy, and what was found becomes evidence and the ad
 * views to plan.
 *
 * Nothing is sent for an ad here. Fetching a tag or a wrapper is a hop of the trace (vast_fetch.h).
 *
 * An offer of kind vast begins here: its URL, with its provider's parameters, is the tag. A link begins with
 * the tracer, and comes here when its chain ended in VAST. A provider that cannot be used (vast_rules.h)
 * loses nothing: the trace goes on as a link's, the document is read, and the evidence says what is wrong;
 * but no wrapper is requested and no view planned on a misunderstanding.
 *
 * Answers are kept for offers that allow it (vast_cache), by offer, country and user agent: which proxy
 * fetched one makes no difference then, but no offer and no country sees another's.
 */
#ifndef TRACEPOOL_WORKER_ADS_H
#define TRACEPOOL_WORKER_ADS_H

#include "common/conf.h"
#include "worker/trace.h"
#include "worker/vast/view.h"
#include "worker/vast_resolve.h"
#include "worker/vast_rules.h"

/* What the traces of one child share. */
struct ads {
    const struct conf *conf;
    uv_loop_t *loop;
    struct vast_fetcher *fetcher;
    struct vast_rules rules;
    struct vast_cache *cache;
    struct vast_rate *rate;
    struct vast_xsd *xsd; /* NULL without vast.xsd_dir */
};

/*
 * Ends the process when the ini's providers make no sense: whoever starts it has judged them (vast_rules.h).
 */
void ads_init(struct ads *ads, uv_loop_t *loop, const struct conf *conf);
/* Resolutions must have ended. */
void ads_close(struct ads *ads);

/* Whether the answer that the trace ended with is a VAST document, by its first bytes. */
bool ads_found(const struct trace_result *result);
/* Whether the trace is one of a tag whose provider can be used. */
bool ads_is_tag(struct ads *ads, struct trace *t);

/*
 * Requests the trace's tag (when it has no result yet) and follows its wrappers; done as vast_resolve_start
 * has it. The trace must have time left.
 */
struct vast_resolve *ads_resolve(struct ads *ads, struct trace *t, int64_t left_ms,
                                 void (*done)(void *arg, struct vast_resolver *r, const struct err *err),
                                 void *arg);

/* The result of a trace that was a tag's, of what ads_resolve came to. */
struct trace_result *ads_result(struct trace *t, const struct vast_resolver *r, const struct err *err);

/*
 * What finish_traces_with_ads() reads: request and attempt, evidence (structure, lint, hops, failures,
 * extras), and a view for each ad that was found or lost. r is NULL when there is nothing, and err says why.
 * Caller owns it.
 */
json_t *ads_json(struct trace *t, const struct vast_resolver *r, const struct err *err,
                 const struct vast_sender *sender);

#endif
