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
    CHOICE(worker,   mode,                "continuous batch", "continuous",        "continuous: trace whatever is due; batch: only what a batch asks for")\
    INT(   worker,   children,            "",       4,         1,     256,         "worker processes")                                              \
    INT(   worker,   slots,               "",       25,        1,     1000,        "traces at once in one child")                                   \
    TEXT(  worker,   countries,           "",                                      "countries to work for, comma separated; empty: all of the pool")\
    INT(   worker,   poll_ms,             "ms",     1000,      10,    1000,        "longest pause between two looks at the queue, when no NOTIFY came")\
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
    TEXT(  http,     user_agent,          "",                                      "what traces call themselves; empty: tracepool/VERSION (+http.contact)")\
    TEXT(  http,     contact,             "",                                      "page or mail address that a site's owner can turn to, for the default user agent")\
    TEXT(  http,     ca_file,             "",                                      "further certificate authorities, PEM; for private ones")        \
    /* end */
/* clang-format on */

#endif
