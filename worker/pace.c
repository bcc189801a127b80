/*
 * pace.c - see pace.h.
 */
#include "worker/pace.h"

#include "common/log.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "worker/child.h"
#include "worker/queries_worker.h"

#include <stdio.h>

enum {
    LOOK_MS = 500,
    ASK_PAUSE_MS = 1000,
    ASK_SHARE = 20, /* asking takes one part in so many of the time, however slow it has become */
};

static const enum metric metrics_by[LIMIT_COUNT] = {
    [LIMIT_NONE] = METRIC_LIMIT_NONE,         [LIMIT_SLOTS] = METRIC_LIMIT_SLOTS,
    [LIMIT_FREE_IPS] = METRIC_LIMIT_FREE_IPS, [LIMIT_BROWSER] = METRIC_LIMIT_BROWSER,
    [LIMIT_DATABASE] = METRIC_LIMIT_DATABASE, [LIMIT_HOST] = METRIC_LIMIT_HOST,
};

static void show(const struct pace *p)
{
    for (int by = 0; by < LIMIT_COUNT; by++)
        metrics_set(metrics_by[by], (enum limit_by)by == p->limit.by);
    metrics_set(METRIC_CONCURRENCY_TARGET, (int64_t)p->limit.target);
}

static struct limit_browser browser_of(const struct child *c)
{
    struct browser_counts counts = modes_browser_counts(&c->modes);

    return (struct limit_browser){
        .places = modes_has_browser(&c->modes) ? (int)c->conf->browser_contexts : 0,
        .open = counts.contexts,
        .waiting = counts.waiting,
    };
}

struct claims_room pace_room(struct pace *p, int leaving)
{
    struct child *c = p->child;
    struct limit_browser browser = browser_of(c);
    int running = c->ntraces - leaving;
    enum limit_by by;
    struct claims_room room = {.slots = limit_room(&p->limit, running, browser, &by)};

    if (by != LIMIT_NONE && claims_want_work(&c->claims))
        limit_note(&p->limit, by);
    if (by != LIMIT_BROWSER)
        return room;
    room.around = around_offers(&p->around);
    room.slots = room.around ? limit_room_around(&p->limit, running, browser) : 0;
    return room;
}

void pace_database_took(struct pace *p, int64_t sent_us)
{
    limit_database_took(&p->limit, loop_now_us() - sent_us, loop_now_ms());
}

void pace_needs_browser(struct pace *p, struct str offer_id)
{
    around_note(&p->around, offer_id, true);
}

void pace_trace_ended(struct pace *p, struct str offer_id, bool needed_browser)
{
    limit_trace_ended(&p->limit, needed_browser);
    if (!needed_browser)
        around_note(&p->around, offer_id, false);
}

void pace_host_exhausted(struct pace *p, const struct err *err)
{
    static struct log_gate gate;

    metrics_add(METRIC_HOST_EXHAUSTED, 1);
    limit_host_exhausted(&p->limit, loop_now_ms());
    if (log_gate_opens(&gate))
        log_error("host.exhausted", kv("held_back", gate.held_back), kv_err(err));
}

/* --- countries without an IP ------------------------------------------------------------------- */

static void on_scarce(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct pace *p = arg;
    int64_t took_ms = (loop_now_us() - p->asked_us) / 1000;

    (void)sqlstate;
    p->is_asking = false;
    p->ask_from_ms =
        loop_now_ms() + (took_ms * ASK_SHARE > ASK_PAUSE_MS ? took_ms * ASK_SHARE : ASK_PAUSE_MS);
    if (err->code == ERR_OK)
        snprintf(p->countries, sizeof(p->countries), "%s", row_cstr(res, 0, 0));
}

/* A claim that came back full needs no explanation. */
static void ask_why_short(struct pace *p)
{
    struct child *c = p->child;
    const char *values[1] = {c->claims.countries};

    if (!claims_came_short(&c->claims)) {
        p->countries[0] = '\0';
        return;
    }
    if (p->is_asking || !pg_is_up(c->pg) || loop_now_ms() < p->ask_from_ms)
        return;
    p->is_asking = true;
    p->asked_us = loop_now_us();
    pg_send(c->pg, Q_SCARCE_COUNTRIES, values, 0, on_scarce, p);
}

/* --- looks ------------------------------------------------------------------------------------- */

static void see_database(struct pace *p)
{
    struct child *c = p->child;
    int64_t slow_us = p->limit.slow_us, now = loop_now_us();

    if (!pg_is_up(c->pg))
        limit_note(&p->limit, LIMIT_DATABASE);
    if (c->claims.is_asking && now - c->claims.sent_us > slow_us)
        pace_database_took(p, c->claims.sent_us);
    if (c->finish.nsent > 0 && now - c->finish.sent_us > slow_us)
        pace_database_took(p, c->finish.sent_us);
}

static void on_look(uv_timer_t *timer)
{
    struct pace *p = container_of(timer, struct pace, look);
    const char *was = limit_name(p->limit.by);
    int room;

    see_database(p);
    ask_why_short(p);
    if (p->countries[0])
        limit_note(&p->limit, LIMIT_FREE_IPS);
    room = pace_room(p, 0).slots;
    if (limit_look(&p->limit))
        log_info("farm.limit", kv("by", limit_name(p->limit.by)), kv("was", was),
                 kv("running", p->child->ntraces), kv("room", room), kv("target", (int64_t)p->limit.target),
                 kv("slots", p->limit.slots), kv("countries", p->countries));
    show(p);
}

void pace_start(struct pace *p, struct child *child)
{
    *p = (struct pace){.child = child};
    limit_init(&p->limit, (int)child->conf->worker_slots, child->conf->worker_slow_database_ms);
    uv_timer_init(&child->loop, &p->look);
    uv_timer_start(&p->look, on_look, LOOK_MS, LOOK_MS);
    show(p);
}

void pace_close(struct pace *p)
{
    uv_close((uv_handle_t *)&p->look, NULL);
}
