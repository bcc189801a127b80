/*
 * db.c - how the monitor connects. See db.h.
 */
#include "monitor/db.h"

#include "common/log.h"
#include "common/loop.h"

#define QUERIES_DEFINE
#include "monitor/queries_monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const channels[] = {"tracepool_batches", NULL};

const char *db_incarnation(void)
{
    static char text[120];
    char host[64] = "";

    if (*text)
        return text;
    gethostname(host, sizeof(host) - 1);
    snprintf(text, sizeof(text), "%s.%d.%" PRId64, host, (int)getpid(), loop_wall_ms());
    return text;
}

static struct pg_options base_options(const struct conf *conf, uv_loop_t *loop,
                                      const struct db_events *events)
{
    static char application_name[160];

    snprintf(application_name, sizeof(application_name), "tracepool-monitor %s", db_incarnation());
    return (struct pg_options){
        .loop = loop,
        .url = conf->database_url,
        .application_name = application_name,
        .pooled = conf->database_pooled,
        .connect_timeout_ms = conf->database_connect_timeout_ms,
        .query_timeout_ms = conf->database_query_timeout_ms,
        .schema_version = TRACEPOOL_SCHEMA,
        .arg = events->arg,
        .on_up = events->on_up,
        .on_down = events->on_down,
        .on_notify = events->on_notify,
    };
}

struct pg *db_open(const struct conf *conf, uv_loop_t *loop, const struct db_events *events)
{
    struct pg_options options = base_options(conf, loop, events);

    options.queries = queries;
    options.nqueries = Q_COUNT;
    if (!*conf->database_listen_url && events->on_notify)
        options.channels = channels;
    return pg_create(&options);
}

static void on_listener_down(void *arg, const struct err *err)
{
    (void)arg;
    db_log_down(err);
}

struct pg *db_open_listener(const struct conf *conf, uv_loop_t *loop, const struct db_events *events)
{
    struct pg_options options = base_options(conf, loop, events);

    if (!*conf->database_listen_url)
        return NULL;
    options.url = conf->database_listen_url;
    options.pooled = false;
    options.channels = channels;
    options.on_up = NULL;
    options.on_down = on_listener_down;
    return pg_create(&options);
}

static const char *advice_for(const struct err *err)
{
    if (err->code == ERR_SCHEMA)
        return "run migrations/apply.sh with the same DATABASE_URL; retrying";
    if (err->code == ERR_BAD_SETTING)
        return "correct database.url and start again";
    return "is PostgreSQL up and database.url right? retrying";
}

void db_log_down(const struct err *err)
{
    static struct log_gate gates[ERR_COUNT];
    struct log_gate *gate = &gates[err->code];

    if (log_gate_opens(gate))
        log_error("database.down", kv_err(err), kv("advice", advice_for(err)),
                  kv("held_back", gate->held_back));
}
