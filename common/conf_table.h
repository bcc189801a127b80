/*
 * conf_table.h - the settings themselves. Read it aligned; conf.h explains the columns.
 */
#ifndef TRACEPOOL_COMMON_CONF_TABLE_H
#define TRACEPOOL_COMMON_CONF_TABLE_H

/* clang-format off */
#define CONF_MAP(INT, BOOL, CHOICE, TEXT, SECRET)                                                                                          \
    /*     section   key                  unit      default    min   max          what it is for */                                        \
    SECRET(database, url,                 "DATABASE_URL",                "PostgreSQL connection string (URI or key=value)")                 \
    SECRET(database, listen_url,          "LISTEN_URL",                  "a direct connection for LISTEN when url goes through a pooler; empty: url itself")  \
    BOOL(  database, pooled,              false,                         "url goes through a transaction pooler: unnamed statements, no LISTEN on it")      \
    INT(   database, connect_timeout_ms,  "ms",     2000,      100,  60000,       "time a connection attempt may take")                    \
    INT(   database, query_timeout_ms,    "ms",     5000,      50,   600000,      "time one query may take; then the connection is replaced") \
    CHOICE(log,      format,              "logfmt json",       "logfmt", "how a log line is written")                                      \
    CHOICE(log,      level,               "debug info warn error", "info", "the least level that is written")                              \
    CHOICE(sandbox,  mode,                "auto on off",       "auto",   "auto: what the kernel has of seccomp and Landlock; on: no start without both; off: none, for looking at a fault")\
    CHOICE(worker,   mode,                "continuous batch", "continuous",        "continuous: trace whatever is due; batch: only what a batch asks for")\
    INT(   worker,   children,            "",       4,         1,     256,         "worker processes")                                              \
    INT(   worker,   slots,               "",       25,        1,     1000,        "traces at once in one child")                                   \
    TEXT(  worker,   countries,           "",                                      "countries to work for, comma separated; empty: all of the pool")\
    INT(   worker,   poll_ms,             "ms",     1000,      10,    1000,        "longest pause between two looks at the queue, when no NOTIFY came")\
    INT(   worker,   gather_ms,           "ms",     50,        0,     1000,        "a busy child rests so long between two claims, and two statements of results, that what comes meanwhile goes together; an idle one acts at once")\
    INT(   worker,   slow_database_ms,    "ms",     1000,      5,     60000,       "a claim or result that takes longer halves the traces at once; they grow again step by step")\
    INT(   worker,   full_scan_s,         "s",      15,        1,     600,         "a look at the whole queue without cursors, this often even when claims come back full")\
    INT(   worker,   heartbeat_s,         "s",      5,         1,     60,          "pause between two heartbeats of a child")                       \
    INT(   worker,   silence_s,           "s",      30,        5,     3600,        "a worker not heard of for this long is dead; one without its database for this long lets go")\
    INT(   worker,   drain_s,             "s",      30,        0,     600,         "time for running traces to end after SIGTERM; the rest is handed back")\
    INT(   worker,   batch_answer_s,      "s",      60,        1,     3600,        "run-batch: how long to wait for a worker to take the batch")    \
    TEXT(  worker,   secrets_dir,         "/etc/tracepool/secrets",                "folder of proxy secrets, one file each, named as in proxy_providers")\
    INT(   trace,    timeout_s,           "s",      90,        1,     600,         "time one trace may take")                                       \
    INT(   trace,    lease_s,             "s",      120,       2,     1200,        "time a claimed request and its IP are ours; more than timeout_s")\
    INT(   trace,    max_hops,            "",       20,        1,     100,         "hops of one chain")                                             \
    INT(   trace,    hop_timeout_s,       "s",      15,        1,     600,         "time one hop may take")                                         \
    INT(   trace,    connect_timeout_ms,  "ms",     10000,     100,   60000,       "time for the connection to the proxy")                          \
    INT(   trace,    body_max_bytes,      "bytes",  2097152,   1024,  67108864,    "bytes of a page that are read, decompressed")                   \
    INT(   trace,    header_max_bytes,    "bytes",  262144,    4096,  4194304,     "bytes of one answer's headers")                                 \
    INT(   trace,    memory_max_bytes,    "bytes",  16777216,  262144,268435456,   "all that one trace may remember")                               \
    BOOL(  trace,    allow_private,       false,                                   "reach private and loopback addresses: for tests and demonstrations")\
    BOOL(  browser,  enabled,             true,                                    "trace pages with Chromium where mode browser or auto asks for it")\
    TEXT(  browser,  program,             "",                                      "Chromium: a path or a name; empty: chromium-headless-shell, then chromium")\
    TEXT(  browser,  user,                "nobody",                                "whom the browser runs as when tracepool was started by root")    \
    BOOL(  browser,  no_sandbox,          false,                                   "run pages without Chromium's own sandbox: never on a machine that matters")\
    INT(   browser,  contexts,            "",       2,         1,     64,          "browser traces at once in one child")                           \
    INT(   browser,  max_traces,          "",       500,       1,     1000000,     "a Chromium is replaced after so many traces")                   \
    INT(   browser,  max_memory_bytes,    "bytes",  1073741824,0,     68719476736, "a Chromium that is larger is replaced; 0: never")               \
    INT(   browser,  idle_s,              "s",      300,       0,     86400,       "a Chromium without a trace for so long is ended; 0: never")     \
    INT(   browser,  settle_ms,           "ms",     11000,     100,   60000,       "virtual time that a page gets after each load to go elsewhere") \
    INT(   browser,  hang_ms,             "ms",     1000,      50,    60000,       "wall clock after which a page that loads for ever is left alone")\
    INT(   browser,  screenshot_ms,       "ms",     5000,      100,   60000,       "time a screenshot may take, within its trace's; then it is left out")\
    INT(   browser,  screenshot_max_bytes,"bytes",  2097152,   65536, 8388608,     "a larger screenshot is taken again as JPEG, and left out if that is larger too")\
    INT(   browser,  http_first_s,        "s",      5,         1,     600,         "mode auto: how long HTTP may wait for a page before a browser tries")\
    INT(   auto,     sample_percent,      "%",      1,         0,     100,         "mode auto: of the traces that HTTP alone is enough for, how many visit the target once more with the browser, to compare")\
    CHOICE(tracking, mode,                "off verify fire",   "verify", "verify: expand and record what an ad would call, send nothing; fire: send it where offer and allowed hosts agree")\
    INT(   tracking, slots,               "",       64,        1,     1000,        "tracking requests in hand at once in one child")                \
    INT(   vast,     max_wrappers,        "",       5,         0,     20,          "wrappers in one chain; more is error 302")                      \
    INT(   vast,     max_fetches,         "",       50,        1,     1000,        "requests for one document in all: pods of wrappers multiply")   \
    INT(   vast,     max_redirects,       "",       5,         0,     20,          "redirects of one tag or wrapper request")                       \
    INT(   vast,     timeout_ms,          "ms",     5000,      100,   60000,       "time one tag or wrapper request may take, redirects included; then it is error 301")\
    INT(   vast,     body_max_bytes,      "bytes",  2097152,   1024,  67108864,    "bytes of one ad document, decompressed")                        \
    INT(   vast,     requests_per_minute, "",       600,       1,     100000,      "tag and wrapper requests a minute to one host, of a worker and all of its children, where no provider says otherwise")\
    INT(   vast,     cache_ttl_s,         "s",      60,        0,     86400,       "how long answers are kept for offers with vast_cache, where no provider says otherwise")\
    INT(   vast,     cache_max_bytes,     "bytes",  16777216,  0,     1073741824,  "all answers that one child keeps")                              \
    TEXT(  vast,     xsd_dir,             "",                                      "folder with IAB's XSDs, whose verdict is then shown as advice; empty: none is asked")\
    INT(   tracking, host_concurrency,    "",       4,         1,     100,         "tracking requests at once to one host, in one child")           \
    INT(   tracking, host_rate,           "",       20,        1,     10000,       "tracking requests a second to one host, in one child")          \
    INT(   tracking, breaker_failures,    "",       5,         1,     1000,        "a host that fails so often in a row is left alone for a while") \
    INT(   tracking, breaker_s,           "s",      30,        1,     3600,        "that while")                                                    \
    INT(   tracking, connect_timeout_ms,  "ms",     2000,      50,    60000,       "time for the connection of a tracking request")                 \
    INT(   tracking, timeout_ms,          "ms",     5000,      50,    60000,       "time one tracking request may take; a redirect is another one") \
    INT(   tracking, lease_s,             "s",      60,        1,     3600,        "time a claimed tracking request is ours; more than timeout_ms for it and five redirects")\
    INT(   tracking, poll_ms,             "ms",     1000,      10,    1000,        "longest pause between two looks at kill switch, allowed hosts and outbox, when no NOTIFY came")\
    INT(   tracking, keepalive_s,         "s",      300,       0,     3600,        "a connection for tracking requests that rested for longer is not used again")\
    INT(   tracking, connections,         "",       100,       1,     1000,        "connections for tracking requests at once in one child")        \
    INT(   tracking, kept_connections,    "",       20,        1,     1000,        "of these, how many are kept open between requests")             \
    CHOICE(tracking, macros,              "leave iab",         "leave", "what becomes of a known macro without a value: leave it, or -1 as the IAB has it")\
    TEXT(  tracking, log_include,         "",                                      "events that are logged one by one, as in start, progress-*; empty: all")\
    TEXT(  tracking, log_exclude,         "",                                      "events that are not")                                           \
    TEXT(  http,     user_agent,          "",                                      "what traces call themselves; empty: tracepool/VERSION (+http.contact)")\
    TEXT(  http,     contact,             "",                                      "page or mail address that a site's owner can turn to, for the default user agent")\
    TEXT(  http,     ca_file,             "",                                      "further certificate authorities, PEM; for private ones")        \
    INT(   monitor,  interval_s,          "s",      10,        1,     3600,        "pause between two snapshots of pool and queue")                 \
    INT(   monitor,  batch_wait_s,        "s",      30,        1,     3600,        "trace-worker: how long a batch may stand still before its caller is told so")\
    INT(   alerts,   workers,             "",       1,         0,     100000,      "fewer live worker processes raise an alert")                    \
    INT(   alerts,   pool_utilization,    "",       80,        0,     100,         "percent of the pool in use; above it for 5 minutes raises an alert")\
    INT(   alerts,   success_rate,        "",       90,        0,     100,         "percent of the traces of 5 minutes; fewer completed raise an alert")\
    INT(   alerts,   unhealthy_ips,       "",       10,        0,     100,         "percent of the pool; more unhealthy IPs raise an alert")        \
    INT(   alerts,   queue_depth,         "",       20,        0,     100000000,   "more pending requests raise an alert")                          \
    INT(   alerts,   trace_time,          "s",      10,        0,     600,         "a longer mean time of traces raises an alert")                  \
    INT(   alerts,   no_free_ip,          "",       0,         0,     100000000,   "more due requests in a country without a free IP, for a minute, raise an alert")\
    INT(   alerts,   events_untracked,    "s",      300,       0,     86400,       "tracking requests due for longer, and none tracked, raise an alert")\
    INT(   alerts,   beacon_failures,     "",       10,        0,     100,         "percent of the tracking requests of 5 minutes; more that failed raise an alert")\
    INT(   alerts,   spool_age,           "s",      60,        0,     86400,       "an older click that an edge has yet to ship raises an alert")   \
    INT(   alerts,   oldest_transaction,  "s",      600,       0,     86400,       "an older open transaction raises an alert")                     \
    INT(   alerts,   credentials_age,     "",       90,        0,     3650,        "days; an older proxy password raises an alert")                 \
    INT(   alerts,   chain_drift,         "",       0,         0,     1000000,     "more redirect chains that changed raise an alert")              \
    INT(   alerts,   certificate_errors,  "",       0,         0,     1000000,     "more traces of an offer in 5 minutes that met a refused certificate raise an alert")\
    INT(   alerts,   certificate_expiry,  "",       14,        0,     90,          "days; a certificate on the way that ends sooner raises an alert")\
    INT(   alerts,   edge_over_500ms,     "",       1,         0,     1000,        "per mille of the clicks of 5 minutes; more answered after 500 ms raise an alert")\
    INT(   alerts,   edge_over_200ms,     "",       10,        0,     1000,        "per mille of the clicks of 5 minutes; more answered after 200 ms raise an alert")\
    INT(   alerts,   http_only_share,     "",       80,        0,     100,         "percent of the auto traces of 5 minutes; fewer without a browser, for 10 minutes, raise an alert")\
    INT(   alerts,   pool_ceiling,        "",       90,        0,     100,         "percent of what the pool can trace; more for 5 minutes raises an alert")\
    INT(   alerts,   pool_idle,           "",       60,        0,     100,         "percent of the pool in use at the day's peak; less is noted as information")\
    INT(   alerts,   keep_s,              "s",      15,        0,     86400,       "an alert ends when it was within its threshold for so long")    \
    SECRET(alerts,   webhook_url,         "",                                      "where alerts are posted; several addresses separated by blanks; empty: nowhere")\
    CHOICE(alerts,   webhook_format,      "json pagerduty slack", "json",          "what is posted: our own JSON, PagerDuty's Events API v2, or Slack's incoming webhooks")\
    SECRET(alerts,   webhook_secret,      "",                                      "json: key of the signature in X-Tracepool-Signature; pagerduty: the routing key")\
    CHOICE(alerts,   webhook_severity,    "info warning critical", "warning",      "the least severity that is posted")                             \
    INT(   alerts,   webhook_timeout_ms,  "ms",     5000,      100,   60000,       "time one post may take")                                        \
    INT(   alerts,   webhook_retry_s,     "s",      5,         1,     600,         "pause before the first repetition; doubles up to 10 minutes, for a day")\
    TEXT(  api,      listen,              "127.0.0.1:8081",                        "address of the operator's API; anything but loopback needs a token")\
    SECRET(api,      token,               "",                                      "bearer token that callers must send; empty: none is asked for (loopback only)")\
    SECRET(api,      token_previous,      "",                                      "the token before the last change, still accepted")              \
    INT(   api,      max_connections,     "",       256,       1,     65536,       "callers at once; above it the longest idle one is closed")      \
    TEXT(  edge,     listen,              "127.0.0.1:8080",                        "where clicks come in: HOST:PORT, [V6]:PORT or unix:/path")      \
    TEXT(  edge,     admin_listen,        "127.0.0.1:8082",                        "where /healthz, /readyz and /metrics are; empty: nowhere")      \
    INT(   edge,     children,            "",       1,         1,     64,          "edge processes on the one listening socket")                    \
    INT(   edge,     drain_s,             "s",      10,        0,     600,         "time for open answers, and for shipping, after SIGTERM")        \
    INT(   edge,     max_connections,     "",       10000,     1,     1000000,     "connections of one child; above it the longest idle one is closed")\
    INT(   edge,     head_timeout_ms,     "ms",     10000,     100,   600000,      "time from a request's first byte to its last")                  \
    INT(   edge,     idle_timeout_ms,     "ms",     60000,     100,   3600000,     "time a connection may rest between two requests")               \
    INT(   edge,     write_timeout_ms,    "ms",     10000,     100,   600000,      "time a client may take to accept an answer")                    \
    TEXT(  edge,     spool_dir,           "/var/lib/tracepool/spool",              "folder of the spool and of the offers' snapshot; on a disk that survives a restart")\
    INT(   edge,     spool_max_bytes,     "bytes",  1073741824,65536, 1099511627776, "size of the spool; above it clicks go straight to the database, or are refused")\
    INT(   edge,     segment_bytes,       "bytes",  4194304,   4096,  1073741824,  "size of one spool file; at most a fraction of spool_max_bytes") \
    CHOICE(edge,     durability,          "fsync write", "fsync",                  "fsync: a click survives a power cut; write: it survives a crash of the edge")\
    INT(   edge,     ship_batch,          "",       200,       1,     1000,        "clicks in one statement")                                       \
    INT(   edge,     offers_poll_s,       "s",      30,        1,     3600,        "pause between two looks at the offers, when no NOTIFY came")    \
    TEXT(  edge,     fallback_url,        "",                                      "where a click goes whose offer is unknown, inactive or broken and names no fallback itself; empty: it is answered 404")\
    TEXT(  edge,     redirect_param,      "redirection_url",                       "parameter that names the next hop, for offers that name none; followed to their allowed_hosts only; empty: none")\
    CHOICE(edge,     referrer_policy,     "off no-referrer origin origin-when-cross-origin same-origin strict-origin strict-origin-when-cross-origin no-referrer-when-downgrade unsafe-url", "off", "Referrer-Policy of a redirect; off: none is sent")\
    TEXT(  edge,     trusted_proxies,     "",                                      "addresses of front proxies whose headers are believed: comma separated, as in 10.0.0.0/8, ::1, unix")\
    TEXT(  edge,     country_header,      "",                                      "header in which a trusted proxy names the visitor's country, for offers with country_from = header")\
    INT(   edge,     spool_keep_s,        "s",      0,         0,     2592000,     "time that a spool file is kept after its commit, so that it can be shipped again to a promoted standby that lacks it; 0: it is deleted")\
    CHOICE(edge,     on_total_loss,       "refuse redirect", "refuse",             "a click that neither spool nor database takes in time: refuse it (503), or redirect it without a row, counted and logged")\
    BOOL(  edge,     skip_bots,           true,                                    "declared bots and link previews get a skipped row: redirected, not traced")\
    INT(   edge,     dedup_s,             "s",      0,         0,     86400,       "a click that repeats another one within this time (click id; without one, address, agent and offer) gets a skipped row; 0: off")\
    INT(   edge,     rate_per_minute,     "",       0,         0,     1000000,     "clicks of one address that are traced in a minute, the others get a skipped row; 0: all")\
    INT(   edge,     rate_burst,          "",       10,        1,     1000000,     "clicks of one address that are traced at once before rate_per_minute holds")\
    TEXT(  edge,     access_log,          "",                                      "a line for each answer to a click: log (in the program's log), or a file of JSON lines; empty: none")\
    SECRET(edge,     debug_token,         "",                                      "bearer token with which a request with the parameter debug is explained instead of answered; empty: never")\
    /* end */
/* clang-format on */

#endif
