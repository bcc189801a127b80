/*
 * trace.h - the life of one claimed trace: states, events, transitions, and the one function that
 * moves it.
 *
 * A trace exists from the claim until PostgreSQL has taken its result and its proxy back. enter.c says
 * what each state starts, traces.c owns the traces, store.c writes them down. Nothing here knows a
 * network or a database, so a unit test replays a life as a list of events.
 */
#ifndef TRACEPOOL_WORKER_TRACE_H
#define TRACEPOOL_WORKER_TRACE_H

#include "common/arena.h"
#include "common/err.h"
#include "worker/chain/chain.h"
#include "worker/chain/compare.h"
#include "worker/chain/request.h"

#include <stdio.h>
#include <uv.h>

/* clang-format off */
/*    state        holds a proxy  what we wait for while in it */
#define TRACE_STATES(X)                                                         \
    X(CLAIMED,     true,          "the loop to pick it up")                     \
    X(HTTP,        true,          "the redirect chain over HTTP")               \
    X(BROWSER,     true,          "Chromium to settle on a page")               \
    X(ADS,         true,          "a tag and its wrappers to lead to ads")      \
    X(FINISHING,   true,          "PostgreSQL to take result and proxy")        \
    X(GONE,        false,         "nothing")

/*    event        what happened */
#define TRACE_EVENTS(X)                                                         \
    X(GO,          "it can be traced over HTTP")                                \
    X(BROWSE,      "it needs a browser: asked for, or by the verdict on the last page") \
    X(AD,          "it is an ad's tag, or the chain ended in an ad")            \
    X(DONE,        "a result, good or bad")                                     \
    X(FAIL,        "it can't go on; t->err says why")                           \
    X(TIMEOUT,     "the state's deadline passed")                               \
    X(LET_GO,      "the worker drains, or has been without its database for too long") \
    X(STORED,      "PostgreSQL answered: taken, or no longer ours")

/*    in           on        goes to */
#define TRACE_TRANSITIONS(X)                                                    \
    X(CLAIMED,     GO,       HTTP)                                              \
    X(CLAIMED,     BROWSE,   BROWSER)                                           \
    X(CLAIMED,     AD,       ADS)                                               \
    X(CLAIMED,     FAIL,     FINISHING)                                         \
    X(CLAIMED,     TIMEOUT,  FINISHING)                                         \
    X(CLAIMED,     LET_GO,   FINISHING)                                         \
    X(HTTP,        DONE,     FINISHING)                                         \
    X(HTTP,        BROWSE,   BROWSER)                                           \
    X(HTTP,        AD,       ADS)                                               \
    X(HTTP,        FAIL,     FINISHING)                                         \
    X(HTTP,        TIMEOUT,  FINISHING)                                         \
    X(HTTP,        LET_GO,   FINISHING)                                         \
    X(BROWSER,     GO,       HTTP)         /* learnt, but there is no browser to be had */ \
    X(BROWSER,     AD,       ADS)                                               \
    X(BROWSER,     DONE,     FINISHING)                                         \
    X(BROWSER,     FAIL,     FINISHING)                                         \
    X(BROWSER,     TIMEOUT,  FINISHING)                                         \
    X(BROWSER,     LET_GO,   FINISHING)                                         \
    X(ADS,         DONE,     FINISHING)                                         \
    X(ADS,         FAIL,     FINISHING)                                         \
    X(ADS,         TIMEOUT,  FINISHING)                                         \
    X(ADS,         LET_GO,   FINISHING)                                         \
    X(FINISHING,   STORED,   GONE)                                              \
    X(FINISHING,   FAIL,     GONE)     /* PostgreSQL can't take it: the lease's end frees the proxy */ \
    X(FINISHING,   TIMEOUT,  GONE)     /* the lease has ended: it is someone else's by now */
/* clang-format on */

enum trace_state {
#define TRACE_STATE_ENUM(name, holds, text) TRACE_##name,
    TRACE_STATES(TRACE_STATE_ENUM)
#undef TRACE_STATE_ENUM
        TRACE_STATE_COUNT
};

enum trace_event {
#define TRACE_EVENT_ENUM(name, text) EV_##name,
    TRACE_EVENTS(TRACE_EVENT_ENUM)
#undef TRACE_EVENT_ENUM
        TRACE_EVENT_COUNT,
    EV_WAIT = TRACE_EVENT_COUNT /* from an enter function: nothing is known yet */
};

/* What the claim said about it. Text lives in the trace's arena. */
struct trace_claim {
    struct str request_id, batch_id; /* batch_id: empty when it was claimed for no batch */
    int attempt, retry_count, max_retries;
    int64_t wait_ms;                               /* from the click to the claim */
    struct str offer_id, offer_name, url, country; /* offer_id: empty without one */
    struct str ip; /* ip_address: the pool's name for the proxy, not a secret */
    struct trace_proxy proxy;
    struct str secret_name; /* empty: the proxy asks for no password */
    enum trace_mode mode;
    struct str learnt;    /* mode auto: why the offer's traces take the browser at once; empty: they don't */
    bool is_sampled;      /* mode auto: chosen to run both modes, where there is room */
    bool extract_only;    /* keep parameters and final URL, not the chain */
    bool block_resources; /* the browser loads no images, fonts and media */
    unsigned evidence;    /* what is kept beside the chain */
    struct str referrer, user_agent;
    struct str *expected_params;
    int nexpected_params;
    int max_hops;
    int64_t timeout_ms;
    bool is_tag;              /* of an offer of kind vast */
    bool may_cache;           /* answers of its ad servers may come from, and serve, other traces of it */
    struct str vast_provider; /* name; empty: none */
    struct str vast_row;      /* its row as JSON; empty: the table has none */
};

struct ad;
struct child;
struct tracer_job;
struct browser_job;
struct vast_resolve;

struct trace {
    enum trace_state state; /* written by trace.c only */
    struct child *child;
    struct arena arena; /* everything it learns */
    struct trace_claim claim;
    int64_t claimed_ms;     /* loop clock, when the claim was sent */
    int64_t lease_until_ms; /* loop clock */
    struct tracer_job *job;
    struct browser_job *page;
    struct vast_resolve *resolve;
    struct ad *ad; /* ads.c's, owned; NULL until it is asked about it */
    int64_t ad_started_ms;
    json_t *ads; /* owned; what was found of an ad, for finish_traces_with_ads; NULL without one */
    struct trace_result *http;    /* mode auto: what HTTP found before the browser took over */
    struct trace_result *result;  /* in the arena; NULL when it did not come to one */
    bool used_browser;            /* it took, or waited for, a place in the browser */
    bool is_sample;               /* HTTP's result stands already; the browser runs to compare */
    struct comparison compared;   /* of what both modes found */
    struct trace_result *browsed; /* what compared compares http with; NULL when not both came to an end */
    struct err err;               /* why there is no result, or none yet */
    bool is_let_go;               /* handed back untraced rather than finished */
    bool is_cut;                  /* PostgreSQL refused the full result; send the bare error */
    int64_t ended_ms;             /* loop clock, when the result was there */
    uv_timer_t deadline;
    struct trace *next, *prev; /* child's list of all traces */
    struct trace *queue_next;  /* finish.c's queue */
};

/* What a state starts; tells an event that is known at once, or EV_WAIT. In enter.c, one per state. */
typedef enum trace_event (*trace_enter_fn)(struct trace *t);
extern const trace_enter_fn trace_enter[TRACE_STATE_COUNT];

const char *trace_state_name(enum trace_state s);
const char *trace_event_name(enum trace_event ev);
bool trace_holds_proxy(enum trace_state s);

/* Whether the event means anything in that state, and where it leads. */
NODISCARD bool trace_next(enum trace_state from, enum trace_event ev, enum trace_state *to);

/* Enters CLAIMED. Afterwards the trace may have ended already: do not touch it. */
void trace_begin(struct trace *t);
/*
 * Moves the trace by one event and whatever follows from it at once. An event that the state has no
 * use for is a programming error and ends the process; the lease outlives it.
 */
void trace_step(struct trace *t, enum trace_event ev);

/* The whole machine as graphviz. */
void trace_print_dot(FILE *to);

#endif
