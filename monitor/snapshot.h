/*
 * snapshot.h - every interval: tidy up, write one row of statistics, say that we are alive,
 * and move what is past its retention out of the way.
 *
 * The rows come from record_pool_statistics(). Without a database nothing is written and nothing is
 * made up for afterwards; the first tick after it is back goes on. What the last tick saw is kept for
 * /metrics.
 */
#ifndef TRACEPOOL_MONITOR_SNAPSHOT_H
#define TRACEPOOL_MONITOR_SNAPSHOT_H

#include "common/pg/conn.h"

#include <jansson.h>
#include <uv.h>

struct monitor;

struct snapshot {
    struct monitor *monitor;
    uv_timer_t timer;
    int64_t started_ms;
    int64_t ticked_ms; /* the last tick's start; 0: none yet */
    int64_t pruned_ms; /* the last time that old history was dropped */
    int waiting;       /* answers that the tick under way still waits for */
    json_t *status;    /* of the last tick, or NULL; owned */
    json_t *levels;    /* what its alert rules saw, or NULL; owned */
    json_t *promises;  /* in numbers, or NULL; owned */
    json_t *workers;   /* [{"host","counters"}] of the last tick, or NULL; owned */
    int64_t seen_ms;   /* when status was read, monotonic */
};

void snapshot_init(struct snapshot *s, struct monitor *m);
/* The database is there: tick as soon as one is due. */
void snapshot_start(struct snapshot *s);
/* It is gone: no ticks. */
void snapshot_pause(struct snapshot *s);
/* Closes the timer. */
void snapshot_stop(struct snapshot *s);
/* Frees what the last tick left; after the loop. */
void snapshot_finish(struct snapshot *s);

#endif
