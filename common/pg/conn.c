/*
 * conn.c - the life of a connection: its states, what each of them starts, and the public calls.
 *
 * The transitions are one table; pg_step is the only place that assigns pg->state. wire.c speaks with
 * libpq, queue.c keeps the queries. A connection that fails in any way is finished and made anew after
 * a pause (WAITING), so there is no repairing.
 */
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 5000, DEFAULT_MAX_QUEUED = 1024 };

static const char *const state_names[] = {
#define PG_NAME(name, text) #name,
    PG_STATES(PG_NAME)};

static const char *const event_names[] = {PG_EVENTS(PG_NAME)
#undef PG_NAME
};

#define NEVER (-1)
/* clang-format off */
static const signed char transitions[PG_STATE_COUNT][PG_EVENT_COUNT] = {
/*                   WAIT   OK             QUERY    FAIL        TIMEOUT       CLOSE    */
    [PG_RESOLVING]  = {NEVER, PG_CONNECTING, NEVER,   PG_WAITING, PG_WAITING,   PG_CLOSING},
    [PG_CONNECTING] = {NEVER, PG_CHECKING,   NEVER,   PG_WAITING, PG_WAITING,   PG_CLOSING},
    [PG_CHECKING]   = {NEVER, PG_PREPARING,  NEVER,   PG_WAITING, PG_WAITING,   PG_CLOSING},
    [PG_PREPARING]  = {NEVER, PG_LISTENING,  NEVER,   PG_WAITING, PG_WAITING,   PG_CLOSING},
    [PG_LISTENING]  = {NEVER, PG_READY,      NEVER,   PG_WAITING, PG_WAITING,   PG_CLOSING},
    [PG_READY]      = {NEVER, NEVER,         PG_BUSY, PG_WAITING, NEVER,        PG_CLOSING},
    [PG_BUSY]       = {NEVER, PG_READY,      NEVER,   PG_WAITING, PG_WAITING,   PG_CLOSING},
    [PG_WAITING]    = {NEVER, NEVER,         NEVER,   NEVER,      PG_RESOLVING, PG_CLOSING},
    [PG_CLOSING]    = {NEVER, NEVER,         NEVER,   NEVER,      NEVER,        NEVER},
};
/* clang-format on */

int pg_transition(enum pg_state state, enum pg_event event)
{
    return transitions[state][event];
}

static const char *const waits_for[] = {
#define PG_TEXT(name, text) text,
    PG_STATES(PG_TEXT)
#undef PG_TEXT
};

/* ---- deadlines ---- */

/* Whoever stays silent while we connect is not the first to be asked next time. */
static void note_silence(struct pg *pg)
{
    err_set(&pg->err, ERR_DATABASE_TIMEOUT, "gave up waiting for %s", waits_for[pg->state]);
    if (pg->state == PG_CONNECTING)
        pg->first_address++;
}

static void on_deadline(uv_timer_t *timer)
{
    struct pg *pg = container_of(timer, struct pg, deadline);
    enum pg_event event = PG_EV_WAIT;

    if (pg->state == PG_WAITING) {
        pg_step(pg, PG_EV_TIMEOUT);
        return;
    }
    /* A loop that was held up finds the timer first: the answer may be there all the same. */
    if (pg->state > PG_CONNECTING && pg->state <= PG_BUSY)
        event = pg_wire_take(pg);
    if (pg->state == PG_CLOSING)
        return;
    if (event == PG_EV_WAIT) {
        note_silence(pg);
        event = PG_EV_TIMEOUT;
    }
    pg_step(pg, event);
}

static void arm(struct pg *pg, int64_t ms)
{
    uv_update_time(pg->options.loop);
    uv_timer_start(&pg->deadline, on_deadline, (uint64_t)ms, 0);
}

/* Each address of a list gets the connect timeout for itself. */
void pg_watch_silence(struct pg *pg)
{
    const char *at = PQhostaddr(pg->conn);

    if (at != pg->at_address)
        arm(pg, pg->options.connect_timeout_ms);
    pg->at_address = at;
}

/* ---- what each state starts ---- */

static void on_addresses(void *arg, const struct pg_address *addresses, int n, const struct err *err)
{
    struct pg *pg = arg;

    pg->resolve = NULL;
    if (err->code == ERR_OK) {
        memcpy(pg->addresses, addresses, sizeof(*addresses) * (size_t)n);
        pg->naddresses = n;
    } else {
        pg->err = *err;
    }
    pg_step(pg, err->code == ERR_OK ? PG_EV_OK : PG_EV_FAIL);
}

static enum pg_event enter_resolving(struct pg *pg)
{
    pg->err = (struct err){.code = ERR_OK};
    if (!pg->target.options && !pg_target_init(&pg->target, pg->options.url, &pg->err))
        return PG_EV_FAIL;
    if (pg_resolve_literals(&pg->target, pg->addresses, &pg->naddresses))
        return PG_EV_OK;
    pg->resolve = pg_resolve_start(pg->options.loop, &pg->target, on_addresses, pg, &pg->err);
    arm(pg, pg->options.connect_timeout_ms);
    return pg->resolve ? PG_EV_WAIT : PG_EV_FAIL;
}

static enum pg_event enter_connecting(struct pg *pg)
{
    pg->at_address = NULL;
    arm(pg, pg->options.connect_timeout_ms);
    return pg_wire_connect(pg);
}

static enum pg_event enter_checking(struct pg *pg)
{
    arm(pg, pg->options.query_timeout_ms);
    return pg->options.schema_version ? pg_wire_ask_version(pg) : PG_EV_OK;
}

static enum pg_event enter_preparing(struct pg *pg)
{
    arm(pg, pg->options.query_timeout_ms);
    return pg->options.pooled || !pg->options.nqueries ? PG_EV_OK : pg_wire_prepare(pg);
}

static enum pg_event enter_listening(struct pg *pg)
{
    bool listens = pg->options.channels && *pg->options.channels && !pg->options.pooled;

    arm(pg, pg->options.query_timeout_ms);
    return listens ? pg_wire_listen(pg) : PG_EV_OK;
}

static void come_up(struct pg *pg)
{
    pg->is_up = true;
    pg->backoff_ms = BACKOFF_MIN_MS;
    metrics_add(METRIC_DB_UP, 1);
    if (pg->options.on_up)
        pg->options.on_up(pg->options.arg);
}

static void describe_refusal(const PGresult *res, struct err *err)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    metrics_add(METRIC_DB_ERRORS, 1);
    err_set(err, ERR_DATABASE, "%s", text ? text : PQresultErrorMessage(res));
}

/* The one that was at the server has its answer. */
static void answer_first(struct pg *pg)
{
    struct err err = {.code = ERR_OK};
    PGresult *res = TAKE(pg->result);
    ExecStatusType status = PQresultStatus(res);

    pg->in_flight = false;
    metrics_observe_us(METRIC_DB_QUERY_SECONDS, loop_now_us() - pg->sent_us);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        describe_refusal(res, &err);
    pg_queue_answer_first(&pg->queue, res, &err);
    PQclear(res);
}

static enum pg_event enter_ready(struct pg *pg)
{
    uv_timer_stop(&pg->deadline);
    pg_wire_idle(pg);
    if (!pg->is_up)
        come_up(pg);
    if (pg->in_flight)
        answer_first(pg);
    return pg->queue.length ? PG_EV_QUERY : PG_EV_WAIT;
}

static enum pg_event enter_busy(struct pg *pg)
{
    pg->in_flight = true;
    arm(pg, pg->queue.first->timeout_ms);
    return pg_wire_send(pg, pg->queue.first);
}

/* Half to all of a pause that doubles, so that a farm does not come back in step. */
static int64_t next_pause_ms(struct pg *pg)
{
    uint32_t dice = 0;
    uint64_t full = pg->backoff_ms;
    bool is_patient = pg->err.code == ERR_SCHEMA || pg->err.code == ERR_BAD_SETTING;

    if (is_patient) /* waits for a person */
        full = BACKOFF_MAX_MS;
    pg->backoff_ms = full * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : full * 2;
    if (getrandom(&dice, sizeof(dice), GRND_NONBLOCK) < 0)
        dice = (uint32_t)uv_hrtime();
    return (int64_t)(full / 2 + dice % (full / 2 + 1));
}

static void tear_down(struct pg *pg)
{
    uv_timer_stop(&pg->deadline);
    pg_resolve_abandon(TAKE(pg->resolve));
    pg_wire_drop(pg);
    if (pg->is_up)
        metrics_add(METRIC_DB_UP, -1);
    pg->is_up = false;
}

/* The one at the server learns why; whether it was carried out nobody knows. */
static void answer_in_flight(struct pg *pg, const struct err *err)
{
    if (!pg->in_flight)
        return;
    pg->in_flight = false;
    metrics_add(METRIC_DB_ERRORS, 1);
    pg_queue_answer_first(&pg->queue, NULL, err);
}

static enum pg_event enter_waiting(struct pg *pg)
{
    struct err others = pg->err;

    pg->why_down = pg->err;
    tear_down(pg);
    answer_in_flight(pg, &pg->why_down);
    if (others.code == ERR_DATABASE_TIMEOUT)
        others.code = ERR_DATABASE; /* they were not even asked */
    pg_queue_answer_all(&pg->queue, &others);
    if (pg->options.on_down)
        pg->options.on_down(pg->options.arg, &pg->why_down);
    arm(pg, next_pause_ms(pg));
    return PG_EV_WAIT;
}

static void on_timer_closed(uv_handle_t *handle)
{
    pg_handle_closed(handle->data);
}

static enum pg_event enter_closing(struct pg *pg)
{
    static const struct err closed = {.code = ERR_DATABASE, .detail = "the connection is being closed"};

    tear_down(pg);
    answer_in_flight(pg, &closed);
    pg_queue_answer_all(&pg->queue, &closed);
    pg_queue_answer_all(&pg->refused, &closed);
    uv_close((uv_handle_t *)&pg->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&pg->kick, on_timer_closed);
    return PG_EV_WAIT;
}

static enum pg_event (*const enter[])(struct pg *) = {
    [PG_RESOLVING] = enter_resolving, [PG_CONNECTING] = enter_connecting, [PG_CHECKING] = enter_checking,
    [PG_PREPARING] = enter_preparing, [PG_LISTENING] = enter_listening,   [PG_READY] = enter_ready,
    [PG_BUSY] = enter_busy,           [PG_WAITING] = enter_waiting,       [PG_CLOSING] = enter_closing,
};

void pg_step(struct pg *pg, enum pg_event event)
{
    assert(!pg->is_stepping);
    pg->is_stepping = true;
    while (event != PG_EV_WAIT) {
        int to = pg_transition(pg->state, event);
        assert(to != NEVER);
        log_debug("pg.step", kv("from", state_names[pg->state]), kv("on", event_names[event]),
                  kv("to", state_names[to]));
        pg->state = (enum pg_state)to;
        event = enter[to](pg);
        if (pg->wants_close && pg->state != PG_CLOSING)
            event = PG_EV_CLOSE;
    }
    pg->is_stepping = false;
}

/* ---- the public calls ---- */

/* Queries that were refused get their answer here, never from within pg_send. */
static void on_kick(uv_timer_t *timer)
{
    struct pg *pg = container_of(timer, struct pg, kick);
    struct err err;

    if (pg->is_up)
        err_set(&err, ERR_DATABASE, "%d queries are waiting already", pg->options.max_queued);
    else if (pg->why_down.code == ERR_OK)
        err_set(&err, ERR_DATABASE, "not connected yet");
    else
        err_set(&err, ERR_DATABASE, "not connected: %.180s", pg->why_down.detail);
    pg_queue_answer_all(&pg->refused, &err);
    if (pg->state == PG_READY && pg->queue.length)
        pg_step(pg, PG_EV_QUERY);
}

struct pg *pg_create(const struct pg_options *options)
{
    struct pg *pg = calloc(1, sizeof(*pg));

    assert(pg);
    pg->options = *options;
    pg->options.url = strdup(options->url);
    pg->options.application_name = strdup(options->application_name);
    assert(pg->options.url && pg->options.application_name);
    if (!pg->options.max_queued)
        pg->options.max_queued = DEFAULT_MAX_QUEUED;
    pg->state = PG_WAITING;
    pg->backoff_ms = BACKOFF_MIN_MS;
    pg->open_handles = 2;
    uv_timer_init(options->loop, &pg->deadline);
    uv_timer_init(options->loop, &pg->kick);
    pg->deadline.data = pg->kick.data = pg;
    arm(pg, 0);
    return pg;
}

static void destroy(struct pg *pg)
{
    static const struct err closed = {.code = ERR_DATABASE, .detail = "the connection is closed"};

    pg_queue_answer_all(&pg->refused, &closed);
    if (pg->on_closed)
        pg->on_closed(pg->on_closed_arg);
    pg_target_finish(&pg->target);
    free((char *)pg->options.url);
    free((char *)pg->options.application_name);
    free(pg);
}

void pg_handle_closed(struct pg *pg)
{
    if (--pg->open_handles == 0)
        destroy(pg);
}

void pg_destroy(struct pg *pg, void (*on_closed)(void *arg), void *arg)
{
    if (!pg)
        return;
    pg->on_closed = on_closed;
    pg->on_closed_arg = arg;
    pg->wants_close = true;
    if (!pg->is_stepping)
        pg_step(pg, PG_EV_CLOSE);
}

bool pg_is_up(const struct pg *pg)
{
    return pg->is_up;
}

int pg_queued(const struct pg *pg)
{
    return pg->queue.length + pg->refused.length;
}

void pg_send(struct pg *pg, int q, const char *const *values, int64_t timeout_ms, pg_done_cb done, void *arg)
{
    assert(q >= 0 && q < pg->options.nqueries);
    bool accepted = pg->is_up && pg->queue.length < pg->options.max_queued;
    int64_t patience = timeout_ms ? timeout_ms : pg->options.query_timeout_ms;
    struct pg_work *w = pg_work_create(&pg->options.queries[q], q, values, patience, done, arg);

    pg_queue_push(accepted ? &pg->queue : &pg->refused, w);
    if (pg->state != PG_CLOSING && (!accepted || pg->state == PG_READY))
        uv_timer_start(&pg->kick, on_kick, 0, 0);
}
