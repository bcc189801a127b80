/*
 * open.c - see open.h.
 */
#include "common/pg/open.h"

#include "common/pg/target.h"

static bool is_readable(const char *url, struct err *err)
{
    struct pg_target target;

    if (!pg_target_init(&target, url, err))
        return false;
    pg_target_finish(&target);
    return true;
}

bool pg_check_settings(const struct conf *conf, struct err *err)
{
    struct err why;

    if (!conf_require_database(conf, err) || !is_readable(conf->database_url, err))
        return false;
    return !conf->database_listen_url[0] || is_readable(conf->database_listen_url, &why) ||
           err_set(err, why.code, "database.listen_url: %s", why.detail);
}

static struct pg *open_listener(const struct conf *conf, struct pg_options options,
                                struct pg_listener_events events)
{
    options.url = conf->database_listen_url;
    options.queries = NULL;
    options.nqueries = 0;
    options.pooled = false;
    options.schema_version = 0; /* the other one asks */
    options.on_up = events.on_up;
    options.on_down = events.on_down;
    return pg_create(&options);
}

struct pg *pg_open(const struct conf *conf, struct pg_options options, struct pg_listener_events events,
                   struct pg **listener)
{
    bool has_listener = options.channels && conf->database_listen_url[0];

    options.connect_timeout_ms = conf->database_connect_timeout_ms;
    options.query_timeout_ms = conf->database_query_timeout_ms;
    *listener = has_listener ? open_listener(conf, options, events) : NULL;

    options.url = conf->database_url;
    options.pooled = conf->database_pooled;
    options.schema_version = TRACEPOOL_SCHEMA;
    if (has_listener)
        options.channels = NULL;
    return pg_create(&options);
}
