/*
 * ship.c - one batch at a time, from the spool's file into record_clicks().
 *
 *     IDLE --read--> READING --batch--> HOLDING --send--> SENDING --committed--> HOLDING or IDLE
 *                                          ^------------- failed, after a pause ----'
 *
 * `limit` is how many clicks of the batch go into the next statement: halved after a refusal, doubled
 * after a success. So a refused click is alone after a few tries, and nothing behind it waits for long.
 */
#include "edge/ship.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "edge/clock.h"
#include "edge/quarantine.h"
#include "edge/queries.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 5000,
    STATEMENT_MAX = 256 * 1024 * 1024,
    REST_FACTOR = 3,  /* a rest is so many times as long as the statement before it */
    REST_MAX_MS = 50, /* so that no click waits long for its trace */
};

enum ship_state { SHIP_IDLE, SHIP_READING, SHIP_HOLDING, SHIP_SENDING };

struct ship {
    struct ship_options options;
    enum ship_state state;
    struct spool_batch batch;
    size_t committed; /* clicks of the batch that are in the database */
    size_t sending;   /* clicks of the batch that are under way */
    size_t limit;
    struct buf json;
    uv_timer_t pause;
    bool is_pausing;
    int64_t sent_us; /* when the statement under way was sent */
    int64_t pause_ms;
    bool is_stopped;
    bool is_stale; /* the batch under way is forgotten when its answer comes */
    struct log_gate gate;
};

static void on_pause_over(uv_timer_t *timer)
{
    struct ship *s = container_of(timer, struct ship, pause);

    s->is_pausing = false;
    ship_kick(s);
}

/* Half to all of pause_ms, so that many edges do not come back at once. */
static void pause_shipping(struct ship *s)
{
    int64_t half = s->pause_ms / 2;

    s->is_pausing = true;
    uv_timer_start(&s->pause, on_pause_over, (uint64_t)(half + loop_now_us() % (half + 1)), 0);
    s->pause_ms = s->pause_ms * 2 < PAUSE_MAX_MS ? s->pause_ms * 2 : PAUSE_MAX_MS;
}

/*
 * Clicks come first: the database works on the same processors as the edge, and a click that is on disk can
 * wait. Only while the spool has room, and never for long.
 */
static void rest_for_clicks(struct ship *s)
{
    int64_t rest_ms = REST_FACTOR * (loop_now_us() - s->sent_us) / 1000;

    if (rest_ms == 0 || spool_unshipped_bytes(s->options.spool) >= s->options.yield_bytes)
        return;
    s->is_pausing = true;
    uv_timer_start(&s->pause, on_pause_over, (uint64_t)(rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS), 0);
}

/* The spool gives its clicks out again, and others before them. */
static void forget_batch(struct ship *s)
{
    s->is_stale = false;
    s->batch.n = 0;
    s->state = SHIP_IDLE;
}

static void fail(struct ship *s, const char *what, const char *sqlstate, const struct err *err)
{
    s->state = SHIP_HOLDING;
    if (s->is_stopped)
        return;
    metrics_add(METRIC_SHIP_RETRIES, 1);
    if (log_gate_opens(&s->gate))
        log_warn("ship.retry", kv("at", what), kv("clicks", s->sending), kv("sqlstate", sqlstate),
                 kv_err(err), kv("held_back", s->gate.held_back));
    if (err->code == ERR_DATABASE_TIMEOUT && s->sending > 1)
        s->limit = s->sending / 2; /* the line is too thin for so many */
    if (s->is_stale)
        forget_batch(s);
    pause_shipping(s);
}

/* The next n clicks of the batch are done with, one way or another. */
static void advance(struct ship *s, size_t n)
{
    s->committed += n;
    s->pause_ms = PAUSE_MIN_MS;
    s->gate = (struct log_gate){.next_ms = 0};
    if (s->is_stale) {
        forget_batch(s);
        ship_kick(s);
        return;
    }
    spool_commit(s->options.spool, &s->batch, s->committed);
    s->state = s->committed < s->batch.n ? SHIP_HOLDING : SHIP_IDLE;
    if (s->state == SHIP_IDLE)
        s->batch.n = 0;
    ship_kick(s);
}

/* ---- one refused click ---- */

static void on_quarantined(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct ship *s = arg;

    (void)res;
    if (s->is_stopped)
        return;
    if (err->code != ERR_OK) {
        fail(s, "quarantine", sqlstate, err);
        return;
    }
    metrics_add(METRIC_SHIP_QUARANTINED, 1);
    advance(s, 1);
}

static void quarantine(struct ship *s, const char *sqlstate, const struct err *why)
{
    s->state = SHIP_SENDING;
    quarantine_send(s->options.pg, s->options.incarnation, s->batch.items[s->committed].payload, sqlstate,
                    why, on_quarantined, s);
}

/* ---- a batch ---- */

static void on_recorded(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct ship *s = arg;

    (void)res;
    if (s->is_stopped)
        return;
    if (err->code == ERR_OK) {
        metrics_add(METRIC_SHIP_CLICKS, (int64_t)s->sending);
        metrics_add(METRIC_SHIP_BATCHES, 1);
        s->limit = s->limit * 2 < s->options.batch ? s->limit * 2 : s->options.batch;
        rest_for_clicks(s);
        advance(s, s->sending);
    } else if (!quarantine_is_for(sqlstate)) {
        fail(s, "record", sqlstate, err);
    } else if (s->sending == 1) {
        quarantine(s, sqlstate, err);
    } else {
        s->limit = s->sending / 2;
        s->state = SHIP_HOLDING;
        ship_kick(s);
    }
}

static void send_next(struct ship *s)
{
    size_t left = s->batch.n - s->committed;
    char now[24];

    s->sending = left < s->limit ? left : s->limit;
    buf_clear(&s->json);
    for (size_t i = 0; i < s->sending; i++) {
        buf_append_char(&s->json, i == 0 ? '[' : ',');
        buf_append_str(&s->json, s->batch.items[s->committed + i].payload);
    }
    buf_append_char(&s->json, ']');
    snprintf(now, sizeof(now), "%" PRId64, clock_ms());
    s->state = SHIP_SENDING;
    s->sent_us = loop_now_us();
    pg_send(s->options.pg, Q_RECORD_CLICKS, (const char *const[]){buf_cstr(&s->json), now}, 0, on_recorded,
            s);
}

static void on_read(void *arg)
{
    struct ship *s = arg;

    if (s->is_stopped)
        return;
    s->committed = 0;
    s->state = s->batch.n ? SHIP_HOLDING : SHIP_IDLE;
    ship_kick(s);
}

void ship_kick(struct ship *s)
{
    if (s->is_stopped)
        return;
    if (s->state == SHIP_IDLE && spool_unshipped_bytes(s->options.spool) > 0) {
        s->state = SHIP_READING;
        spool_read(s->options.spool, s->options.batch, &s->batch, on_read, s);
    } else if (s->state == SHIP_HOLDING && !s->is_pausing && pg_is_up(s->options.pg)) {
        send_next(s);
    }
}

void ship_again(struct ship *s)
{
    if (s->state == SHIP_SENDING)
        s->is_stale = true;
    else if (s->state == SHIP_HOLDING)
        forget_batch(s);
    ship_kick(s);
}

int64_t ship_age_ms(const struct ship *s, int64_t wall_ms)
{
    bool is_holding = s->state == SHIP_HOLDING || s->state == SHIP_SENDING;
    int64_t age = is_holding ? wall_ms - s->batch.items[s->committed].at_ms : 0;

    return age > 0 ? age : 0;
}

struct ship *ship_create(const struct ship_options *options)
{
    struct ship *s = calloc(1, sizeof(*s));

    if (!s || uv_timer_init(options->loop, &s->pause) != 0)
        abort();
    uv_unref((uv_handle_t *)&s->pause);
    s->options = *options;
    s->limit = options->batch;
    s->pause_ms = PAUSE_MIN_MS;
    buf_init(&s->json, STATEMENT_MAX);
    return s;
}

void ship_stop(struct ship *s)
{
    s->is_stopped = true;
    if (!uv_is_closing((uv_handle_t *)&s->pause))
        uv_close((uv_handle_t *)&s->pause, NULL);
}

void ship_free(struct ship *s)
{
    spool_batch_finish(&s->batch);
    buf_finish(&s->json);
    free(s);
}
