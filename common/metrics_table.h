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
    X(TRACES_RUNNING,        WORKER,  GAUGE,     "tracepool_traces_running",             "",                      "Traces that hold a proxy now.")     \
    X(TRACES_CLAIMED,        WORKER,  COUNTER,   "tracepool_traces_claimed_total",       "",                      "Traces taken from the queue.")      \
    X(TRACES_COMPLETED,      WORKER,  COUNTER,   "tracepool_traces_total",               "status=\"completed\"",  "Traces ended, by the row's new status.") \
    X(TRACES_FAILED,         WORKER,  COUNTER,   "tracepool_traces_total",               "status=\"failed\"",     "Traces ended, by the row's new status.") \
    X(TRACES_TIMEOUT,        WORKER,  COUNTER,   "tracepool_traces_total",               "status=\"timeout\"",    "Traces ended, by the row's new status.") \
    X(TRACES_RETRIED,        WORKER,  COUNTER,   "tracepool_traces_total",               "status=\"pending\"",    "Traces ended, by the row's new status.") \
    X(TRACES_LATE,           WORKER,  COUNTER,   "tracepool_traces_late_total",          "",                      "Results that came after the lease was lost and changed nothing.") \
    X(TRACES_RETURNED,       WORKER,  COUNTER,   "tracepool_traces_returned_total",      "",                      "Traces handed back while draining or without a database.") \
    X(TRACES_LOST,           WORKER,  COUNTER,   "tracepool_traces_lost_total",          "",                      "Results that PostgreSQL did not take before the lease ran out.") \
    X(TRACE_SECONDS,         WORKER,  HISTOGRAM, "tracepool_trace_seconds",              "0.1 0.5 1 2 5 10 20 30 60 90", "Time from claim to result.") \
    X(CLAIM_SECONDS,         WORKER,  HISTOGRAM, "tracepool_claim_seconds",              "0.001 0.005 0.01 0.05 0.1 0.5 1 5", "Time one claim statement took.") \
    X(CLAIMS_FULL_SCAN,      WORKER,  COUNTER,   "tracepool_claims_full_scan_total",     "",                      "Claims that looked at the whole queue.") \
    X(CLAIMS_EMPTY,          WORKER,  COUNTER,   "tracepool_claims_empty_total",         "",                      "Claims that found nothing, or no free IP.") \
    X(PROXY_FAILURES,        WORKER,  COUNTER,   "tracepool_proxy_failures_total",       "",                      "Traces that failed through the proxy's fault.") \
    X(SECRETS_MISSING,       WORKER,  COUNTER,   "tracepool_proxy_secrets_missing_total","",                      "Traces whose proxy secret could not be read.") \
    X(SIBLINGS_RELEASED,     WORKER,  COUNTER,   "tracepool_worker_deaths_total",        "",                      "Dead children whose leases were given back.") \
    /* end */
/* clang-format on */

#endif
