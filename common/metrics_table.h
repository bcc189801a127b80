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
    X(HTTP_CONNECTIONS,       HTTP,    GAUGE,     "tracepool_http_connections",           "",                     "HTTP connections that are open.") \
    X(HTTP_REFUSED,           HTTP,    COUNTER,   "tracepool_http_refused_total",         "",                     "HTTP requests refused before anybody looked at them: malformed, too large or too slow.") \
    X(HTTP_CROWDED_OUT,       HTTP,    COUNTER,   "tracepool_http_crowded_out_total",     "",                     "HTTP connections closed because there were too many.") \
    X(TRACES_RUNNING,        WORKER,  GAUGE,     "tracepool_traces_running",             "",                      "Traces that hold a proxy now.")     \
    X(LIMIT_NONE,            WORKER,  GAUGE,     "tracepool_worker_limit",               "by=\"none\"",           "Children whose traces at once this limits now.") \
    X(LIMIT_SLOTS,           WORKER,  GAUGE,     "tracepool_worker_limit",               "by=\"slots\"",          "Children whose traces at once this limits now.") \
    X(LIMIT_FREE_IPS,        WORKER,  GAUGE,     "tracepool_worker_limit",               "by=\"free_ips\"",       "Children whose traces at once this limits now.") \
    X(LIMIT_BROWSER,         WORKER,  GAUGE,     "tracepool_worker_limit",               "by=\"browser_slots\"",  "Children whose traces at once this limits now.") \
    X(LIMIT_DATABASE,        WORKER,  GAUGE,     "tracepool_worker_limit",               "by=\"database\"",       "Children whose traces at once this limits now.") \
    X(LIMIT_HOST,            WORKER,  GAUGE,     "tracepool_worker_limit",               "by=\"host\"",           "Children whose traces at once this limits now.") \
    X(CONCURRENCY_TARGET,    WORKER,  GAUGE,     "tracepool_worker_concurrency_target",  "",                      "Traces that children may hold at once: worker.slots, fewer while the database is slow.") \
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
    X(HOST_EXHAUSTED,        WORKER,  COUNTER,   "tracepool_host_exhausted_total",       "",                      "Traces and tracking requests that this machine had no local port, descriptor or memory for.") \
    X(SECRETS_MISSING,       WORKER,  COUNTER,   "tracepool_proxy_secrets_missing_total","",                      "Traces whose proxy secret could not be read.") \
    X(SIBLINGS_RELEASED,     WORKER,  COUNTER,   "tracepool_worker_deaths_total",        "",                      "Dead children whose leases were given back.") \
    X(TRACKING_RUNNING,      WORKER,  GAUGE,     "tracepool_tracking_running",           "",                      "Tracking requests in hand.")        \
    X(TRACKING_TRACKED,      WORKER,  COUNTER,   "tracepool_tracking_events_total",      "state=\"tracked\"",     "Tracking requests that ended or wait again, by the event's new state.") \
    X(TRACKING_FAILED,       WORKER,  COUNTER,   "tracepool_tracking_events_total",      "state=\"failed\"",      "Tracking requests that ended or wait again, by the event's new state.") \
    X(TRACKING_UNKNOWN,      WORKER,  COUNTER,   "tracepool_tracking_events_total",      "state=\"unknown\"",     "Tracking requests that ended or wait again, by the event's new state.") \
    X(TRACKING_BLOCKED,      WORKER,  COUNTER,   "tracepool_tracking_events_total",      "state=\"blocked\"",     "Tracking requests that ended or wait again, by the event's new state.") \
    X(TRACKING_RETRIED,      WORKER,  COUNTER,   "tracepool_tracking_events_total",      "state=\"waiting\"",     "Tracking requests that ended or wait again, by the event's new state.") \
    X(TRACKING_HELD,         WORKER,  COUNTER,   "tracepool_tracking_events_total",      "state=\"pending\"",     "Tracking requests that ended or wait again, by the event's new state.") \
    X(TRACKING_EXPIRED,      WORKER,  COUNTER,   "tracepool_tracking_events_total",      "state=\"expired\"",     "Tracking requests that ended or wait again, by the event's new state.") \
    X(CONN_TRACKING_OPENED,  WORKER,  COUNTER,   "tracepool_tracking_connections_total", "pool=\"tracking\",what=\"opened\"", "Connections of tracking requests: made, used again, and found dead when used again.") \
    X(CONN_TRACKING_REUSED,  WORKER,  COUNTER,   "tracepool_tracking_connections_total", "pool=\"tracking\",what=\"reused\"", "Connections of tracking requests: made, used again, and found dead when used again.") \
    X(CONN_TRACKING_DIED,    WORKER,  COUNTER,   "tracepool_tracking_connections_total", "pool=\"tracking\",what=\"died\"", "Connections of tracking requests: made, used again, and found dead when used again.") \
    X(CONN_BILLING_OPENED,   WORKER,  COUNTER,   "tracepool_tracking_connections_total", "pool=\"billing\",what=\"opened\"", "Connections of tracking requests: made, used again, and found dead when used again.") \
    X(CONN_BILLING_REUSED,   WORKER,  COUNTER,   "tracepool_tracking_connections_total", "pool=\"billing\",what=\"reused\"", "Connections of tracking requests: made, used again, and found dead when used again.") \
    X(CONN_BILLING_DIED,     WORKER,  COUNTER,   "tracepool_tracking_connections_total", "pool=\"billing\",what=\"died\"", "Connections of tracking requests: made, used again, and found dead when used again.") \
    X(TRACKING_SECONDS,      WORKER,  HISTOGRAM, "tracepool_tracking_seconds",           "0.01 0.05 0.1 0.25 0.5 1 2.5 5", "Time to the answer of a tracking request.") \
    X(VAST_SENT,             WORKER,  COUNTER,   "tracepool_vast_requests_total",        "what=\"sent\"",         "Tags and wrappers: requested, answered from the cache, and made to wait by a cap.") \
    X(VAST_CACHED,           WORKER,  COUNTER,   "tracepool_vast_requests_total",        "what=\"cached\"",       "Tags and wrappers: requested, answered from the cache, and made to wait by a cap.") \
    X(VAST_HELD,             WORKER,  COUNTER,   "tracepool_vast_requests_total",        "what=\"held\"",         "Tags and wrappers: requested, answered from the cache, and made to wait by a cap.") \
    X(SNAPSHOTS,             MONITOR, COUNTER,   "tracepool_snapshots_total",            "result=\"ok\"",       "Rows of statistics asked for, by what became of it.") \
    X(SNAPSHOTS_FAILED,      MONITOR, COUNTER,   "tracepool_snapshots_total",            "result=\"failed\"",   "Rows of statistics asked for, by what became of it.") \
    X(API_CALLS,             MONITOR, COUNTER,   "tracepool_api_calls_total",            "result=\"answered\"", "Calls of the operator's API.")      \
    X(API_REFUSED,           MONITOR, COUNTER,   "tracepool_api_calls_total",            "result=\"refused\"",  "Calls of the operator's API.")      \
    X(API_UNAUTHORISED,      MONITOR, COUNTER,   "tracepool_api_calls_total",            "result=\"unauthorised\"", "Calls of the operator's API.")  \
    X(BATCHES_ASKED,         MONITOR, COUNTER,   "tracepool_batches_asked_total",        "",                      "Batches asked of the farm by trace-worker.") \
    X(BATCHES_UNANSWERED,    MONITOR, COUNTER,   "tracepool_batches_unanswered_total",   "",                      "Batches that were closed because no worker took them.") \
    X(ALERTS_FIRED,          MONITOR, COUNTER,   "tracepool_alerts_fired_total",         "",                      "Alerts that this monitor saw begin to fire.") \
    X(NOTICES_TAKEN,         MONITOR, COUNTER,   "tracepool_alert_notices_total",        "result=\"taken\"",      "Messages about alerts that were posted, by what became of it.") \
    X(NOTICES_REFUSED,       MONITOR, COUNTER,   "tracepool_alert_notices_total",        "result=\"refused\"",    "Messages about alerts that were posted, by what became of it.") \
    X(EDGE_CLICKS_INSTANT,   EDGE,    COUNTER,   "tracepool_edge_clicks_total",          "path=\"track-hit-instant\"", "Clicks, by the path they asked for.") \
    X(EDGE_CLICKS_OLD,       EDGE,    COUNTER,   "tracepool_edge_clicks_total",          "path=\"track-hit\"",    "Clicks, by the path they asked for.") \
    X(EDGE_HEADS,            EDGE,    COUNTER,   "tracepool_edge_no_clicks_total",       "reason=\"head\"",      "Redirects that were no click: no row is made.") \
    X(EDGE_PREFETCHES,       EDGE,    COUNTER,   "tracepool_edge_no_clicks_total",       "reason=\"prefetch\"",  "Redirects that were no click: no row is made.") \
    X(EDGE_REDIRECTS,        EDGE,    COUNTER,   "tracepool_edge_answers_total",         "status=\"302\"",       "Answers to clicks, by HTTP status.") \
    X(EDGE_BAD_REQUESTS,     EDGE,    COUNTER,   "tracepool_edge_answers_total",         "status=\"400\"",       "Answers to clicks, by HTTP status.") \
    X(EDGE_NOT_FOUND,        EDGE,    COUNTER,   "tracepool_edge_answers_total",         "status=\"404\"",       "Answers to clicks, by HTTP status.") \
    X(EDGE_BROKEN_OFFERS,    EDGE,    COUNTER,   "tracepool_edge_answers_total",         "status=\"500\"",       "Answers to clicks, by HTTP status.") \
    X(EDGE_UNAVAILABLE,      EDGE,    COUNTER,   "tracepool_edge_answers_total",         "status=\"503\"",       "Answers to clicks, by HTTP status.") \
    X(EDGE_FALLBACKS,        EDGE,    COUNTER,   "tracepool_edge_fallbacks_total",       "",                     "Clicks sent to a fallback URL: offer unknown, inactive or broken.") \
    X(EDGE_VISIBLE_FOLLOWED, EDGE,    COUNTER,   "tracepool_edge_visible_targets_total", "result=\"followed\"",  "Clicks that named their next hop themselves.") \
    X(EDGE_VISIBLE_REFUSED,  EDGE,    COUNTER,   "tracepool_edge_visible_targets_total", "result=\"refused\"",   "Clicks that named their next hop themselves.") \
    X(EDGE_SKIPPED_BOT,      EDGE,    COUNTER,   "tracepool_edge_skipped_total",         "reason=\"bot\"",       "Clicks that were redirected and are not traced.") \
    X(EDGE_SKIPPED_DUPLICATE,EDGE,    COUNTER,   "tracepool_edge_skipped_total",         "reason=\"duplicate\"", "Clicks that were redirected and are not traced.") \
    X(EDGE_SKIPPED_RATE,     EDGE,    COUNTER,   "tracepool_edge_skipped_total",         "reason=\"rate\"",      "Clicks that were redirected and are not traced.") \
    X(EDGE_UNKEPT_REDIRECTS, EDGE,    COUNTER,   "tracepool_edge_unkept_redirects_total", "",                    "Clicks that were redirected although nothing kept them: edge.on_total_loss.") \
    X(KEEP_DIRECT,           EDGE,    COUNTER,   "tracepool_keep_clicks_total",          "result=\"database\"",  "Clicks that the spool did not take in time.") \
    X(KEEP_LOST,             EDGE,    COUNTER,   "tracepool_keep_clicks_total",          "result=\"unknown\"",   "Clicks that the spool did not take in time.") \
    X(EDGE_ANSWER_SECONDS,   EDGE,    HISTOGRAM, "tracepool_edge_answer_seconds",        "0.0005 0.001 0.002 0.005 0.01 0.025 0.05 0.1 0.2 0.5 1", "Time from a click's first byte to its answer.") \
    X(OFFERS_LOADS,          EDGE,    COUNTER,   "tracepool_edge_offer_loads_total",     "",                     "Times that offers were taken over because they had changed.") \
    X(SPOOL_APPENDED,        EDGE,    COUNTER,   "tracepool_spool_clicks_total",         "result=\"durable\"",   "Clicks given to the spool.") \
    X(SPOOL_FAILED,          EDGE,    COUNTER,   "tracepool_spool_clicks_total",         "result=\"failed\"",    "Clicks given to the spool.") \
    X(SPOOL_SYNCS,           EDGE,    COUNTER,   "tracepool_spool_syncs_total",          "",                     "Writes to the spool, each with all clicks that waited.") \
    X(SPOOL_SYNC_SECONDS,    EDGE,    HISTOGRAM, "tracepool_spool_sync_seconds",         "0.0001 0.0005 0.001 0.005 0.01 0.05 0.1 0.5", "Time of one write with its sync.") \
    X(SPOOL_BYTES,           EDGE,    GAUGE,     "tracepool_spool_bytes",                "",                     "Bytes of the spool on disk.") \
    X(SPOOL_UNSHIPPED_BYTES, EDGE,    GAUGE,     "tracepool_spool_unshipped_bytes",      "",                     "Bytes of clicks that the database does not have yet.") \
    X(SPOOL_AGE_SECONDS,     EDGE,    GAUGE,     "tracepool_spool_age_seconds",          "",                     "Age of the oldest click that the database does not have yet.") \
    X(SPOOL_ADOPTED,         EDGE,    COUNTER,   "tracepool_spool_adopted_total",        "",                     "Segments taken over from processes that are gone.") \
    X(SPOOL_AGAIN,           EDGE,    COUNTER,   "tracepool_spool_shipped_again_total",  "",                     "Committed segments that are shipped again, as the database was another one.") \
    X(SPOOL_TORN,            EDGE,    COUNTER,   "tracepool_spool_torn_total",           "",                     "Segments that ended in half a record: never acknowledged.") \
    X(SPOOL_DAMAGED,         EDGE,    COUNTER,   "tracepool_spool_damaged_total",        "",                     "Damaged records that were passed over; their segments are kept.") \
    X(SHIP_CLICKS,           EDGE,    COUNTER,   "tracepool_ship_clicks_total",          "",                     "Clicks committed to the database.") \
    X(SHIP_BATCHES,          EDGE,    COUNTER,   "tracepool_ship_batches_total",         "",                     "Statements that committed clicks.") \
    X(SHIP_RETRIES,          EDGE,    COUNTER,   "tracepool_ship_retries_total",         "",                     "Statements that failed and are sent again.") \
    X(SHIP_QUARANTINED,      EDGE,    COUNTER,   "tracepool_ship_quarantined_total",     "",                     "Clicks that the database refused: see spool_quarantine.") \
    /* end */
/* clang-format on */

#endif
