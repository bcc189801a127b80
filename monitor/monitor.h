/*
 * monitor.h - what the parts of the running monitor share.
 *
 * One process, one loop: db.c connects, snapshot.c ticks, notify.c judges alerts and tells them, api.c takes
 * calls and hands them to status.c, batch.c, metrics.c, alert_calls.c, dashboard.c and live.c; serve.c starts
 * all of it and ends it on SIGTERM.
 */
#ifndef TRACEPOOL_MONITOR_MONITOR_H
#define TRACEPOOL_MONITOR_MONITOR_H

#include "common/conf.h"
#include "common/httpd.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/conn.h"
#include "monitor/batch.h"
#include "monitor/live.h"
#include "monitor/notify.h"
#include "monitor/queries_monitor.h"
#include "monitor/single.h"
#include "monitor/snapshot.h"

struct monitor {
    uv_loop_t *loop;
    const struct conf *conf;
    struct pg *db;
    struct pg *listener; /* NULL: db listens itself, or nobody does and polling has to do */
    struct httpd *httpd;
    struct snapshot snapshot;
    struct batches batches;
    struct live live;
    struct notifier notifier;
    struct buf rules; /* of alerts, as JSON (alerts_write_rules) */
    struct singles singles;
    struct loop_signals signals;
    bool is_ending;
    uv_timer_t alive; /* for the service manager's watchdog */
    uv_timer_t drain;
    int64_t drain_left_ms;
};

#endif
