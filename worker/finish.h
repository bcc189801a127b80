/*
 * finish.h - gives ended traces and their proxies to PostgreSQL, in batches.
 *
 * One statement is on its way at a time; what ends meanwhile shares the next. While the farm keeps up with
 * its queue, so that no trace waits for a slot, statements are gather_ms apart at least. A statement that got
 * no answer is sent again: it is fenced by attempt and lease, so a second time changes nothing. A result that
 * PostgreSQL refuses for its content is sent alone, then without what came from outside, so that it never
 * holds up its neighbours.
 *
 * Whoever wants the slots that a statement frees may join a query to it (joins).
 */
#ifndef TRACEPOOL_WORKER_FINISH_H
#define TRACEPOOL_WORKER_FINISH_H

#include "common/pg/conn.h"
#include "worker/trace.h"

enum { FINISH_BATCH = 100 };

struct finish {
    struct pg *pg;                    /* borrowed */
    const char *worker;               /* our incarnation; borrowed */
    struct trace *first, *last;       /* waiting */
    struct trace *sent[FINISH_BATCH]; /* on their way; NULL where one went away meanwhile */
    int nsent;
    int64_t sent_us;             /* when: loop clock */
    bool is_return;              /* what was sent is handed back rather than finished */
    const char *tracking_mode;   /* the setting; borrowed */
    int alone;                   /* this many statements carry one trace each: one of them is refused */
    bool is_joined;              /* what was sent has a query joined to it */
    uv_timer_t later;            /* send_next(): again, or when enough time was left to gather */
    int64_t gather_ms;           /* the setting; 0: what ends is sent at once */
    bool (*keeps_up)(void *arg); /* nothing waits for a slot of ours */
    /* The results of n traces wait to be sent. True: a query was joined, and is answered after them. */
    bool (*joins)(void *arg, int n);
    void (*on_stored)(void *arg); /* after each statement that was taken */
    void *arg;
};

void finish_init(struct finish *f, uv_loop_t *loop, struct pg *pg, const char *worker,
                 void (*on_stored)(void *arg), void *arg);
/* Forgets its traces and closes its timer; the loop must run once more. */
void finish_close(struct finish *f);

/* The trace waits to be stored; it gets EV_STORED or EV_FAIL when that is settled. */
void finish_add(struct finish *f, struct trace *t);
/* The trace goes away before that. */
void finish_forget(struct finish *f, struct trace *t);
/* The database is there (again): sends what waits. */
void finish_wake(struct finish *f);

#endif
