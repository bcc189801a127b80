/*
 * conn.c - the life of a connection: its states and what follows what, and the public calls.
 *
 * The transitions are one table; pg_step is the only place that moves pg->state. enter.c starts what a
 * state is for, wire.c speaks with libpq, queue.c keeps the queries. A connection that fails in any way is
 * finished and made anew after a pause (WAITING), so there is no repairing.
 */
#include "common/log.h"
#include "common/pg/internal.h"

#include <assert.h>
#include <string.h>

enum { DEFAULT_MAX_QUEUED = 1024 };

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
    const struct pg_work *asked = pg->in_flight ? pg->queue.first : NULL;

    if (asked)
        err_set(&pg->err, ERR_DATABASE_TIMEOUT, "query %s: no answer within %lld ms",
                pg->options.queries[asked->query].name, (long long)asked->timeout_ms);
    else
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

void pg_arm(struct pg *pg, int64_t ms)
{
    uv_update_time(pg->options.loop);
    uv_timer_start(&pg->deadline, on_deadline, (uint64_t)ms, 0);
}

/* Each address of a list gets the connect timeout for itself. */
void pg_watch_silence(struct pg *pg)
{
    const char *at = PQhostaddr(pg->conn);

    if (at != pg->at_address)
        pg_arm(pg, pg->options.connect_timeout_ms);
    pg->at_address = at;
}

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
        event = pg_enter[to](pg);
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

    if (!pg)
        abort();
    pg->options = *options;
    pg->options.url = strdup(options->url);
    pg->options.application_name = strdup(options->application_name);
    if (!pg->options.url || !pg->options.application_name)
        abort();
    if (!pg->options.max_queued)
        pg->options.max_queued = DEFAULT_MAX_QUEUED;
    pg->state = PG_WAITING;
    pg->backoff_ms = PG_BACKOFF_MIN_MS;
    pg->open_handles = 2;
    uv_timer_init(options->loop, &pg->deadline);
    uv_timer_init(options->loop, &pg->kick);
    pg->deadline.data = pg->kick.data = pg;
    pg_arm(pg, 0);
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

/* The query that was queued last, unless it is at the server already or joined to another. */
static struct pg_work *joinable(const struct pg *pg)
{
    struct pg_work *last = pg->queue.last;

    return pg->queue.length > pg->in_flight && !last->is_joined ? last : NULL;
}

static void enqueue(struct pg *pg, struct pg_work *w)
{
    bool accepted = pg->is_up && pg->queue.length < pg->options.max_queued;

    pg_queue_push(accepted ? &pg->queue : &pg->refused, w);
    if (pg->state != PG_CLOSING && (!accepted || pg->state == PG_READY))
        uv_timer_start(&pg->kick, on_kick, 0, 0);
}

static struct pg_work *work_for(const struct pg *pg, int q, const char *const *values, int64_t timeout_ms,
                                pg_done_cb done, void *arg)
{
    int64_t patience = timeout_ms ? timeout_ms : pg->options.query_timeout_ms;

    assert(q >= 0 && q < pg->options.nqueries);
    return pg_work_create(&pg->options.queries[q], q, values, patience, done, arg);
}

void pg_send(struct pg *pg, int q, const char *const *values, int64_t timeout_ms, pg_done_cb done, void *arg)
{
    enqueue(pg, work_for(pg, q, values, timeout_ms, done, arg));
}

void pg_send_joined(struct pg *pg, int q, const char *const *values, int64_t timeout_ms, pg_done_cb done,
                    void *arg)
{
    struct pg_work *w = work_for(pg, q, values, timeout_ms, done, arg), *before = joinable(pg);

    w->is_joined = before != NULL;
    if (before && w->timeout_ms > before->timeout_ms)
        before->timeout_ms = w->timeout_ms; /* the first one's deadline is the pair's */
    enqueue(pg, w);
}
