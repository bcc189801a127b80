/*
 * metrics.h - counters, gauges and histograms in one table, written as Prometheus text.
 *
 * A program's parent makes the memory (metrics_create), its children inherit it by descriptor and write
 * to the slot of their own (metrics_attach), so that whoever serves /metrics shows the sum over all
 * children, and a child's counters survive its death. Names follow Prometheus: tracepool_*, base units,
 * counters end in _total; labels are part of the table, so their number is known.
 */
#ifndef TRACEPOOL_COMMON_METRICS_H
#define TRACEPOOL_COMMON_METRICS_H

#include "common/buf.h"
#include "common/err.h"
#include "common/metrics_table.h"

#include <jansson.h>
#include <stdint.h>

enum metric {
#define METRIC_ENUM(ident, program, kind, name, labels, help) METRIC_##ident,
    METRICS_MAP(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
};

/* HTTP: the programs that listen. */
enum metrics_program {
    METRICS_EDGE = 1,
    METRICS_WORKER = 2,
    METRICS_MONITOR = 4,
    METRICS_HTTP = 5,
    METRICS_ALL = 7
};

/*
 * Memory for `slots` children in a memfd; *fd is inherited by them. A process without children attaches
 * to slot 0 itself. Without any attach the functions below write to a private page (unit tests).
 */
NODISCARD bool metrics_create(int slots, int *fd, struct err *err);
NODISCARD bool metrics_attach(int fd, int slot, struct err *err);

void metrics_add(enum metric m, int64_t n);
void metrics_set(enum metric m, int64_t value);
/* One observation of a histogram, in microseconds; its bounds are seconds in the table. */
void metrics_observe_us(enum metric m, int64_t us);
/*
 * The sum over all slots; of a histogram, how often it was observed. A gauge counts only while the
 * process that set it lives, so that nobody has to take back what a killed child had open.
 */
int64_t metrics_value(enum metric m);

/* Prometheus text format 0.0.4 of the rows of that program, tracepool_build_info and process_*. */
void metrics_render(enum metrics_program program, struct buf *out);
/*
 * The same values as a JSON object {name{labels}: value}, a histogram's as in the text but for +Inf (which is
 * its count), for process_heartbeats. Caller owns it.
 */
json_t *metrics_json(enum metrics_program program);

#endif
