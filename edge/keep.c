/*
 * keep.c - which of the two places a click waits for.
 *
 *     spooling   the spool has it, and answers when it is durable
 *     urgent     the database is to have it; perhaps the spool answers first
 *     sending    it is in the statement that is under way
 *
 * A click stands in one of the three lists, each in order of age. One timer looks at their heads, and stands
 * still while they are empty.
 */
#include "edge/keep.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "edge/clock.h"
#include "edge/quarantine.h"
#include "edge/queries.h"

#include <inttypes.h>
#include <stdio.h>

enum { TICK_MS = 10, BATCH = 200, STATEMENT_MAX = 64 * 1024 * 1024 };

struct keep_list {
    struct keep_click *first, *last;
};

struct keep {
    struct spool *spool;
    struct pg *pg;
    const char *incarnation;
    struct keep_list spooling, urgent, sending;
    uv_timer_t timer;
    struct buf json;
    size_t limit;   /* clicks in the next statement: fewer after a refusal */
    bool is_asking; /* a statement is under way, perhaps for clicks that do not wait any more */
    bool is_stopped;
    struct log_gate gate;
};

/* ---- lists ---- */

static void enter(struct keep_click *c, struct keep_list *list)
{
    struct keep_list *old = c->list;

    if (old) {
        *(c->before ? &c->before->after : &old->first) = c->after;
        *(c->after ? &c->after->before : &old->last) = c->before;
    }
    c->list = list;
    c->before = list ? list->last : NULL;
    c->after = NULL;
    if (list) {
        *(c->before ? &c->before->after : &list->first) = c;
        list->last = c;
    }
}

static void answer(struct keep_click *c, bool is_kept)
{
    if (!c->is_answered) {
        c->is_answered = true;
        c->done(c, is_kept);
    }
}

static void release_if_over(struct keep_click *c)
{
    if (c->is_answered && !c->is_spooling && !c->list)
        c->release(c);
}

/*
 * Its fate is known, or its time is up. In a statement that is under way its bytes are not needed any more.
 */
static void finish(struct keep_click *c, bool is_kept)
{
    enter(c, NULL);
    answer(c, is_kept);
    release_if_over(c);
}

/* ---- the database ---- */

static void send_next(struct keep *k);

static bool is_alone(const struct keep_list *list)
{
    return list->first == list->last;
}

static void take_back(struct keep *k)
{
    while (k->sending.first)
        enter(k->sending.first, &k->urgent);
}

/* Put aside it is kept as well: a person can still make a row of it. Its time may have run out meanwhile. */
static void on_quarantined(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct keep *k = arg;

    (void)res;
    (void)sqlstate;
    if (k->is_stopped)
        return;
    k->is_asking = false;
    if (err->code != ERR_OK) {
        take_back(k);
        return;
    }
    metrics_add(METRIC_SHIP_QUARANTINED, 1);
    if (k->sending.first)
        finish(k->sending.first, true);
    send_next(k);
}

static void quarantine(struct keep *k, const char *sqlstate, const struct err *why)
{
    k->is_asking = true;
    quarantine_send(k->pg, k->incarnation, k->sending.first->payload, sqlstate, why, on_quarantined, k);
}

static void on_recorded(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct keep *k = arg;

    (void)res;
    if (k->is_stopped)
        return;
    k->is_asking = false;
    if (err->code == ERR_OK) {
        k->limit = BATCH;
        while (k->sending.first) {
            metrics_add(METRIC_KEEP_DIRECT, 1);
            finish(k->sending.first, true);
        }
    } else if (!quarantine_is_for(sqlstate)) {
        take_back(k); /* the next tick sends them again, as long as their time lasts */
        return;
    } else if (k->sending.first && is_alone(&k->sending)) {
        quarantine(k, sqlstate, err);
        return;
    } else {
        k->limit = 1;
        take_back(k);
    }
    send_next(k);
}

static void put_clicks(struct keep *k)
{
    size_t n = 0;

    buf_clear(&k->json);
    while (k->urgent.first && n < k->limit) {
        struct keep_click *c = k->urgent.first;

        buf_append_char(&k->json, n++ == 0 ? '[' : ',');
        buf_append_str(&k->json, c->payload);
        enter(c, &k->sending);
    }
    buf_append_char(&k->json, ']');
}

/*
 * pg_send copies: what is sent may be answered and gone before the server has replied. Then sending is empty,
 * but the reply is still to come, and must find no click of a later statement there.
 */
static void send_next(struct keep *k)
{
    char now[24];

    if (!k->urgent.first || k->is_asking || !pg_is_up(k->pg))
        return;
    k->is_asking = true;
    put_clicks(k);
    snprintf(now, sizeof(now), "%" PRId64, clock_ms());
    pg_send(k->pg, Q_RECORD_CLICKS, (const char *const[]){buf_cstr(&k->json), now}, 0, on_recorded, k);
}

/* ---- time ---- */

static bool is_due(const struct keep_click *c, int64_t now_ms, int64_t limit_ms)
{
    return c && now_ms - c->since_ms >= limit_ms;
}

static void give_up(struct keep *k, struct keep_click *c)
{
    metrics_add(METRIC_KEEP_LOST, 1);
    if (log_gate_opens(&k->gate))
        log_error(
            "click.fate_unknown", kv("database", pg_is_up(k->pg) ? "slow" : "down"),
            kv("held_back", k->gate.held_back),
            kv("advice", "neither spool nor database took clicks in time; see spool.failed, database.down"));
    finish(c, false);
}

static void look_at(struct keep *k, struct keep_list *list, int64_t now_ms)
{
    for (struct keep_click *c = list->first, *next; c; c = next) {
        next = c->after;
        if (is_due(c, now_ms, c->is_spooling ? KEEP_PATIENCE_MS : KEEP_REFUSED_MS))
            give_up(k, c);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct keep *k = container_of(timer, struct keep, timer);
    int64_t now = loop_now_ms();

    while (is_due(k->spooling.first, now, KEEP_STALL_MS))
        enter(k->spooling.first, &k->urgent);
    look_at(k, &k->urgent, now);
    look_at(k, &k->sending, now);
    send_next(k);
    if (!k->spooling.first && !k->urgent.first && !k->sending.first)
        uv_timer_stop(&k->timer);
}

/* ---- the spool ---- */

static void want_database(struct keep *k, struct keep_click *c)
{
    enter(c, &k->urgent);
    send_next(k);
}

static void on_spooled(struct spool_entry *entry, bool is_durable)
{
    struct keep_click *c = container_of(entry, struct keep_click, entry);

    c->is_spooling = false;
    if (c->is_answered)
        release_if_over(c);
    else if (is_durable)
        finish(c, true);
    else if (c->list == &c->keep->spooling)
        want_database(c->keep, c);
}

void keep_add(struct keep *k, struct keep_click *c)
{
    c->keep = k;
    c->list = NULL;
    c->since_ms = loop_now_ms();
    c->is_answered = false;
    c->entry.done = on_spooled;
    if (!uv_is_active((uv_handle_t *)&k->timer))
        uv_timer_start(&k->timer, on_tick, TICK_MS, TICK_MS);
    c->is_spooling = spool_append(k->spool, c->at_ms, c->payload, &c->entry);
    if (c->is_spooling && !is_due(k->spooling.first, c->since_ms, KEEP_STALL_MS))
        enter(c, &k->spooling);
    else
        want_database(k, c);
}

/* ---- beginning and end ---- */

struct keep *keep_create(uv_loop_t *loop, struct spool *spool, struct pg *pg, const char *incarnation)
{
    struct keep *k = calloc(1, sizeof(*k));

    if (!k || uv_timer_init(loop, &k->timer) != 0)
        abort();
    uv_unref((uv_handle_t *)&k->timer);
    k->spool = spool;
    k->pg = pg;
    k->incarnation = incarnation;
    k->limit = BATCH;
    buf_init(&k->json, STATEMENT_MAX);
    return k;
}

void keep_stop(struct keep *k)
{
    struct keep_list *lists[] = {&k->spooling, &k->urgent, &k->sending};

    k->is_stopped = true;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        while (lists[i]->first)
            finish(lists[i]->first, false);
    if (!uv_is_closing((uv_handle_t *)&k->timer))
        uv_close((uv_handle_t *)&k->timer, NULL);
}

void keep_free(struct keep *k)
{
    buf_finish(&k->json);
    free(k);
}
