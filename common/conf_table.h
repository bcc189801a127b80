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
    /* end */
/* clang-format on */

#endif
