/*
 * verbs_table.h - what tracepool-monitor can be asked: its usage, the manual page and completion come from
 * here.
 */
#ifndef TRACEPOOL_MONITOR_VERBS_TABLE_H
#define TRACEPOOL_MONITOR_VERBS_TABLE_H

/* clang-format off */
/*     function       name        arguments  what it does                                exit status */
#define MONITOR_VERBS_MAP(X)                                                                                              \
    X(check_run,      "check",    "",        "print warnings, for a person or a script", "0 healthy, 1 warnings, 2 unreachable") \
    X(snapshot_run,   "snapshot", "",        "record one row of statistics now",         "0 recorded, 2 unreachable")     \
    X(print_rules,    "rules",    "",        "print the alert rules for Prometheus",     "0 printed, 2 a bad setting")
/* clang-format on */

#endif
