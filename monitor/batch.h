/*
 * batch.h - POST /functions/v1/trace-worker: a batch is asked of the farm, its caller waits for the end.
 *
 * The waiting happens here and not in a transaction: NOTIFY tracepool_batches says that something
 * moved, a look once a second is the net under it. A batch that stands still with nothing in flight
 * for monitor.batch_wait_s is closed, so that a worker that comes later does not take it, and its
 * caller learns why. A caller that hangs up ends nothing.
 */
#ifndef TRACEPOOL_MONITOR_BATCH_H
#define TRACEPOOL_MONITOR_BATCH_H

#include "common/err.h"
#include "common/str.h"

#include <stdint.h>
#include <uv.h>

struct httpd_conn;
struct monitor;
struct batch;

enum { BATCH_MAX_WAITING = 64 };

struct batches {
    struct monitor *monitor;
    struct batch *first;
    int waiting;
    uv_timer_t poll;
};

void batches_init(struct batches *b, struct monitor *m);
/* Takes one call: reads its body and answers it, at once when it is refused. */
void batch_post(struct monitor *m, struct httpd_conn *conn);
/* Something about some batch has changed. */
void batches_look(struct batches *b);
/* Answers everybody who waits: the program ends, their batches go on. */
void batches_stop(struct batches *b);

/* What is known about a batch at one look. */
struct batch_facts {
    struct str state; /* as batch_result() has it */
    int64_t processed, claimed, in_flight, workers;
    int64_t still_ms; /* for how long nothing of this has changed */
};

enum batch_verdict { BATCH_WAIT, BATCH_DONE, BATCH_UNANSWERED };

/* Pure. *reason is a sentence for the caller when the verdict is BATCH_UNANSWERED. */
enum batch_verdict batch_judge(const struct batch_facts *facts, int64_t patience_ms, char *reason,
                               size_t size);

#endif
