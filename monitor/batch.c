/*
 * batch.c - batches whose callers wait. See batch.h.
 *
 * What a batch is and when it has ended is the database's business (request_trace_batch, batch_result,
 * settle_batches); here is only the waiting.
 */
#include "monitor/batch.h"

#include "common/json.h"
#include "common/log.h"
#include "common/pg/row.h"
#include "monitor/body.h"
#include "monitor/monitor.h"
#include "monitor/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { POLL_MS = 1000, MAX_BATCH = 10000, ID_BYTES = 40, REASON_BYTES = 200 };

struct batch {
    struct batch *next;
    struct monitor *monitor;
    struct httpd_conn *conn;
    char id[ID_BYTES]; /* empty until the database gave it one */
    bool is_asking;    /* a look is under way */
    bool has_moved;    /* something changed meanwhile: look again */
    int64_t moved_ms;  /* when the numbers below were last seen to change */
    int64_t processed, claimed, in_flight;
    char reason[REASON_BYTES]; /* why it is being closed */
    json_t *answer;            /* what is known of its result; owned */
};

/* ---- deciding ---- */

enum batch_verdict batch_judge(const struct batch_facts *facts, int64_t patience_ms, char *reason,
                               size_t size)
{
    if (str_equal(facts->state, STR("done")))
        return BATCH_DONE;
    if (str_equal(facts->state, STR("abandoned"))) {
        snprintf(reason, size, "the batch was closed by somebody else");
        return BATCH_UNANSWERED;
    }
    if (str_equal(facts->state, STR("running")) || facts->in_flight > 0 || facts->still_ms < patience_ms)
        return BATCH_WAIT; /* what is in flight has a lease, and leases end */
    if (facts->workers == 0)
        snprintf(reason, size, "no live worker took %s within %" PRId64 " s: is tracepool-worker running?",
                 facts->claimed ? "the rest of the batch" : "the batch", patience_ms / 1000);
    else
        snprintf(reason, size,
                 "%" PRId64 " workers are alive, but none took %s within %" PRId64 " s: they may be full",
                 facts->workers, facts->claimed ? "the rest of the batch" : "the batch", patience_ms / 1000);
    return BATCH_UNANSWERED;
}

/* ---- one batch ---- */

static void batch_end(struct batch *batch)
{
    struct batches *all = &batch->monitor->batches;

    for (struct batch **p = &all->first; *p; p = &(*p)->next)
        if (*p == batch) {
            *p = batch->next;
            break;
        }
    if (--all->waiting == 0)
        uv_timer_stop(&all->poll);
    json_decref(batch->answer);
    free(batch);
}

/* The original's object; `error` is there only when success is false. */
static void batch_answer(struct batch *batch, int status, const char *reason)
{
    SCOPED(json_t) body = json_object();

    json_put(body, "success", json_boolean(!reason));
    json_object_update(body, batch->answer);
    if (reason)
        json_put_str(body, "error", str_from(reason));
    reply_json(batch->conn, status, body);
    log_info("batch.answered", kv("batch", batch->id), kv("success", (bool)!reason), kv("reason", reason));
    batch_end(batch);
}

static void on_closed(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct batch *batch = arg;

    (void)res;
    (void)sqlstate;
    if (err->code != ERR_OK)
        log_warn("batch.close_failed", kv("batch", batch->id), kv_err(err));
    batch_answer(batch, 503, batch->reason);
}

static void close_batch(struct batch *batch)
{
    const char *values[] = {batch->id, batch->reason};

    batch->is_asking = true; /* no more looks */
    metrics_add(METRIC_BATCHES_UNANSWERED, 1);
    pg_send(batch->monitor->db, Q_CLOSE_BATCH, values, 0, on_closed, batch);
}

static void keep_answer(struct batch *batch, PGresult *res)
{
    struct err err;
    json_t *errors = json_parse(row_str(res, 0, row_column(res, "errors")), &err);

    json_put_int(batch->answer, "processed", row_int(res, 0, row_column(res, "processed"), 0));
    json_put_int(batch->answer, "succeeded", row_int(res, 0, row_column(res, "succeeded"), 0));
    json_put_int(batch->answer, "failed", row_int(res, 0, row_column(res, "failed"), 0));
    json_put(batch->answer, "errors", json_is_array(errors) ? errors : json_array());
    if (!json_is_array(errors))
        json_decref(errors);
}

static struct batch_facts read_facts(struct batch *batch, PGresult *res)
{
    struct batch_facts facts = {
        .state = row_str(res, 0, row_column(res, "state")),
        .processed = row_int(res, 0, row_column(res, "processed"), 0),
        .claimed = row_int(res, 0, row_column(res, "claimed"), 0),
        .in_flight = row_int(res, 0, row_column(res, "in_flight"), 0),
        .workers = row_int(res, 0, row_column(res, "workers"), 0),
    };

    if (facts.processed != batch->processed || facts.claimed != batch->claimed ||
        facts.in_flight != batch->in_flight)
        batch->moved_ms = loop_now_ms();
    batch->processed = facts.processed;
    batch->claimed = facts.claimed;
    batch->in_flight = facts.in_flight;
    facts.still_ms = loop_now_ms() - batch->moved_ms;
    return facts;
}

static void look(struct batch *batch);

static void answer_stopping(struct batch *batch)
{
    char reason[REASON_BYTES];

    snprintf(reason, sizeof(reason), "the monitor is being stopped; batch %s goes on", batch->id);
    batch_answer(batch, 503, reason);
}

/* The database is away: the batch may go on without us, its caller is told after the same patience. */
static void wait_for_database(struct batch *batch, const struct err *err)
{
    char reason[REASON_BYTES + sizeof(err->detail)];

    if (loop_now_ms() - batch->moved_ms < batch->monitor->conf->monitor_batch_wait_s * 1000)
        return; /* the poll looks again */
    snprintf(reason, sizeof(reason), "the database does not answer (%s); batch %s may go on", err->detail,
             batch->id);
    batch_answer(batch, 503, reason);
}

static void on_state(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct batch *batch = arg;

    (void)sqlstate;
    batch->is_asking = false;
    if (batch->monitor->is_ending) {
        answer_stopping(batch);
        return;
    }
    if (err->code != ERR_OK || PQntuples(res) != 1) {
        wait_for_database(batch, err);
        return;
    }
    keep_answer(batch, res);
    struct batch_facts facts = read_facts(batch, res);
    int64_t patience_ms = batch->monitor->conf->monitor_batch_wait_s * 1000;
    switch (batch_judge(&facts, patience_ms, batch->reason, sizeof(batch->reason))) {
    case BATCH_DONE:
        batch_answer(batch, 200, NULL);
        break;
    case BATCH_UNANSWERED:
        close_batch(batch);
        break;
    case BATCH_WAIT:
        if (batch->has_moved)
            look(batch);
        break;
    }
}

static void look(struct batch *batch)
{
    char silence[24];
    const char *values[] = {batch->id, silence};

    batch->has_moved = batch->is_asking;
    if (batch->is_asking || !*batch->id)
        return;
    batch->is_asking = true;
    snprintf(silence, sizeof(silence), "%" PRId64, batch->monitor->conf->worker_silence_s * 1000);
    pg_send(batch->monitor->db, Q_BATCH_STATE, values, 0, on_state, batch);
}

static void on_requested(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct batch *batch = arg;

    (void)sqlstate;
    if (err->code != ERR_OK) {
        reply_database_error(batch->conn, err);
        batch_end(batch);
        return;
    }
    snprintf(batch->id, sizeof(batch->id), "%s", row_cstr(res, 0, row_column(res, "batch_id")));
    batch->moved_ms = loop_now_ms();
    log_info("batch.asked", kv("batch", batch->id));
    pg_send(batch->monitor->db, Q_SETTLE_BATCHES, NULL, 0, NULL,
            NULL); /* with nothing to trace it has ended */
    look(batch);
}

/* ---- all of them ---- */

void batches_look(struct batches *b)
{
    for (struct batch *batch = b->first; batch; batch = batch->next)
        look(batch);
}

static void on_poll(uv_timer_t *timer)
{
    batches_look(container_of(timer, struct batches, poll));
}

void batches_init(struct batches *b, struct monitor *m)
{
    *b = (struct batches){.monitor = m};
    uv_timer_init(m->loop, &b->poll);
}

static struct batch *batch_create(struct monitor *m, struct httpd_conn *conn)
{
    struct batch *batch = calloc(1, sizeof(*batch));

    if (!batch)
        abort();
    *batch = (struct batch){.next = m->batches.first, .monitor = m, .conn = conn};
    batch->answer =
        json_packed("{s:i, s:i, s:i, s:[]}", "processed", 0, "succeeded", 0, "failed", 0, "errors");
    m->batches.first = batch;
    if (m->batches.waiting++ == 0)
        uv_timer_start(&m->batches.poll, on_poll, POLL_MS, POLL_MS);
    return batch;
}

void batch_post(struct monitor *m, struct httpd_conn *conn)
{
    int64_t size = 10, at_once = 5;
    const struct body_field fields[] = {{"batch_size", 1, MAX_BATCH, &size},
                                        {"max_concurrent", 1, MAX_BATCH, &at_once}};
    char size_text[24], at_once_text[24];
    const char *values[] = {size_text, at_once_text};
    struct err err;

    if (!body_read(httpd_request(conn)->body, fields, ARRAY_LEN(fields), &err)) {
        reply_error(conn, 400, "%s", err.detail);
        return;
    }
    if (m->batches.waiting >= BATCH_MAX_WAITING) {
        reply_error(conn, 503, "%d callers are waiting for batches already; try again later",
                    BATCH_MAX_WAITING);
        return;
    }
    snprintf(size_text, sizeof(size_text), "%" PRId64, size);
    snprintf(at_once_text, sizeof(at_once_text), "%" PRId64, at_once);
    metrics_add(METRIC_BATCHES_ASKED, 1);
    pg_send(m->db, Q_REQUEST_BATCH, values, 0, on_requested, batch_create(m, conn));
}

void batches_stop(struct batches *b)
{
    uv_close((uv_handle_t *)&b->poll, NULL);
    for (struct batch *batch = b->first, *next; batch; batch = next) {
        next = batch->next;
        if (!batch->is_asking && *batch->id)
            answer_stopping(batch); /* the others end with the answer to their query */
    }
}
