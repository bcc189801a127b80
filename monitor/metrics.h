/*
 * metrics.h - /metrics: the monitor's own numbers, those of pool and queue, and the farm's.
 */
#ifndef TRACEPOOL_MONITOR_METRICS_H
#define TRACEPOOL_MONITOR_METRICS_H

#include "common/buf.h"

#include <jansson.h>

struct httpd_conn;
struct monitor;

void metrics_get(struct monitor *m, struct httpd_conn *conn);

/* Pure. Gauges of a status, as Prometheus text. */
void metrics_put_status(const json_t *status, struct buf *out);
/* Pure. The counters of the farm, one series per host: [{"host": name, "counters": {...}}]. */
void metrics_put_workers(const json_t *workers, struct buf *out);

#endif
