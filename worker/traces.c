/*
 * traces.c - the traces that a child holds: from a claim's rows to the last close callback.
 *
 * What happens to one is trace.c and enter.c; here they are made, found, let go and freed.
 */
#include "worker/child.h"

#include "common/log.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "worker/claim_row.h"
#include "worker/vast_resolve.h"

struct trace *child_find(struct child *c, struct str request_id, int attempt)
{
    for (struct trace *t = c->traces; t; t = t->next) {
        if (t->claim.attempt == attempt && str_equal(t->claim.request_id, request_id))
            return t;
    }
    return NULL;
}

static void on_trace_closed(uv_handle_t *handle)
{
    struct trace *t = container_of((uv_timer_t *)handle, struct trace, deadline);

    json_decref(t->ads);
    free(t->ad);
    arena_finish(&t->arena);
    free(t);
}

void child_trace_gone(struct child *c, struct trace *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        c->traces = t->next;
    if (t->next)
        t->next->prev = t->prev;
    c->ntraces--;
    metrics_set(METRIC_TRACES_RUNNING, c->ntraces);
    uv_close((uv_handle_t *)&t->deadline, on_trace_closed);
    child_check_drained(c);
}

static struct trace *add_trace(struct child *c, int64_t claimed_ms)
{
    struct trace *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    arena_init(&t->arena, (size_t)c->conf->trace_memory_max_bytes);
    uv_timer_init(&c->loop, &t->deadline);
    t->child = c;
    t->claimed_ms = claimed_ms;
    t->lease_until_ms = claimed_ms + c->conf->trace_lease_s * 1000;
    t->next = c->traces;
    if (t->next)
        t->next->prev = t;
    c->traces = t;
    c->ntraces++;
    metrics_set(METRIC_TRACES_RUNNING, c->ntraces);
    return t;
}

void child_add_rows(struct child *c, const PGresult *res, const char *batch, int64_t sent_ms)
{
    struct claim_columns at = claim_columns_of(res);

    for (int row = 0; row < PQntuples(res); row++) {
        struct trace *t = add_trace(c, sent_ms);

        if (!claim_read(res, row, &at, c->conf, &t->arena, &t->claim, &t->err))
            log_warn("trace.unusable", kv("trace", t->claim.request_id), kv_err(&t->err));
        t->claim.batch_id = arena_copy(&t->arena, str_from(batch));
        claims_put_cursor(&c->claims, t->claim.country, row_str(res, row, at.request_cursor),
                          row_str(res, row, at.ip_cursor));
        trace_begin(t);
    }
}

void child_let_go(struct child *c)
{
    struct trace *next;

    for (struct trace *t = c->traces; t; t = next) {
        enum trace_state to;

        next = t->next;
        if (!trace_next(t->state, EV_LET_GO, &to))
            continue;
        t->is_let_go = !t->is_sample; /* a sample's result stands: it is not traced once more */
        trace_step(t, EV_LET_GO);
    }
}

/* The child ends: no result can be stored any more, whatever comes. */
int child_leave_traces(struct child *c)
{
    struct trace *next;
    int left = c->ntraces;

    if (left > 0)
        log_warn("worker.left", kv("traces", left));
    for (struct trace *t = c->traces; t; t = next) {
        next = t->next;
        if (t->job)
            tracer_cancel(t->job);
        if (t->resolve)
            vast_resolve_cancel(t->resolve);
        uv_close((uv_handle_t *)&t->deadline, on_trace_closed);
    }
    c->traces = NULL;
    c->ntraces = 0;
    return left;
}
