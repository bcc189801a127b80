/*
 * check.h - the verbs for scripts and crontabs: `check` and `snapshot`.
 */
#ifndef TRACEPOOL_MONITOR_CHECK_H
#define TRACEPOOL_MONITOR_CHECK_H

#include "common/conf.h"

/* Exit statuses of both. */
enum { CHECK_HEALTHY = 0, CHECK_WARNINGS = 1, CHECK_UNREACHABLE = 2 };

/* Prints the state of pool, queue and settings for a person; healthy, warnings or unreachable. */
NODISCARD int check_run(const struct conf *conf);
/* Records one row of statistics now; healthy, or unreachable with the reason on standard error. */
NODISCARD int snapshot_run(const struct conf *conf);

#endif
