/*
 * child.h - one worker process: a loop, a connection, a tracer, and the traces that it holds.
 *
 * claims.h asks for work, trace.h moves each trace, finish.h gives results back, upkeep.h keeps the
 * process honest towards the others (heartbeat, the dead, silence). This file joins them, and drains.
 */
#ifndef TRACEPOOL_WORKER_CHILD_H
#define TRACEPOOL_WORKER_CHILD_H

#include "common/conf.h"
#include "common/loop.h"
#include "common/proc.h"
#include "worker/ads.h"
#include "worker/claims.h"
#include "worker/finish.h"
#include "worker/modes.h"
#include "worker/pace.h"
#include "worker/secrets.h"
#include "worker/trace.h"
#include "worker/tracking.h"
#include "worker/upkeep.h"

struct child {
    uv_loop_t loop;
    const struct conf *conf;
    const struct proc_child *me;
    struct pg *pg;     /* queries; LISTEN too, unless it goes through a pooler */
    struct pg *listen; /* database.listen_url; NULL without one */
    struct modes modes;
    struct ads ads;
    struct secrets secrets;
    struct claims claims;
    struct pace pace;
    struct finish finish;
    struct upkeep upkeep;
    struct tracking tracking;
    struct trace *traces; /* all that are not GONE, newest first */
    int ntraces;
    struct loop_signals signals;
    struct proc_control control;
    uv_timer_t drain;
    bool is_draining, is_flushing, is_ending, was_ready;
};

/* Runs a child until it has drained. Returns its exit status: 1 when it left traces to their lease. */
NODISCARD int child_run(const struct conf *conf, const struct proc_child *me);

/* --- traces.c --- */

/* The rows of a claim become traces, and begin. batch is "" for none; sent_ms: loop clock, when asked. */
void child_add_rows(struct child *c, const PGresult *res, const char *batch, int64_t sent_ms);
/* The trace of that request and attempt, or NULL. */
struct trace *child_find(struct child *c, struct str request_id, int attempt);
/* Every trace that still works is handed back; results that wait for PostgreSQL go on waiting. */
void child_let_go(struct child *c);
/* The trace reached GONE: its slot is free. Its memory goes when its timer has closed. */
void child_trace_gone(struct child *c, struct trace *t);
/*
 * What is left when a flush was in vain is dropped; returns how many. Their leases end, or a sibling is
 * told that we died.
 */
int child_leave_traces(struct child *c);

/* --- child.c --- */

/* It lacks what only a new process can have: it takes no more work, and ends when it has none. */
void child_retire(struct child *c, const char *why);
/* Ends a draining child that holds nothing any more, for itself or for the dead. */
void child_check_drained(struct child *c);

#endif
