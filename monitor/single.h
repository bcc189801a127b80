/*
 * single.h - POST /functions/v1/process-trace-parallel and /functions/v1/intelligent-tracer: one trace, now,
 * its result.
 *
 * The farm traces it as any other request, before all others; its caller waits here, outside of any
 * transaction. All who wait share one small query ten times a second; while nobody does there is none. A
 * request that no worker takes, or whose retry finds none, for monitor.batch_wait_s is answered 503, as the
 * original did with `No available IP in pool` when its country has none free; if the call made it, it is
 * ended then. A caller that hangs up ends nothing.
 */
#ifndef TRACEPOOL_MONITOR_SINGLE_H
#define TRACEPOOL_MONITOR_SINGLE_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct httpd_conn;
struct monitor;
struct single;

enum { SINGLES_MAX_WAITING = 64 };

struct singles {
    struct monitor *monitor;
    struct single *first;
    int waiting;
    bool is_asking;
    int64_t pushed_ms;
    struct buf ids; /* of the query under way, as an array */
    uv_timer_t poll;
};

void singles_init(struct singles *s, struct monitor *m);
void single_post_process(struct monitor *m, struct httpd_conn *conn);
void single_post_intelligent(struct monitor *m, struct httpd_conn *conn);
/* Answers everybody who waits: the program ends, their traces go on. */
void singles_stop(struct singles *s);
/* After the loop. */
void singles_finish(struct singles *s);

#endif
