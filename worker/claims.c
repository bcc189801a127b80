/*
 * claims.c - see claims.h. What is due, and which proxies are free, is decided by claim_traces().
 */
#include "worker/claims.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "worker/countries.h"
#include "worker/queries_worker.h"

#include <stdio.h>
#include <string.h>

enum {
    BATCH_POLLS = 5, /* look for open and for ended batches every so many polls */
    NUMBER_MAX = 24,
    ARRAY_MAX_BYTES = CURSORS_MAX * (CURSOR_TEXT_MAX + 4),
};

static void ask_next(struct claims *c);

static void arm_poll(struct claims *c);

static void on_poll(uv_timer_t *timer)
{
    struct claims *c = container_of(timer, struct claims, poll);
    bool is_batch_mode = strcmp(c->conf->worker_mode, "batch") == 0;

    c->wants_claim = true;
    if (is_batch_mode || c->nbatches > 0)
        c->wants_batches = true;
    if (c->polls++ % BATCH_POLLS == 0)
        c->wants_batches = c->wants_settle = true;
    arm_poll(c);
    ask_next(c);
}

/* The next poll: at most poll_ms from now, at least three quarters of it, so that children spread. */
static void arm_poll(struct claims *c)
{
    int64_t most = c->conf->worker_poll_ms, jitter = most / 4;

    uv_timer_start(&c->poll, on_poll, (uint64_t)(most - (jitter > 0 ? random() % jitter : 0)), 0);
}

void claims_init(struct claims *c, uv_loop_t *loop, const struct conf *conf, struct pg *pg,
                 const char *worker)
{
    struct err err;

    *c = (struct claims){.conf = conf, .pg = pg, .worker = worker};
    if (!countries_read(conf->worker_countries, &c->countries, &err))
        abort();
    for (size_t i = 0; i < ARRAY_LEN(c->texts); i++)
        buf_init(&c->texts[i], ARRAY_MAX_BYTES);
    uv_timer_init(loop, &c->poll);
    uv_timer_init(loop, &c->rest);
    arm_poll(c);
}

void claims_close(struct claims *c)
{
    free(c->countries);
    for (size_t i = 0; i < ARRAY_LEN(c->texts); i++)
        buf_finish(&c->texts[i]);
    uv_close((uv_handle_t *)&c->poll, NULL);
    uv_close((uv_handle_t *)&c->rest, NULL);
}

void claims_put_cursor(struct claims *c, struct str country, struct str request, struct str ip)
{
    cursors_put(c->is_around ? &c->around_cursors : &c->cursors, country, request, ip);
}

static void on_rested(uv_timer_t *timer)
{
    ask_next(container_of(timer, struct claims, rest));
}

/* Whether the next claim is not due yet; then we are woken when it is. */
static bool is_resting(struct claims *c)
{
    int64_t left = turns_until_rested(&c->turns);

    if (left <= 0)
        return false;
    uv_update_time(c->rest.loop);
    uv_timer_start(&c->rest, on_rested, (uint64_t)left, 0);
    return true;
}

/*
 * A short claim means: look everywhere next, as soon as that is allowed. A short full scan means that
 * nothing is due; a NOTIFY that came meanwhile has set wants_claim, and is not forgotten.
 */
static void note_short(struct claims *c)
{
    int64_t pause = turns_until_full(&c->turns), resting = turns_rest(&c->turns, c->conf->worker_gather_ms);

    c->turns.wants_full = true;
    if (c->is_full)
        return;
    if (pause <= resting) {
        c->wants_claim = true;
        return;
    }
    uv_update_time(c->poll.loop); /* a stale one would wake us before the look is allowed */
    uv_timer_start(&c->poll, on_poll, (uint64_t)pause, 0);
}

static void note_claim(struct claims *c, int rows)
{
    c->is_short = rows < c->asked;
    if (c->batch[0]) {
        if (rows == 0)
            c->wants_settle = true;
        return;
    }
    if (rows < c->asked) {
        note_short(c);
        return;
    }
    c->turns.wants_full = false;
    c->wants_claim = true;
}

/* What was gone around is still wanted. */
static void note_around(struct claims *c, int rows, int64_t took_ms)
{
    c->is_short = rows < c->asked;
    if (!c->batch[0]) {
        c->wants_claim = true;
        c->around_turns.wants_full = c->is_short;
    }
    if (!c->is_short)
        return;
    turns_rest(&c->turns, c->conf->worker_gather_ms);
    turns_note_around(&c->turns, took_ms);
}

static void take_rows(struct claims *c, const PGresult *res)
{
    int64_t took_us = loop_now_us() - c->sent_us;
    int rows = PQntuples(res);

    metrics_observe_us(METRIC_CLAIM_SECONDS, took_us);
    metrics_add(METRIC_TRACES_CLAIMED, rows);
    if (rows == 0)
        metrics_add(METRIC_CLAIMS_EMPTY, 1);
    if (c->is_full && !c->batch[0]) {
        metrics_add(METRIC_CLAIMS_FULL_SCAN, 1);
        turns_note_full(c->is_around ? &c->around_turns : &c->turns, took_us / 1000,
                        c->conf->worker_full_scan_s);
    }
    if (c->is_around)
        note_around(c, rows, took_us / 1000);
    else
        note_claim(c, rows);
    c->on_rows(c->arg, res, c->batch, c->sent_us / 1000);
}

/* True when the query was answered; a failure is left to the next poll or connection. */
static bool is_answered(struct claims *c, const char *sqlstate, const struct err *err)
{
    static struct log_gate gate;

    c->is_asking = false;
    c->is_doubtful = err->code != ERR_OK;
    if (err->code == ERR_OK)
        return true;
    if (log_gate_opens(&gate))
        log_warn("claim.failed", kv("held_back", gate.held_back), kv("sqlstate", sqlstate), kv_err(err));
    return false;
}

static void on_claimed(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct claims *c = arg;

    if (is_answered(c, sqlstate, err)) {
        take_rows(c, res);
        ask_next(c);
        return;
    }
    if (c->is_joined)
        c->wants_claim = true; /* the fault may be the results', which are sent again */
    c->on_lost(c->arg);
    if (c->is_stopped)
        c->on_idle(c->arg);
}

/* Whether this claim looks everywhere, or goes on at cursors; values are those of Q_CLAIM. */
static void choose_cursors(struct claims *c, const char **values)
{
    const struct cursors *cursors = c->is_around ? &c->around_cursors : &c->cursors;
    const struct turns *turns = c->is_around ? &c->around_turns : &c->turns;

    c->is_full = cursors->n == 0 || c->batch[0] || turns_want_full(turns);
    if (c->is_full)
        return;
    cursors_write(cursors, &c->texts[0], &c->texts[1], &c->texts[2]);
    for (int i = 0; i < 3; i++)
        values[3 + i] = buf_cstr(&c->texts[i]);
}

static void ask_claim(struct claims *c, struct claims_room room, bool is_joined)
{
    const char *batch = c->batch[0] ? c->batch : NULL;
    char number[NUMBER_MAX], lease[NUMBER_MAX];
    const char *values[8] = {number, c->worker, lease, c->countries, NULL, NULL, batch, room.around};

    snprintf(number, sizeof(number), "%d", room.slots);
    snprintf(lease, sizeof(lease), "%lld", (long long)c->conf->trace_lease_s * 1000);
    c->asked = room.slots;
    c->sent_us = loop_now_us();
    c->is_asking = true;
    c->is_joined = is_joined;
    c->is_around = room.around != NULL;
    choose_cursors(c, values);
    (is_joined ? pg_send_joined : pg_send)(c->pg, Q_CLAIM, values, 0, on_claimed, c);
}

static void on_batches(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct claims *c = arg;

    if (!is_answered(c, sqlstate, err))
        return;
    c->nbatches = PQntuples(res) < CLAIMS_BATCHES ? PQntuples(res) : CLAIMS_BATCHES;
    c->next_batch = 0;
    for (int i = 0; i < c->nbatches; i++)
        snprintf(c->batches[i], CLAIMS_ID_MAX, "%s", row_cstr(res, i, row_column(res, "batch_id")));
    ask_next(c);
}

static void on_settled(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct claims *c = arg;

    (void)res;
    if (is_answered(c, sqlstate, err))
        ask_next(c);
}

static void ask(struct claims *c, int query, pg_done_cb done)
{
    c->is_asking = true;
    pg_send(c->pg, query, NULL, 0, done, c);
}

static bool is_continuous(const struct claims *c)
{
    return strcmp(c->conf->worker_mode, "continuous") == 0;
}

static void claim_for_all(struct claims *c, struct claims_room room, bool is_joined)
{
    c->batch[0] = '\0';
    c->wants_claim = false;
    ask_claim(c, room, is_joined);
}

/* What is wanted most; the answer's callback asks for the next. */
static void ask_next(struct claims *c)
{
    struct claims_room room;
    bool has_room;

    if (c->is_stopped && !c->is_asking)
        c->on_idle(c->arg);
    if (c->is_asking || c->is_stopped || !pg_is_up(c->pg))
        return;
    room = c->room(c->arg, 0);
    has_room = room.slots > 0 && (!room.around || turns_may_go_around(&c->turns));
    if (c->wants_batches) {
        c->wants_batches = false;
        ask(c, Q_OPEN_BATCHES, on_batches);
    } else if (c->next_batch < c->nbatches && has_room) {
        memcpy(c->batch, c->batches[c->next_batch++], CLAIMS_ID_MAX);
        ask_claim(c, room, false);
    } else if (c->wants_settle) {
        c->wants_settle = false;
        ask(c, Q_SETTLE_BATCHES, on_settled);
    } else if (c->wants_claim && is_continuous(c) && has_room && !is_resting(c)) {
        claim_for_all(c, room, false);
    }
}

bool claims_join(struct claims *c, int leaving)
{
    bool is_batches_turn = c->wants_batches || c->wants_settle || c->next_batch < c->nbatches;
    struct claims_room room;

    if (c->is_asking || c->is_stopped || c->is_doubtful || is_batches_turn || !c->wants_claim ||
        !is_continuous(c))
        return false;
    room = c->room(c->arg, leaving);
    if (room.slots <= 0 || room.around || is_resting(c))
        return false;
    claim_for_all(c, room, true);
    return true;
}

void claims_wake(struct claims *c)
{
    c->wants_claim = true;
    c->turns.around_from_ms = 0;
    ask_next(c);
}

void claims_wake_batches(struct claims *c)
{
    c->wants_batches = true;
    ask_next(c);
}

void claims_resume(struct claims *c)
{
    if (c->nbatches > 0 && c->next_batch >= c->nbatches)
        c->wants_batches = true;
    ask_next(c);
}

bool claims_want_work(const struct claims *c)
{
    return !c->is_stopped && ((c->wants_claim && is_continuous(c)) || c->next_batch < c->nbatches);
}

bool claims_came_short(const struct claims *c)
{
    return !c->is_stopped && c->is_short;
}

void claims_stop(struct claims *c)
{
    c->is_stopped = true;
    uv_timer_stop(&c->poll);
    uv_timer_stop(&c->rest);
}
