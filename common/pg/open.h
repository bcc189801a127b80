/*
 * open.h - the connections of a program, as its settings want them.
 *
 * One for queries, and where database.listen_url names a way of its own (there is a pooler in between), a
 * second one that only listens.
 */
#ifndef TRACEPOOL_COMMON_PG_OPEN_H
#define TRACEPOOL_COMMON_PG_OPEN_H

#include "common/conf.h"
#include "common/pg/conn.h"

/* What is heard of the connection that only listens; each may be NULL. */
struct pg_listener_events {
    void (*on_up)(void *arg);
    void (*on_down)(void *arg, const struct err *err);
};

/*
 * Whether there is a connection string, and it and that of the listener can be read; whether anybody answers
 * is found out later. ERR_BAD_SETTING.
 */
NODISCARD bool pg_check_settings(const struct conf *conf, struct err *err);

/*
 * Starts them and returns the one for queries. The caller fills loop, application_name, queries, nqueries,
 * channels (NULL: nobody listens) and the callbacks of options; what the settings say is filled in here.
 * *listener is the other one, or NULL: then the first listens. on_notify is the same for both.
 */
struct pg *pg_open(const struct conf *conf, struct pg_options options, struct pg_listener_events events,
                   struct pg **listener);

#endif
