/*
 * alert_calls.c - from a body to an SQL function. See alert_calls.h.
 */
#include "monitor/alert_calls.h"

#include "common/json.h"
#include "common/pg/row.h"
#include "monitor/monitor.h"
#include "monitor/reply.h"

#include <string.h>

enum { MAX_FIELDS = 7, TEXT_BYTES = 65536, SHOWN_BYTES = 40 };

/* clang-format off */
static const struct call {
    struct str path;
    int query;
    const char *fields[MAX_FIELDS]; /* of its body; the first must be there */
    const char *missing;            /* what a 404 says */
} calls[] = {
    {STR("/functions/v1/silence-alert"),     Q_SILENCE_ALERT,     {"rule", "subject", "minutes", "until", "who", "note"},
     "there is no such alert"},
    {STR("/functions/v1/end-silence"),       Q_END_SILENCE,       {"silence"},
     "there is no silence of that number, or it is over"},
    {STR("/functions/v1/acknowledge-alert"), Q_ACKNOWLEDGE_ALERT, {"alert", "who", "note"},
     "no alert of that number fires"},
};
/* clang-format on */

static const struct call *find_call(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (str_equal(calls[i].path, path))
            return &calls[i];
    return NULL;
}

static bool is_known(const struct call *call, const char *name)
{
    for (int i = 0; i < MAX_FIELDS && call->fields[i]; i++)
        if (strcmp(call->fields[i], name) == 0)
            return true;
    return false;
}

/* Texts and whole numbers under known names; what they have to be is the SQL function's business. */
static bool check_body(const struct call *call, json_t *body, struct err *err)
{
    const char *name;
    json_t *value;

    if (!json_is_object(body))
        return err_set(err, ERR_BAD_INPUT, "the body must be a JSON object");
    json_object_foreach(body, name, value)
    {
        if (!is_known(call, name))
            return err_set(err, ERR_BAD_INPUT, "unknown field \"%.*s\"", SHOWN_BYTES, name);
        if (!json_is_string(value) && !json_is_integer(value) && !json_is_null(value))
            return err_set(err, ERR_BAD_INPUT, "%s must be a text or a whole number", name);
    }
    if (!json_object_get(body, call->fields[0]))
        return err_set(err, ERR_BAD_INPUT, "%s is missing", call->fields[0]);
    return true;
}

static void answer_row(struct httpd_conn *conn, PGresult *res)
{
    const struct call *call = find_call(httpd_request(conn)->head->path);

    if (PQntuples(res) == 1)
        reply_json_text(conn, 200, row_str(res, 0, row_column(res, "answer")));
    else
        reply_error(conn, 404, "%s", call ? call->missing : "there is none");
}

/* SQLSTATE class 22: a value that is not what it has to be; the message says which. */
static void on_answer(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct httpd_conn *conn = arg;

    if (err->code == ERR_OK)
        answer_row(conn, res);
    else if (sqlstate && strncmp(sqlstate, "22", 2) == 0)
        reply_error(conn, 400, "a value in the body is not what it has to be: %s", err->detail);
    else
        reply_database_error(conn, err);
}

void alert_calls_list(struct monitor *m, struct httpd_conn *conn)
{
    pg_send(m->db, Q_ALERTS, NULL, 0, on_answer, conn);
}

void alert_calls_post(struct monitor *m, struct httpd_conn *conn)
{
    const struct httpd_request *request = httpd_request(conn);
    const struct call *call = find_call(request->head->path);
    struct err err;
    SCOPED(json_t) body = json_parse(request->body, &err);
    SCOPED_VALUE(buf) text;

    buf_init(&text, TEXT_BYTES);
    if (!body) {
        reply_error(conn, 400, "the body is %s", err.detail);
        return;
    }
    if (!check_body(call, body, &err)) {
        reply_error(conn, 400, "%s", err.detail);
        return;
    }
    json_write(body, &text);
    pg_send(m->db, call->query, (const char *[]){buf_cstr(&text)}, 0, on_answer, conn);
}
