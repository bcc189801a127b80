/*
 * finish.c - see finish.h. The JSON is store.c's; the rules are in finish_traces() and return_traces().
 */
#include "worker/finish.h"

#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "worker/queries_worker.h"
#include "worker/store.h"

#include <assert.h>
#include <string.h>

enum { RETRY_MS = 250, STATEMENT_MAX_BYTES = 64 << 20, BATCH_BYTES = 8 << 20 };

static void send_next(struct finish *f);

static void on_later(uv_timer_t *timer)
{
    send_next(container_of(timer, struct finish, later));
}

void finish_init(struct finish *f, uv_loop_t *loop, struct pg *pg, const char *worker,
                 void (*on_stored)(void *arg), void *arg)
{
    *f = (struct finish){.pg = pg, .worker = worker, .on_stored = on_stored, .arg = arg};
    uv_timer_init(loop, &f->later);
}

void finish_close(struct finish *f)
{
    f->first = f->last = NULL;
    f->nsent = 0;
    uv_close((uv_handle_t *)&f->later, NULL);
}

static void enqueue(struct finish *f, struct trace *t)
{
    t->queue_next = NULL;
    if (f->last)
        f->last->queue_next = t;
    else
        f->first = t;
    f->last = t;
}

/* Takes it out of the waiting ones; false when it is not among them. */
static bool unqueue(struct finish *f, struct trace *t)
{
    struct trace *before = NULL;

    for (struct trace *at = f->first; at; before = at, at = at->queue_next) {
        if (at != t)
            continue;
        if (before)
            before->queue_next = t->queue_next;
        else
            f->first = t->queue_next;
        if (f->last == t)
            f->last = before;
        return true;
    }
    return false;
}

/* The oldest waiting trace and those after it of the same kind move to f->sent. */
static void take_batch(struct finish *f)
{
    int limit = f->alone > 0 ? 1 : FINISH_BATCH;
    struct trace *next;

    f->is_return = f->first->is_let_go;
    for (struct trace *t = f->first; t && f->nsent < limit; t = next) {
        next = t->queue_next;
        if (t->is_let_go != f->is_return)
            continue;
        unqueue(f, t);
        f->sent[f->nsent++] = t;
    }
}

static json_t *sent_json(const struct finish *f)
{
    json_t *all = json_array();

    for (int i = 0; i < f->nsent; i++)
        json_add(all, f->is_return ? store_return_json(f->sent[i]) : store_result_json(f->sent[i]));
    return all;
}

static void log_end(const struct trace *t, struct str status)
{
    const struct trace_result *r = t->result;
    const struct err *err = store_error(t);
    const char *mode = r ? trace_mode_name(r->mode_used) : "";
    struct str reason = r ? r->detection_reason : STR("");
    int hops = r ? r->chain.nhops : 0;

    log_info("trace.done", kv("trace", t->claim.request_id), kv("status", status),
             kv("outcome", outcome_name(store_outcome(t))), kv("attempt", t->claim.attempt), kv("mode", mode),
             kv("reason", reason), kv("hops", hops), kv("ms", t->ended_ms - t->claimed_ms),
             kv("ip", t->claim.ip));
    if (err->code != ERR_OK)
        log_info("trace.failed", kv("trace", t->claim.request_id), kv_err(err));
    if (str_equal(status, STR("pending")))
        log_info("trace.retry", kv("trace", t->claim.request_id), kv("retry", t->claim.retry_count + 1),
                 kv("of", t->claim.max_retries));
}

static void count_end(const struct trace *t, struct str status)
{
    if (str_equal(status, STR("completed")))
        metrics_add(METRIC_TRACES_COMPLETED, 1);
    else if (str_equal(status, STR("timeout")))
        metrics_add(METRIC_TRACES_TIMEOUT, 1);
    else if (str_equal(status, STR("pending")))
        metrics_add(METRIC_TRACES_RETRIED, 1);
    else
        metrics_add(METRIC_TRACES_FAILED, 1);
    metrics_observe_us(METRIC_TRACE_SECONDS, (t->ended_ms - t->claimed_ms) * 1000);
    if (err_blame(store_error(t)->code) == BLAME_PROXY)
        metrics_add(METRIC_PROXY_FAILURES, 1);
}

/* One row of the answer: what became of that trace. */
static void report(const struct trace *t, bool is_accepted, struct str status)
{
    if (!is_accepted) {
        log_warn("trace.late", kv("trace", t->claim.request_id), kv("attempt", t->claim.attempt),
                 kv("ip", t->claim.ip));
        metrics_add(METRIC_TRACES_LATE, 1);
        return;
    }
    log_end(t, status);
    count_end(t, status);
}

static void report_all(const struct finish *f, const PGresult *res)
{
    int id = row_column(res, "request_id"), accepted = row_column(res, "accepted");
    int status = row_column(res, "new_status");

    for (int row = 0; row < PQntuples(res); row++) {
        for (int i = 0; i < f->nsent; i++) {
            if (f->sent[i] && str_equal(f->sent[i]->claim.request_id, row_str(res, row, id)))
                report(f->sent[i], row_bool(res, row, accepted, false), row_str(res, row, status));
        }
    }
}

static void report_returned(const struct finish *f)
{
    for (int i = 0; i < f->nsent; i++) {
        if (!f->sent[i])
            continue;
        log_info("trace.returned", kv("trace", f->sent[i]->claim.request_id), kv("ip", f->sent[i]->claim.ip));
        metrics_add(METRIC_TRACES_RETURNED, 1);
    }
}

/* PostgreSQL judged the content (data, constraint, limit, RAISE), not its own state or ours. */
static bool is_refusal(const char *sqlstate)
{
    static const char *const classes[] = {"21", "22", "23", "54", "P0"};

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    }
    return false;
}

static void step_sent(struct finish *f, enum trace_event ev)
{
    int n = f->nsent;

    f->nsent = 0;
    for (int i = 0; i < n; i++) {
        if (f->sent[i])
            trace_step(f->sent[i], ev);
    }
}

/* Back to the front of the queue, in their order. */
static void requeue_sent(struct finish *f)
{
    for (int i = f->nsent - 1; i >= 0; i--) {
        if (!f->sent[i])
            continue;
        f->sent[i]->queue_next = f->first;
        f->first = f->sent[i];
        if (!f->last)
            f->last = f->sent[i];
    }
    f->nsent = 0;
}

static void refused(struct finish *f, const struct err *err)
{
    struct trace *t = f->sent[0];

    log_error("finish.refused", kv("traces", f->nsent),
              kv("trace", f->nsent == 1 && t ? t->claim.request_id : STR("")), kv_err(err));
    if (f->nsent > 1) {
        f->alone = f->nsent;
        requeue_sent(f);
    } else if (t && !t->is_cut && !t->is_let_go) {
        t->is_cut = true;
        f->alone = f->alone > 0 ? f->alone : 1;
        requeue_sent(f);
    } else {
        f->alone -= f->alone > 0;
        metrics_add(METRIC_TRACES_LOST, 1);
        step_sent(f, EV_FAIL);
    }
    send_next(f);
}

static void unanswered(struct finish *f, const struct err *err)
{
    static struct log_gate gate;

    if (log_gate_opens(&gate))
        log_warn("finish.delayed", kv("traces", f->nsent), kv("held_back", gate.held_back), kv_err(err));
    requeue_sent(f);
    uv_timer_start(&f->later, on_later, RETRY_MS, 0);
}

static void taken(struct finish *f, const PGresult *res)
{
    if (f->is_return)
        report_returned(f);
    else
        report_all(f, res);
    if (f->alone > 0)
        f->alone--;
    step_sent(f, EV_STORED);
    f->on_stored(f->arg);
    if (f->is_joined) /* whose answer comes next, and then there may be another to join */
        uv_timer_start(&f->later, on_later, 0, 0);
    else
        send_next(f);
}

static void on_answer(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct finish *f = arg;

    if (err->code == ERR_OK)
        taken(f, res);
    else if (is_refusal(sqlstate))
        refused(f, err);
    else
        unanswered(f, err);
}

/* The ads that results came with; NULL without any. Where PostgreSQL refused a result, its ad is left out. */
static json_t *sent_ads(const struct finish *f)
{
    json_t *all = NULL;

    for (int i = 0; i < f->nsent && !f->is_return; i++) {
        if (!f->sent[i]->ads || f->sent[i]->is_cut)
            continue;
        if (!all)
            all = json_array();
        json_add(all, json_incref(f->sent[i]->ads));
    }
    return all;
}

/* Screenshots weigh: one at a time, so that no statement takes longer than database.query_timeout_ms. */
static void send_alone(struct finish *f)
{
    f->alone = f->nsent;
    requeue_sent(f);
    send_next(f);
}

static void send_batch(struct finish *f)
{
    SCOPED(json_t) all = sent_json(f);
    SCOPED(json_t) ads = sent_ads(f);
    SCOPED_VALUE(buf) text = {.max = STATEMENT_MAX_BYTES};
    SCOPED_VALUE(buf) ads_text = {.max = STATEMENT_MAX_BYTES};
    const char *values[4] = {f->worker, NULL, NULL, f->tracking_mode};

    json_write(all, &text);
    if (f->nsent > 1 && text.len > BATCH_BYTES)
        return send_alone(f);
    values[1] = buf_cstr(&text);
    if (ads)
        json_write(ads, &ads_text);
    values[2] = buf_cstr(&ads_text);
    f->sent_us = loop_now_us();
    pg_send(f->pg, f->is_return ? Q_GIVE_BACK : ads ? Q_FINISH_WITH_ADS : Q_FINISH, values, 0, on_answer, f);
    f->is_joined = !f->is_return && f->alone == 0 && f->joins(f->arg, f->nsent);
}

/* Whether others may still join the next statement; then it is sent when the pause is over. */
static bool is_gathering(struct finish *f)
{
    int64_t left = f->gather_ms - (loop_now_us() - f->sent_us) / 1000;

    if (left <= 0 || f->alone > 0 || !f->keeps_up(f->arg))
        return false;
    uv_update_time(f->later.loop);
    uv_timer_start(&f->later, on_later, (uint64_t)left, 0);
    return true;
}

static void send_next(struct finish *f)
{
    if (f->nsent > 0 || !f->first || !pg_is_up(f->pg) || is_gathering(f))
        return;
    take_batch(f);
    send_batch(f);
}

void finish_add(struct finish *f, struct trace *t)
{
    enqueue(f, t);
    send_next(f);
}

void finish_forget(struct finish *f, struct trace *t)
{
    if (unqueue(f, t))
        return;
    for (int i = 0; i < f->nsent; i++) {
        if (f->sent[i] == t)
            f->sent[i] = NULL;
    }
}

void finish_wake(struct finish *f)
{
    send_next(f);
}
