/*
 * metrics_internal.h - what metrics.c (the memory) and metrics_text.c (the table and its text) share.
 */
#ifndef TRACEPOOL_COMMON_METRICS_INTERNAL_H
#define TRACEPOOL_COMMON_METRICS_INTERNAL_H

#include "common/metrics.h"

enum { METRIC_MAX_BOUNDS = 14, METRIC_SUM_CELL = METRIC_MAX_BOUNDS + 1 };

/* Cells of a metric by its kind. A histogram has one for each bound, one for +Inf, one for the sum. */
enum { METRIC_CELLS_COUNTER = 1, METRIC_CELLS_GAUGE = 1, METRIC_CELLS_HISTOGRAM = METRIC_MAX_BOUNDS + 2 };

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_row {
    enum metrics_program program;
    enum metric_kind kind;
    const char *name;
    const char *labels; /* as written in the table; a histogram's bounds, in seconds */
    const char *help;
    int nbounds;
    int64_t bounds_us[METRIC_MAX_BOUNDS];
};

/* The table's row, its bounds as numbers. */
const struct metric_row *metrics_row(enum metric m);
/* One cell's sum over all processes. */
int64_t metrics_cell(enum metric m, int index);

#endif
