/*
 * single.c - single traces whose callers wait. See single.h.
 *
 * What a request is, who may have it and how it ended is the database's business (request_trace,
 * trace_results, push_traces, abandon_trace); here is only the waiting.
 */
#include "monitor/single.h"

#include "common/json.h"
#include "common/log.h"
#include "common/pg/row.h"
#include "monitor/ask.h"
#include "monitor/monitor.h"
#include "monitor/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    POLL_MS = 100,
    PUSH_MS = 1000,
    ID_BYTES = 40,
    REASON_BYTES = 200,
    IDS_MAX_BYTES = 64 * 64,
    ASK_MAX_BYTES = 128 * 1024
};

struct single {
    struct single *next;
    struct monitor *monitor;
    struct httpd_conn *conn;
    char id[ID_BYTES]; /* empty until the database gave it one */
    bool is_new;       /* this call made the request */
    bool is_leaving;   /* no more looks: it is being given up */
    int64_t attempt;
    int64_t still_since_ms; /* for how long it has waited for somebody */
    char reason[REASON_BYTES];
};

static void single_end(struct single *one)
{
    struct singles *all = &one->monitor->singles;

    for (struct single **p = &all->first; *p; p = &(*p)->next)
        if (*p == one) {
            *p = one->next;
            break;
        }
    if (--all->waiting == 0)
        uv_timer_stop(&all->poll);
    free(one);
}

/* {"success": false, "request_id", "error"}: the call did not come to a result. */
static void answer_without(struct single *one, const char *reason)
{
    SCOPED(json_t) body = json_object();

    json_put(body, "success", json_false());
    json_put_str(body, "request_id", str_from(one->id));
    json_put_str(body, "error", str_from(reason));
    log_info("single.unanswered", kv("trace", (const char *)one->id), kv("reason", reason));
    reply_json(one->conn, 503, body);
    single_end(one);
}

/* ---- giving up ---- */

static void on_abandoned(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct single *one = arg;

    (void)sqlstate;
    if (err->code == ERR_OK && !row_bool(res, 0, 0, false)) { /* somebody took it at the last moment */
        one->is_leaving = false;
        one->still_since_ms = loop_now_ms();
        return;
    }
    answer_without(one, one->reason);
}

static void give_up(struct single *one, bool has_ip)
{
    const char *values[] = {one->id, one->reason};
    int64_t s = one->monitor->conf->monitor_batch_wait_s;

    if (!has_ip)
        snprintf(one->reason, sizeof(one->reason), "No available IP in pool");
    else
        snprintf(one->reason, sizeof(one->reason),
                 "no live worker took the request within %" PRId64 " s: is tracepool-worker running?", s);
    one->is_leaving = true;
    if (one->is_new && one->attempt == 0)
        pg_send(one->monitor->db, Q_ABANDON_TRACE, values, 0, on_abandoned, one);
    else
        answer_without(one, one->reason);
}

/* ---- looking ---- */

static void answer_result(struct single *one, struct str answer)
{
    log_info("single.answered", kv("trace", (const char *)one->id), kv("attempts", one->attempt));
    reply_json_text(one->conn, 200, answer);
    single_end(one);
}

/* One row about it. */
static void judge(struct single *one, PGresult *res, int row)
{
    struct str status = row_str(res, row, row_column(res, "status"));
    struct str answer = row_str(res, row, row_column(res, "answer"));
    int64_t attempt = row_int(res, row, row_column(res, "attempt"), 0), now = loop_now_ms();

    if (attempt != one->attempt || !str_equal(status, STR("pending")))
        one->still_since_ms = now;
    one->attempt = attempt;
    if (answer.len)
        answer_result(one, answer);
    else if (now - one->still_since_ms >= one->monitor->conf->monitor_batch_wait_s * 1000)
        give_up(one, row_bool(res, row, row_column(res, "has_ip"), false));
}

static void judge_all(struct singles *s, PGresult *res)
{
    int id = row_column(res, "request_id");

    for (int row = 0; row < PQntuples(res); row++)
        for (struct single *one = s->first, *next; one; one = next) {
            next = one->next;
            if (!one->is_leaving && str_equal(row_str(res, row, id), str_from(one->id)))
                judge(one, res, row);
        }
}

/* The database is away: the traces may go on without us, callers are told after the same patience. */
static void judge_silence(struct singles *s, const struct err *err)
{
    char reason[REASON_BYTES + sizeof(err->detail)];
    int64_t patience_ms = s->monitor->conf->monitor_batch_wait_s * 1000;

    snprintf(reason, sizeof(reason), "the database does not answer (%s); the trace may go on", err->detail);
    for (struct single *one = s->first, *next; one; one = next) {
        next = one->next;
        if (*one->id && !one->is_leaving && loop_now_ms() - one->still_since_ms >= patience_ms)
            answer_without(one, reason);
    }
}

static void on_results(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct singles *s = arg;

    (void)sqlstate;
    s->is_asking = false;
    if (err->code == ERR_OK)
        judge_all(s, res);
    else
        judge_silence(s, err);
}

static bool list_ids(struct singles *s)
{
    buf_clear(&s->ids);
    for (struct single *one = s->first; one; one = one->next)
        if (*one->id && !one->is_leaving)
            buf_printf(&s->ids, "%s%s", s->ids.len ? "," : "{", one->id);
    return s->ids.len > 0 && buf_append_char(&s->ids, '}');
}

static void look(struct singles *s)
{
    const char *values[] = {NULL};

    if (s->is_asking || !list_ids(s))
        return;
    values[0] = buf_cstr(&s->ids);
    s->is_asking = true;
    if (loop_now_ms() - s->pushed_ms >= PUSH_MS) {
        s->pushed_ms = loop_now_ms();
        pg_send(s->monitor->db, Q_PUSH_TRACES, values, 0, NULL, NULL);
    }
    pg_send(s->monitor->db, Q_TRACE_RESULTS, values, 0, on_results, s);
}

static void on_poll(uv_timer_t *timer)
{
    look(container_of(timer, struct singles, poll));
}

/* ---- asking ---- */

static void on_requested(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct single *one = arg;

    if (err->code != ERR_OK) {
        if (sqlstate && strcmp(sqlstate, "P0002") == 0)
            reply_error(one->conn, 404, "%s", err->detail);
        else if (sqlstate && strncmp(sqlstate, "22", 2) == 0)
            reply_error(one->conn, 400, "a value in the body is not what it has to be: %s", err->detail);
        else
            reply_database_error(one->conn, err);
        single_end(one);
        return;
    }
    snprintf(one->id, sizeof(one->id), "%s", row_cstr(res, 0, row_column(res, "request_id")));
    one->is_new = row_bool(res, 0, row_column(res, "is_new"), false);
    one->still_since_ms = loop_now_ms();
    log_info("single.asked", kv("trace", (const char *)one->id), kv("new", one->is_new));
    one->monitor->singles.pushed_ms = 0; /* a farm in batch mode has to be asked at once */
    look(&one->monitor->singles);
}

static struct single *single_create(struct monitor *m, struct httpd_conn *conn)
{
    struct single *one = calloc(1, sizeof(*one));

    if (!one)
        abort();
    *one = (struct single){.next = m->singles.first, .monitor = m, .conn = conn};
    m->singles.first = one;
    if (m->singles.waiting++ == 0)
        uv_timer_start(&m->singles.poll, on_poll, POLL_MS, POLL_MS);
    return one;
}

static void post(struct monitor *m, struct httpd_conn *conn,
                 json_t *(*read)(struct str body, struct err *err))
{
    struct err err;
    SCOPED(json_t) ask = read(httpd_request(conn)->body, &err);
    SCOPED_VALUE(buf) text = {.max = ASK_MAX_BYTES};

    if (!ask) {
        reply_error(conn, 400, "%s", err.detail);
        return;
    }
    if (m->singles.waiting >= SINGLES_MAX_WAITING) {
        reply_error(conn, 503, "%d callers are waiting for traces already; try again later",
                    SINGLES_MAX_WAITING);
        return;
    }
    json_write(ask, &text);
    pg_send(m->db, Q_REQUEST_TRACE, (const char *[]){buf_cstr(&text)}, 0, on_requested,
            single_create(m, conn));
}

void single_post_process(struct monitor *m, struct httpd_conn *conn)
{
    post(m, conn, ask_read_process);
}

void single_post_intelligent(struct monitor *m, struct httpd_conn *conn)
{
    post(m, conn, ask_read_intelligent);
}

void singles_init(struct singles *s, struct monitor *m)
{
    *s = (struct singles){.monitor = m};
    buf_init(&s->ids, IDS_MAX_BYTES);
    uv_timer_init(m->loop, &s->poll);
}

void singles_stop(struct singles *s)
{
    uv_close((uv_handle_t *)&s->poll, NULL);
    for (struct single *one = s->first, *next; one; one = next) {
        next = one->next;
        if (*one->id && !one->is_leaving) /* the others end with the answer to their query */
            answer_without(one, "the monitor is being stopped; the trace goes on");
    }
}

void singles_finish(struct singles *s)
{
    buf_finish(&s->ids);
}
