/*
 * status.c - pool, queue and performance now, as the seed's JSON. See status.h.
 *
 * The database counts (pool_monitor()), alerts.c judges, this file puts both together and answers.
 */
#include "monitor/status.h"

#include "common/json.h"
#include "common/pg/row.h"
#include "monitor/alerts.h"
#include "monitor/monitor.h"
#include "monitor/reply.h"

/* jsonb forgets the order of fields; people read the seed's. */
static const char *const seed_fields[] = {"timestamp", "pool_summary", "active_requests", "performance",
                                          "health"};

static bool is_seed_field(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(seed_fields); i++)
        if (str_equal(str_from(key), str_from(seed_fields[i])))
            return true;
    return false;
}

static void put_judgement(json_t *status)
{
    json_t *warnings = json_array();
    SCOPED_VALUE(buf) recommendation;

    buf_init(&recommendation, 2000);
    alerts_describe(status, warnings, &recommendation);
    json_put(status, "warnings", warnings);
    json_put_str(status, "recommendation", buf_str(&recommendation));
}

json_t *status_from_text(struct str text, struct err *err)
{
    SCOPED(json_t) raw = json_parse(text, err);
    json_t *status, *value;
    const char *key;

    if (!json_is_object(raw)) {
        err_set(err, ERR_INTERNAL, "pool_monitor() returned no JSON object");
        return NULL;
    }
    status = json_object();
    for (size_t i = 0; i < ARRAY_LEN(seed_fields); i++)
        if ((value = json_object_get(raw, seed_fields[i])))
            json_put(status, seed_fields[i], json_incref(value));
    put_judgement(status);
    json_object_foreach(raw, key, value) if (!is_seed_field(key)) json_put(status, key, json_incref(value));
    return status;
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
    SCOPED(json_t) status = status_from_text(row_str(res, 0, row_column(res, "status")), &why);
    if (status)
        reply_json(conn, 200, status);
    else
        reply_error(conn, 500, "%s", why.detail);
}

void status_get(struct monitor *m, struct httpd_conn *conn)
{
    pg_send(m->db, Q_POOL_MONITOR, NULL, 0, on_status, conn);
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
