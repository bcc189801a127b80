/*
 * status.c - pool, queue and performance now, as the original's JSON. See status.h.
 *
 * The database counts (pool_monitor()) and looks with the alert rules (alert_look()); this file puts both
 * together and answers.
 */
#include "monitor/status.h"

#include "common/json.h"
#include "common/pg/row.h"
#include "monitor/alerts.h"
#include "monitor/monitor.h"
#include "monitor/reply.h"

#include <inttypes.h>
#include <stdio.h>

/* jsonb forgets the order of fields; people read the original's. */
enum { MAX_FIELDS = 7 };

/* clang-format off */
static const char *const top_fields[MAX_FIELDS] = {"timestamp", "pool_summary", "active_requests", "performance", "health"};
static const char *const country_fields[MAX_FIELDS] = {"total", "available", "locked", "cooldown", "healthy", "unhealthy"};
static const struct {
    const char *section;
    const char *fields[MAX_FIELDS];
} sections[] = {
    {"active_requests", {"total", "pending", "processing", "by_country"}},
    {"performance",     {"completed_last_5min", "avg_trace_time_ms", "http_only_count", "browser_count"}},
    {"health",          {"pool_utilization_percent", "available_ips", "queue_depth", "success_rate_5min"}},
};
/* clang-format on */

/* A copy of object with those fields, in that order; what is no object is taken as it is. */
static json_t *pick(json_t *object, const char *const *fields)
{
    json_t *copy, *value;

    if (!json_is_object(object))
        return json_incref(object);
    copy = json_object();
    for (int i = 0; i < MAX_FIELDS && fields[i]; i++)
        if ((value = json_object_get(object, fields[i])))
            json_put(copy, fields[i], json_incref(value));
    return copy;
}

/* In place: the fields of object[key] in that order, then those that are not in the list. */
static void put_in_order(json_t *object, const char *key, const char *const *fields)
{
    json_t *value = json_object_get(object, key);

    if (!value)
        return;
    json_t *ordered = pick(value, fields);
    json_object_update_missing(ordered, value);
    json_put(object, key, ordered);
}

static void put_sections_in_order(json_t *status)
{
    json_t *summary = json_object_get(status, "pool_summary"), *counts;
    const char *country;

    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        put_in_order(status, sections[i].section, sections[i].fields);
    json_object_foreach(summary, country, counts) put_in_order(summary, country, country_fields);
}

static void put_judgement(json_t *status, const json_t *levels)
{
    json_t *warnings = json_array();
    SCOPED_VALUE(buf) recommendation;

    buf_init(&recommendation, 4000);
    alerts_describe(levels, warnings, &recommendation);
    json_put(status, "warnings", warnings);
    json_put_str(status, "recommendation", buf_str(&recommendation));
}

json_t *status_from_json(const json_t *raw, const json_t *levels, struct err *err)
{
    json_t *status;

    if (!json_is_object(raw) || !json_is_array(levels)) {
        err_set(err, ERR_INTERNAL, "pool_monitor() or alert_look() returned no JSON object");
        return NULL;
    }
    status = pick((json_t *)raw, top_fields);
    put_sections_in_order(status);
    put_judgement(status, levels);
    json_object_update_missing(status, (json_t *)raw);
    return status;
}

json_t *status_from_row(PGresult *res, json_t **look, struct err *err)
{
    SCOPED(json_t) raw = json_parse(row_str(res, 0, row_column(res, "status")), err);
    SCOPED(json_t) seen = json_parse(row_str(res, 0, row_column(res, "look")), err);
    json_t *status = status_from_json(raw, json_object_get(seen, "levels"), err);

    if (status && look)
        *look = TAKE(seen);
    return status;
}

void status_ask(struct monitor *m, pg_done_cb done, void *arg)
{
    char ms[24];

    snprintf(ms, sizeof(ms), "%" PRId64, m->conf->worker_silence_s * 1000);
    pg_send(m->db, Q_POOL_MONITOR, (const char *[]){buf_cstr(&m->rules), ms}, 0, done, arg);
}

static void on_status(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct httpd_conn *conn = arg;
    struct err why;

    (void)sqlstate;
    if (err->code != ERR_OK) {
        reply_database_error(conn, err);
        return;
    }
    SCOPED(json_t) status = status_from_row(res, NULL, &why);
    if (status)
        reply_json(conn, 200, status);
    else
        reply_error(conn, 500, "%s", why.detail);
}

void status_get(struct monitor *m, struct httpd_conn *conn)
{
    status_ask(m, on_status, conn);
}

static void on_recorded(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct httpd_conn *conn = arg;

    (void)res;
    (void)sqlstate;
    metrics_add(err->code == ERR_OK ? METRIC_SNAPSHOTS : METRIC_SNAPSHOTS_FAILED, 1);
    if (err->code != ERR_OK)
        reply_database_error(conn, err);
    else
        status_get(httpd_data(conn), conn);
}

void status_post(struct monitor *m, struct httpd_conn *conn)
{
    httpd_set_data(conn, m);
    pg_send(m->db, Q_RECORD_STATISTICS, NULL, 0, on_recorded, conn);
}
