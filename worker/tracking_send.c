/*
 * tracking_send.c - from a claimed tracking request to what became of it: recorded, sent, told.
 *
 * Each of the two conversations with PostgreSQL has one statement on its way at a time; what comes meanwhile
 * shares the next.
 */
#include "worker/tracking_internal.h"

#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "worker/queries_worker.h"

#include <fnmatch.h>
#include <stdio.h>

enum { AGAIN_MS = 100, STATEMENT_MAX_BYTES = 16 << 20, GLOB_MAX = 128 };

/* --- which events are logged --- */

/* globs: comma separated, as in "start, progress-*". */
static bool matches(const char *globs, struct str event)
{
    char name[GLOB_MAX], glob[GLOB_MAX];

    snprintf(name, sizeof(name), "%.*s", STR_ARG(str_slice(event, 0, GLOB_MAX - 1)));
    for (struct str rest = str_from(globs), part; str_cut(&rest, ',', &part);) {
        snprintf(glob, sizeof(glob), "%.*s", STR_ARG(str_slice(str_trim(part), 0, GLOB_MAX - 1)));
        if (glob[0] && fnmatch(glob, name, 0) == 0)
            return true;
    }
    return false;
}

/* Where settings and provider agree. */
static bool is_logged(const struct tracking *t, const struct beacon *b)
{
    const char *include = t->conf->tracking_log_include, *exclude = t->conf->tracking_log_exclude;

    return b->is_logged && (!include[0] || matches(include, b->event)) && !matches(exclude, b->event);
}

static void send_array(struct tracking *t, int query, json_t *array, pg_done_cb done)
{
    SCOPED(json_t) owned = array;
    SCOPED_VALUE(buf) text = {.max = STATEMENT_MAX_BYTES};
    const char *values[2] = {t->worker, NULL};

    json_write(owned, &text);
    values[1] = buf_cstr(&text);
    pg_send(t->pg, query, values, 0, done, t);
}

/* --- telling what became of them --- */

static enum metric metric_of(struct str state)
{
    static const struct {
        const char *state;
        enum metric metric;
    } table[] = {
        {"tracked", METRIC_TRACKING_TRACKED}, {"failed", METRIC_TRACKING_FAILED},
        {"unknown", METRIC_TRACKING_UNKNOWN}, {"blocked", METRIC_TRACKING_BLOCKED},
        {"waiting", METRIC_TRACKING_RETRIED}, {"expired", METRIC_TRACKING_EXPIRED},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (str_equal(state, str_from(table[i].state)))
            return table[i].metric;
    return METRIC_TRACKING_HELD;
}

static void report(const struct tracking *t, const struct beacon *b, struct str state)
{
    const struct fire_result *r = &b->result;

    metrics_add(metric_of(state), 1);
    if (r->response_ms >= 0)
        metrics_observe_us(METRIC_TRACKING_SECONDS, r->response_ms * 1000);
    if (!is_logged(t, b))
        return;
    log_info("tracking.sent", kv("trace", b->request_id), kv("tracking", b->event), kv("state", state),
             kv("host", b->has_url ? allow_host(&b->url) : STR("")), kv("status", r->status),
             kv("ms", r->response_ms), kv("creative", b->creative_id), kv("attempt", b->attempts),
             kv("reused", r->is_reused), kv("id", b->id));
    if (r->err.code != ERR_OK)
        log_info("tracking.trouble", kv("trace", b->request_id), kv("id", b->id), kv_err(&r->err));
}

static void on_again(uv_timer_t *timer)
{
    struct tracking *t = container_of(timer, struct tracking, again);

    tracking_tell(t);
    tracking_begin(t);
}

static void on_told(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct tracking *t = arg;
    struct beacon *b;

    if (err->code != ERR_OK) {
        tracking_complain("tracking.delayed", sqlstate, err);
        while ((b = beacons_pop(&t->telling)) != NULL)
            beacons_push(&t->ended, b);
        uv_timer_start(&t->again, on_again, AGAIN_MS, 0);
        return;
    }
    for (int row = 0; row < PQntuples(res); row++) {
        b = beacons_take(&t->telling, row_int(res, row, 0, 0));
        if (b) {
            report(t, b, row_str(res, row, 1));
            beacon_free(b);
        }
    }
    for (b = t->telling.first; b; b = b->next)
        log_warn("tracking.late", kv("trace", b->request_id), kv("id", b->id), kv("tracking", b->event));
    beacons_free(&t->telling);
    tracking_tell(t);
    t->wants_look = true;
    tracking_look(t);
    tracking_check_idle(t);
}

/* One statement at a time; what ends meanwhile shares the next. */
void tracking_tell(struct tracking *t)
{
    if (t->telling.n > 0 || t->ended.n == 0)
        return;
    t->telling = t->ended;
    t->ended = (struct beacons){0};
    send_array(t, Q_TRACKING_FINISH, beacons_finish_json(&t->telling), on_told);
}

static void hand_back(struct tracking *t, struct beacon *b, int64_t pause_ms)
{
    if (b->has_place)
        fire_give_up(t->fire, allow_host(&b->url));
    b->has_place = false;
    beacon_hold(b, pause_ms);
    beacons_push(&t->ended, b);
}

void tracking_hand_back(struct tracking *t)
{
    for (struct beacon *b; (b = beacons_pop(&t->queued)) != NULL;)
        hand_back(t, b, 0);
    tracking_tell(t);
}

/* --- sending --- */

void tracking_on_fired(void *arg, void *owner, const struct fire_result *result)
{
    struct tracking *t = arg;
    struct beacon *b = beacons_take(&t->firing, ((struct beacon *)owner)->id);

    if (result->err.code == ERR_HOST_EXHAUSTED) {
        metrics_add(METRIC_HOST_EXHAUSTED, 1);
        tracking_complain("tracking.exhausted", "", &result->err);
    }
    b->result = *result;
    b->has_place = false;
    beacons_push(&t->ended, b);
    tracking_tell(t);
    tracking_begin(t);
}

static void act_on(struct tracking *t, struct beacon *b, struct str verdict, int attempts)
{
    if (str_equal(verdict, STR("go"))) {
        b->attempts = attempts;
        b->has_place = false; /* it is the request's now */
        beacons_push(&t->firing, b);
        fire_send(t->fire, &b->url, b->is_billing, b);
        return;
    }
    if (b->has_place)
        fire_give_up(t->fire, allow_host(&b->url));
    if (str_equal(verdict, STR("blocked")) || str_equal(verdict, STR("expired")))
        metrics_add(metric_of(verdict), 1);
    if (is_logged(t, b))
        log_info("tracking.kept", kv("trace", b->request_id), kv("tracking", b->event),
                 kv("verdict", verdict), kv("host", b->has_url ? allow_host(&b->url) : STR("")),
                 kv("creative", b->creative_id), kv("id", b->id));
    beacon_free(b);
}

static void on_begun(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct tracking *t = arg;
    struct beacon *b;

    if (err->code == ERR_OK) {
        for (int row = 0; row < PQntuples(res); row++) {
            b = beacons_take(&t->beginning, row_int(res, row, 0, 0));
            if (b)
                act_on(t, b, row_str(res, row, 1), (int)row_int(res, row, 2, 0));
        }
    } else {
        tracking_complain("tracking.delayed", sqlstate, err);
    }
    while ((b = beacons_pop(&t->beginning)) != NULL) {
        b->is_unsure = true;
        hand_back(t, b, 0);
    }
    tracking_tell(t);
    tracking_begin(t);
    t->wants_look = true;
    tracking_look(t);
    tracking_check_idle(t);
}

/* Whether it goes now; else *wait_ms says how long its host makes it wait (-1: until one has ended). */
static bool is_ready(struct tracking *t, struct beacon *b, int64_t *wait_ms)
{
    *wait_ms = 0;
    if (b->is_refused)
        return true;
    *wait_ms = fire_room(t->fire, allow_host(&b->url));
    b->has_place = *wait_ms == 0;
    return b->has_place;
}

/* Those that have room go on to be recorded; those that waited for half of their lease go back. */
void tracking_begin(struct tracking *t)
{
    struct beacons all = t->queued;
    int64_t soonest = -1, wait_ms, now = loop_now_ms();

    if (!tracking_is_firing(t) || t->beginning.n > 0 || all.n == 0 || t->is_stopped || !pg_is_up(t->pg))
        return;
    t->queued = (struct beacons){0};
    for (struct beacon *b; (b = beacons_pop(&all)) != NULL;) {
        if (now >= b->give_back_ms) {
            hand_back(t, b, AGAIN_MS);
        } else if (is_ready(t, b, &wait_ms)) {
            beacons_push(&t->beginning, b);
        } else {
            beacons_push(&t->queued, b);
            if (wait_ms > 0 && (soonest < 0 || wait_ms < soonest))
                soonest = wait_ms;
        }
    }
    if (t->beginning.n > 0)
        send_array(t, Q_TRACKING_BEGIN, beacons_begin_json(&t->beginning), on_begun);
    else if (t->queued.n > 0)
        uv_timer_start(&t->again, on_again,
                       (uint64_t)(soonest > 0 && soonest < AGAIN_MS ? soonest : AGAIN_MS), 0);
    tracking_tell(t);
}
