/*
 * pace.h - looks at what limits a child's traces at once, holds claims to it, and says so in log and metrics.
 *
 * What is seen is judged by limit.h. Here are the looks: how long claims and results take, or have been under
 * way; how many traces wait for the browser; and, when a claim came back short, whether a country has work
 * and no IP.
 */
#ifndef TRACEPOOL_WORKER_PACE_H
#define TRACEPOOL_WORKER_PACE_H

#include "common/err.h"
#include "worker/around.h"
#include "worker/claims.h"
#include "worker/limit.h"

#include <uv.h>

enum { PACE_COUNTRIES_MAX = 128 };

struct child;

struct pace {
    struct child *child;
    struct limit limit;
    struct around around;
    uv_timer_t look;
    bool is_asking;                     /* for countries without an IP */
    int64_t asked_us, ask_from_ms;      /* when, and from when on it may be asked again */
    char countries[PACE_COUNTRIES_MAX]; /* that have work and no IP: the last answer; "" for none */
};

void pace_start(struct pace *p, struct child *child);
void pace_close(struct pace *p);

/* Traces that may be claimed when so many have left; what holds back work that is wanted is noted. */
struct claims_room pace_room(struct pace *p, int leaving);
/* A claim, or results, took from sent_us (loop clock) until now. */
void pace_database_took(struct pace *p, int64_t sent_us);
/* A trace ended by err, ERR_HOST_EXHAUSTED: claims pause, and the log says so once a minute. */
void pace_host_exhausted(struct pace *p, const struct err *err);
/* A trace of the offer (empty: of none) begins to wait for a place in the browser. */
void pace_needs_browser(struct pace *p, struct str offer_id);
/* A trace has its result. */
void pace_trace_ended(struct pace *p, struct str offer_id, bool needed_browser);

#endif
