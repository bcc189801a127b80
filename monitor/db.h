/*
 * db.h - the monitor's connections, and what its log says about them.
 */
#ifndef TRACEPOOL_MONITOR_DB_H
#define TRACEPOOL_MONITOR_DB_H

#include "common/conf.h"
#include "common/pg/conn.h"

struct db_events {
    void *arg;
    void (*on_up)(void *arg);
    void (*on_down)(void *arg, const struct err *err);
    void (*on_notify)(void *arg, const char *channel, const char *payload);
};

/*
 * The connection that all queries go through; with on_notify it listens too, unless database.listen_url is
 * set: then *listener is a second one that only listens, else NULL.
 */
struct pg *db_open(const struct conf *conf, uv_loop_t *loop, const struct db_events *events,
                   struct pg **listener);

/* One line, at most once a minute for each kind of trouble, with what a person can do. */
void db_log_down(const struct err *err);

/* This process's name in the database: HOST.PID.MS since 1970. */
const char *db_incarnation(void);

#endif
