/*
 * tracking.h - the outbox of tracking requests: claims what is due, sends it, writes down what became of it.
 *
 * A request in hand (`beacon`) goes through four lists:
 *
 *     queued     claimed, URL expanded and judged; waits for room at its host. Nothing is committed to yet
 *     beginning  begin_tracking_events is on its way: the attempt is recorded before the first byte
 *     firing     vast/fire.c has it
 *     ended      finish_tracking_events has to be told
 *
 * A worker that dies at any point leaves a row whose lease ends; the SQL functions know from the row whether
 * a byte may have left. Asked on NOTIFY, when something was tracked, when the next event is due, and by
 * polling, so that kill switch and allowed hosts are never older than a second when something is sent. Where
 * nothing is fired (tracking.mode), only a look for what nobody ends is left.
 */
#ifndef TRACEPOOL_WORKER_TRACKING_H
#define TRACEPOOL_WORKER_TRACKING_H

#include "common/conf.h"
#include "common/pg/conn.h"
#include "worker/vast/fire.h"
#include "worker/vast/view.h"

struct beacon;

struct beacons {
    struct beacon *first, *last;
    int n;
};

struct tracking {
    const struct conf *conf;
    struct pg *pg;      /* borrowed */
    const char *worker; /* our incarnation; borrowed */
    struct fire *fire;  /* NULL unless tracking.mode is fire */
    char *user_agent;
    struct vast_sender sender;
    struct beacons queued, beginning, firing, ended, telling; /* telling: of `ended`, on their way */
    bool is_asking, wants_look, is_draining, is_stopped;
    int64_t recovered_ms;
    int64_t pause_ms; /* the next, where something is due and cannot be claimed yet */
    uv_timer_t look, again;
    void (*on_idle)(void *arg); /* draining, and nothing is in hand any more */
    void *arg;
};

void tracking_init(struct tracking *t, uv_loop_t *loop, const struct conf *conf, struct pg *pg,
                   const char *worker, void (*on_idle)(void *arg), void *arg);
/* Drops what is in hand (leases end) and closes its handles; the loop must run once more. */
void tracking_close(struct tracking *t);

/* There may be work, or the gate has changed: a NOTIFY, or the database is there again. */
void tracking_wake(struct tracking *t);
/* No more claims; what is under way ends, the rest is handed back. */
void tracking_stop(struct tracking *t);
bool tracking_is_idle(const struct tracking *t);

#endif
