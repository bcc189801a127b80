/*
 * metrics_table.h - every metric. A histogram's `labels` column holds its bounds in seconds instead.
 */
#ifndef TRACEPOOL_COMMON_METRICS_TABLE_H
#define TRACEPOOL_COMMON_METRICS_TABLE_H

/* clang-format off */
#define METRICS_MAP(X)                                                                                                                      \
    /* identifier             program  kind       name                                    labels or bounds        help */                   \
    X(DB_UP,                  ALL,     GAUGE,     "tracepool_database_connections",       "",                     "Connections to PostgreSQL that are up.") \
    X(DB_ERRORS,              ALL,     COUNTER,   "tracepool_database_errors_total",      "",                     "Queries that PostgreSQL refused or that missed their deadline.") \
    X(DB_QUERY_SECONDS,       ALL,     HISTOGRAM, "tracepool_database_query_seconds",     "0.001 0.005 0.01 0.05 0.1 0.5 1 5", "Time from sending a query to its answer.") \
    /* end */
/* clang-format on */

#endif
