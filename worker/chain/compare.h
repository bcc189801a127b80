/*
 * compare.h - two visits of one URL, by HTTP alone and by a browser: did both find the same?
 *
 * Pure: two finished results in, a handful of statements out. What is learnt from many of them is the
 * database's (learn_from_traces).
 *
 * Two visits are never byte for byte alike, so values are not compared: click ids, timestamps and cache
 * breakers differ each time. And a difference need not come from the mode: offers rotate, and links work
 * once. So the first hop that differs is asked how the browser came to it.
 */
#ifndef TRACEPOOL_WORKER_CHAIN_COMPARE_H
#define TRACEPOOL_WORKER_CHAIN_COMPARE_H

#include "worker/chain/chain.h"

/* clang-format off */
/*    difference   name       why the two did not find the same */
#define DIFFERENCE_MAP(X)                                                                             \
    X(NONE,        "none")    /* they did */                                                          \
    X(MISSED,      "missed")  /* a page sent the browser on, where HTTP stayed or went elsewhere */   \
    X(SERVED,      "served")  /* the server answered them differently: says nothing about the mode */ \
    X(SHORT,       "short")   /* HTTP went on where the browser stayed */
/* clang-format on */

#define COMPARE_ENUM(code, name) DIFFERENCE_##code,
enum difference { DIFFERENCE_MAP(COMPARE_ENUM) DIFFERENCE_COUNT };
#undef COMPARE_ENUM

struct comparison {
    bool is_same_host;          /* of the final URL, with its port */
    bool is_same_url;           /* the final URL: scheme, host, path, and the names of its parameters */
    bool is_same_params;        /* the names of the parameters of all hops */
    bool is_same_hosts;         /* through which the chain went, in their order; repetitions count once */
    bool is_same_status;        /* the final answer's class: 2xx, 4xx, ... */
    enum difference difference; /* NONE exactly when all of the above hold */
};

/* Whether the result can be compared: the trace came to its end. A failure says nothing about the mode. */
bool compare_can(const struct trace_result *r);
/* Both must be such; http is of mode http_only, browser of mode browser, for the same start. */
struct comparison compare_results(const struct trace_result *http, const struct trace_result *browser);

const char *difference_name(enum difference d);
/*
 * {"agreed", "final_host", "final_url", "params", "hosts", "status"} as booleans; where they differ also
 * "difference" and both final URLs, "http" and "browser". Caller owns it.
 */
json_t *comparison_json(const struct comparison *c, const struct trace_result *http,
                        const struct trace_result *browser);

#endif
