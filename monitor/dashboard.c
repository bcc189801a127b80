/*
 * dashboard.c - from a call of the dashboard to the query that answers it. See dashboard.h.
 */
#include "monitor/dashboard.h"

#include "common/json.h"
#include "common/pg/row.h"
#include "common/url.h"
#include "monitor/monitor.h"
#include "monitor/reply.h"
#include "monitor/status.h"

#include <string.h>

enum { MAX_FIELDS = 10, MAX_VALUE_BYTES = 300, ARENA_BYTES = 64 * 1024, TEXT_BYTES = 8 * 1024 };

/* ---- the query string ---- */

static bool is_known(struct str name, const char *const *names)
{
    for (; *names; names++)
        if (str_equal(name, str_from(*names)))
            return true;
    return false;
}

static bool put_argument(json_t *object, struct str name, struct str value, const char *const *names,
                         struct err *err)
{
    char key[32] = "";

    if (!is_known(name, names))
        return err_set(err, ERR_BAD_INPUT, "unknown field \"%.*s\" in the query",
                       (int)(name.len < 40 ? name.len : 40), name.ptr);
    memcpy(key, name.ptr, name.len); /* known ones are short */
    if (json_object_get(object, key))
        return err_set(err, ERR_BAD_INPUT, "%s is there twice", key);
    if (value.len > MAX_VALUE_BYTES)
        return err_set(err, ERR_BAD_INPUT, "%s is longer than %d bytes", key, MAX_VALUE_BYTES);
    json_put_str(object, key, value);
    return true;
}

json_t *dashboard_arguments(struct str query, const char *const *names, struct err *err)
{
    struct arena arena;
    SCOPED(json_t) object = json_object();
    struct url_query_iter it;
    struct str name, value;
    bool ok = true;

    arena_init(&arena, ARENA_BYTES);
    url_query_init(&it, query);
    while (ok && url_query_next(&it, &arena, &name, &value))
        ok = put_argument(object, name, value, names, err);
    arena_finish(&arena);
    return ok ? TAKE(object) : NULL;
}

/* ---- answers ---- */

/* The pool's state gets its warnings in words, and the original's order. */
static bool judge_status(json_t *overview, struct err *err)
{
    const json_t *look = json_object_get(overview, "look");
    json_t *status =
        status_from_json(json_object_get(overview, "status"), json_object_get(look, "levels"), err);

    if (status)
        json_put(overview, "status", status);
    return status;
}

static void answer_overview(struct httpd_conn *conn, PGresult *res)
{
    const struct monitor *m = httpd_data(conn);
    struct err err;
    SCOPED(json_t) overview = json_parse(row_str(res, 0, row_column(res, "answer")), &err);

    if (!overview || !judge_status(overview, &err)) {
        reply_error(conn, 500, "%s", err.detail);
        return;
    }
    json_put_str(overview, "version", STR(TRACEPOOL_VERSION));
    json_put_int(overview, "interval_s", m->conf->monitor_interval_s);
    reply_json(conn, 200, overview);
}

static void answer_text(struct httpd_conn *conn, PGresult *res)
{
    if (PQntuples(res) != 1 || row_is_null(res, 0, row_column(res, "answer")))
        reply_error(conn, 404, "there is none of that name or id");
    else
        reply_json_text(conn, 200, row_str(res, 0, row_column(res, "answer")));
}

/* Only types that a browser shows without running anything keep their name. */
static const char *harmless_type(struct str type)
{
    static const char *const types[] = {"image/png", "image/jpeg", "image/webp", "application/json"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_equal(type, str_from(types[i])))
            return types[i];
    return "application/octet-stream";
}

static void append_bytes(struct str hex, struct buf *out)
{
    for (size_t i = 0; i + 1 < hex.len; i += 2)
        buf_append_char(out, (char)(str_hex_digit(hex.ptr[i]) * 16 + str_hex_digit(hex.ptr[i + 1])));
}

static void answer_evidence(struct httpd_conn *conn, PGresult *res)
{
    SCOPED_VALUE(buf) body;
    SCOPED_VALUE(buf) headers;

    buf_init(&headers, 500);
    buf_init(&body, SIZE_MAX / 4);
    if (PQntuples(res) != 1) {
        reply_error(conn, 404, "there is no such evidence");
        return;
    }
    append_bytes(row_str(res, 0, row_column(res, "hex")), &body);
    buf_printf(&headers,
               "Content-Type: %s\r\nContent-Disposition: attachment\r\nCache-Control: no-store\r\n"
               "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n",
               harmless_type(row_str(res, 0, row_column(res, "content_type"))));
    metrics_add(METRIC_API_CALLS, 1);
    httpd_respond(conn, 200, buf_str(&headers), buf_str(&body));
}

/* ---- calls ---- */

/* clang-format off */
static const struct call {
    struct str path;
    int query;
    void (*answer)(struct httpd_conn *conn, PGresult *res);
    const char *fields[MAX_FIELDS]; /* of its query string */
} calls[] = {
    {STR("/dashboard/v1/overview"), Q_DASHBOARD_OVERVIEW, answer_overview, {NULL}},
    {STR("/dashboard/v1/history"),  Q_DASHBOARD_HISTORY,  answer_text,     {"span"}},
    {STR("/dashboard/v1/traces"),   Q_DASHBOARD_TRACES,   answer_text,
     {"search", "status", "country", "offer", "mode", "outcome", "before", "before_id", "limit"}},
    {STR("/dashboard/v1/trace"),    Q_DASHBOARD_TRACE,    answer_text,     {"id"}},
    {STR("/dashboard/v1/offers"),   Q_DASHBOARD_OFFERS,   answer_text,     {"search"}},
    {STR("/dashboard/v1/offer"),    Q_DASHBOARD_OFFER,    answer_text,     {"name"}},
    {STR("/dashboard/v1/pool"),     Q_DASHBOARD_POOL,     answer_text,
     {"country", "state", "search", "after", "limit"}},
    {STR("/dashboard/v1/evidence"), Q_DASHBOARD_EVIDENCE, answer_evidence, {"id", "attempt", "kind"}},
};
/* clang-format on */

static const struct call *find_call(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (str_equal(calls[i].path, path))
            return &calls[i];
    return NULL;
}

/* SQLSTATE class 22: a value of the query that the function could not read as what it has to be. */
static void on_answer(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct httpd_conn *conn = arg;

    if (err->code != ERR_OK && sqlstate && strncmp(sqlstate, "22", 2) == 0)
        reply_error(conn, 400, "a value in the query is not what it has to be: %s", err->detail);
    else if (err->code != ERR_OK)
        reply_database_error(conn, err);
    else
        find_call(httpd_request(conn)->head->path)->answer(conn, res);
}

void dashboard_get(struct monitor *m, struct httpd_conn *conn)
{
    const struct httpd_head *head = httpd_request(conn)->head;
    const struct call *call = find_call(head->path);
    struct err err;
    SCOPED(json_t) arguments = dashboard_arguments(head->query, call->fields, &err);
    SCOPED_VALUE(buf) text;

    buf_init(&text, TEXT_BYTES);
    if (!arguments) {
        reply_error(conn, 400, "%s", err.detail);
        return;
    }
    json_put_int(arguments, "silence_ms", m->conf->worker_silence_s * 1000);
    if (call->query == Q_DASHBOARD_OVERVIEW)
        json_put(arguments, "rules", json_parse(buf_str(&m->rules), &err));
    json_write(arguments, &text);
    httpd_set_data(conn, m);
    pg_send(m->db, call->query, (const char *[]){buf_cstr(&text)}, 0, on_answer, conn);
}
