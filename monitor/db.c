/*
 * db.c - how the monitor connects. See db.h.
 */
#include "monitor/db.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/pg/open.h"

#define QUERIES_DEFINE
#include "monitor/queries_monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { APPLICATION_MAX = 160 };

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

static void on_listener_down(void *arg, const struct err *err)
{
    (void)arg;
    db_log_down(err);
}

struct pg *db_open(const struct conf *conf, uv_loop_t *loop, const struct db_events *events,
                   struct pg **listener)
{
    char application_name[APPLICATION_MAX];

    snprintf(application_name, sizeof(application_name), "tracepool-monitor %s", db_incarnation());
    return pg_open(conf,
                   (struct pg_options){
                       .loop = loop,
                       .application_name = application_name,
                       .queries = queries,
                       .nqueries = Q_COUNT,
                       .channels = events->on_notify ? channels : NULL,
                       .arg = events->arg,
                       .on_up = events->on_up,
                       .on_down = events->on_down,
                       .on_notify = events->on_notify,
                   },
                   (struct pg_listener_events){.on_down = on_listener_down}, listener);
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
