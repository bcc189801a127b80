/*
 * alerts_table.h - every alert rule. Read it aligned; alerts.h explains the columns.
 *
 * The name is that of the level in the SQL function alert_levels() and of the threshold's setting
 * alerts.NAME. A gauge is shown at /metrics with the level times its scale (base units for Prometheus), with
 * the level's subject as its label where one is named; a rule without a gauge reads metrics that are there
 * anyway.
 */
#ifndef TRACEPOOL_MONITOR_ALERTS_TABLE_H
#define TRACEPOOL_MONITOR_ALERTS_TABLE_H

/* clang-format off */
#define ALERTS_MAP(X)                                                                                                                    \
    /* name                severity  for_s  fires  unit                 what */                                                          \
    /*   gauge, label, scale; the level for Prometheus; advice */                                                                        \
    X(workers,             CRITICAL, 0,     BELOW, "",                  "Number of live workers",                                        \
        "tracepool_workers", "", 1, "tracepool_workers",                                                                                 \
        "Start tracepool-worker and look at its log")                                                                                    \
    X(pool_utilization,    WARNING,  300,   ABOVE, "%",                 "Pool utilization",                                              \
        "", "", 1, "100 * tracepool_pool_utilization_ratio",                                                                             \
        "Add more IPs to the pool")                                                                                                      \
    X(success_rate,        WARNING,  0,     BELOW, "%",                 "Success rate over 5 minutes",                                   \
        "", "", 1, "100 * tracepool_success_ratio",                                                                                      \
        "Check the proxies' health and the errors of recent traces")                                                                     \
    X(unhealthy_ips,       WARNING,  0,     ABOVE, "%",                 "Share of unhealthy IPs",                                        \
        "tracepool_pool_unhealthy_ratio", "", 0.01, "100 * tracepool_pool_unhealthy_ratio",                                              \
        "Review the status of the IP providers")                                                                                         \
    X(queue_depth,         WARNING,  0,     ABOVE, "",                  "Queue depth",                                                   \
        "", "", 1, "tracepool_requests{status=\"pending\"}",                                                                             \
        "Add worker children or slots, or run batches more often")                                                                       \
    X(trace_time,          WARNING,  0,     ABOVE, "s",                 "Average trace time",                                            \
        "", "", 1, "tracepool_trace_mean_seconds",                                                                                       \
        "Check the proxies' performance")                                                                                                \
    X(no_free_ip,          CRITICAL, 60,    ABOVE, "",                  "Number of due requests in a country without a free IP",         \
        "tracepool_requests_without_ip", "country", 1, "tracepool_requests_without_ip",                                                  \
        "Add IPs of that country, or bring back the unhealthy ones")                                                                     \
    X(events_untracked,    CRITICAL, 0,     ABOVE, "s",                 "Time in which tracking requests were due and none was tracked", \
        "tracepool_tracking_stalled_seconds", "", 1, "tracepool_tracking_stalled_seconds",                                               \
        "Look at the kill switch (trace_policy.tracking_stopped), the workers, and last_error in tracking_events")                       \
    X(beacon_failures,     WARNING,  0,     ABOVE, "%",                 "Share of failed tracking requests over 5 minutes",              \
        "tracepool_tracking_failed_ratio", "", 0.01, "100 * tracepool_tracking_failed_ratio",                                            \
        "Look at last_error in tracking_event_states by host")                                                                           \
    X(spool_age,           CRITICAL, 0,     ABOVE, "s",                 "Age of the oldest click that an edge still has to ship",        \
        "tracepool_edge_spool_age_seconds", "host", 1, "tracepool_edge_spool_age_seconds",                                               \
        "Check the database and that edge's log; clicks are safe while its disk has room")                                               \
    X(oldest_transaction,  WARNING,  0,     ABOVE, "s",                 "Age of the oldest open transaction",                            \
        "tracepool_oldest_transaction_seconds", "", 1, "tracepool_oldest_transaction_seconds",                                           \
        "End it: pg_terminate_backend(pid) of the oldest xact_start in pg_stat_activity; behind it tables only grow")                    \
    X(credentials_age,     WARNING,  0,     ABOVE, "",                  "Age in days of a proxy provider's password",                    \
        "tracepool_credentials_age_seconds", "provider", 86400, "tracepool_credentials_age_seconds / 86400",                             \
        "Change it at the provider, write it into the secrets folder, then tell credentials_rotated('PROVIDER')")                        \
    X(chain_drift,         WARNING,  0,     ABOVE, "",                  "Number of redirect chains that changed",                        \
        "tracepool_chain_drift_open", "", 1, "tracepool_chain_drift_open",                                                               \
        "Compare both chains on the offer's page, and accept the new one or pause the offer")                                            \
    X(certificate_errors,  WARNING,  0,     ABOVE, "",                  "Number of traces in 5 minutes with a refused certificate",      \
        "tracepool_certificate_errors", "", 1, "tracepool_certificate_errors",                                                           \
        "Look at the refused hop of its traces; tell whoever runs that host, or set http.ca_file for a private authority")               \
    X(certificate_expiry,  WARNING,  0,     BELOW, "",                  "Number of days left to the certificate of a host on the way",   \
        "tracepool_certificate_expiry_seconds", "host", 86400, "tracepool_certificate_expiry_seconds / 86400",                           \
        "Tell whoever runs that host; from then on traces through it fail")                                                              \
    X(edge_over_500ms,     CRITICAL, 0,     ABOVE, "per mille",         "Share of clicks answered after more than 500 ms",               \
        "tracepool_edge_over_500ms_ratio", "", 0.001, "1000 * tracepool_edge_over_500ms_ratio",                                          \
        "Check the spool's disk (tracepool_spool_sync_seconds) and the edge's load: 99.9 % are promised within 500 ms")                  \
    X(edge_over_200ms,     WARNING,  0,     ABOVE, "per mille",         "Share of clicks answered after more than 200 ms",               \
        "tracepool_edge_over_200ms_ratio", "", 0.001, "1000 * tracepool_edge_over_200ms_ratio",                                          \
        "Check the spool's disk (tracepool_spool_sync_seconds) and the edge's load: 200 ms are promised")                                \
    X(http_only_share,     WARNING,  600,   BELOW, "%",                 "Share of auto traces that needed no browser",                   \
        "tracepool_http_only_ratio", "", 0.01, "100 * tracepool_http_only_ratio",                                                        \
        "See which offers went to the browser and why (detection_reason); set expected_params or tracer_mode there")                     \
    X(pool_ceiling,        WARNING,  300,   ABOVE, "%",                 "Share of the pool's ceiling in traces per minute",              \
        "tracepool_pool_ceiling_ratio", "", 0.01, "100 * tracepool_pool_ceiling_ratio",                                                  \
        "Add IPs (the view pool_advice says where) or shorten trace_policy.cooldown_s")                                                  \
    X(pool_idle,           INFO,     0,     BELOW, "%",                 "Pool utilization at the day's peak",                            \
        "tracepool_pool_peak_utilization_ratio", "", 0.01, "100 * tracepool_pool_peak_utilization_ratio",                                \
        "The pool is larger than the traffic needs (60 to 80 % is the target): see the view pool_advice")                                \
    /* end */
/* clang-format on */

#endif
