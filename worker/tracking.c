/*
 * tracking.c - see tracking.h. What is due, and what an outcome means for an event, is decided by the SQL
 * functions; where a request may go by vast/allow.c; vast/fire.c alone sends.
 */
#include "worker/tracking.h"

#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "worker/beacon.h"
#include "worker/queries_worker.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

enum {
    RECOVER_EVERY_MS = 5000,
    AFTER_NOTHING_MS = 100, /* due, but it waits for others of its view */
    AGAIN_MS = 100,
    STATEMENT_MAX_BYTES = 16 << 20,
    NUMBER_MAX = 24,
    GLOB_MAX = 128,
};

static void look(struct tracking *t);
static void begin(struct tracking *t);
static void tell(struct tracking *t);
static void on_again(uv_timer_t *timer);

/* --- small things ----------------------------------------------------------------------------------------
 */

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

bool tracking_logs(const char *include, const char *exclude, struct str event)
{
    return (!include[0] || matches(include, event)) && !matches(exclude, event);
}

char *tracking_user_agent(const struct conf *conf)
{
    const char *contact = conf->http_contact;
    SCOPED_VALUE(buf) text = {.max = 1024};

    buf_printf(&text, "tracepool/%s (%s%s%sautomated ad-tag QA)", TRACEPOOL_VERSION, contact[0] ? "+" : "",
               contact, contact[0] ? "; " : "");
    return strdup(buf_cstr(&text));
}

static int64_t wall_ms(void *arg)
{
    (void)arg;
    return loop_wall_ms();
}

static uint32_t random_number(void *arg)
{
    (void)arg;
    return (uint32_t)random();
}

static int64_t now_ms(void *arg)
{
    (void)arg;
    return loop_now_ms();
}

static void count_connection(void *arg, enum fire_count what, bool is_billing)
{
    static const enum metric metrics[FIRE_COUNT_COUNT][2] = {
        [FIRE_OPENED] = {METRIC_CONN_TRACKING_OPENED, METRIC_CONN_BILLING_OPENED},
        [FIRE_REUSED] = {METRIC_CONN_TRACKING_REUSED, METRIC_CONN_BILLING_REUSED},
        [FIRE_DIED] = {METRIC_CONN_TRACKING_DIED, METRIC_CONN_BILLING_DIED},
    };

    (void)arg;
    metrics_add(metrics[what][is_billing], 1);
}

static bool is_firing(const struct tracking *t)
{
    return t->fire != NULL;
}

static int in_hand(const struct tracking *t)
{
    return t->queued.n + t->beginning.n + t->firing.n + t->ended.n + t->telling.n;
}

bool tracking_is_idle(const struct tracking *t)
{
    return in_hand(t) == 0 && !t->is_asking;
}

static void check_idle(struct tracking *t)
{
    metrics_set(METRIC_TRACKING_RUNNING, in_hand(t));
    if (t->is_draining && tracking_is_idle(t))
        t->on_idle(t->arg);
}

static void complain(const char *event, const char *sqlstate, const struct err *err)
{
    static struct log_gate gate;

    if (log_gate_opens(&gate))
        log_warn(event, kv("times", gate.held_back), kv("sqlstate", sqlstate), kv_err(err));
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

/* --- telling what became of them ---------------------------------------------------------------------------
 */

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
    if (!tracking_logs(t->conf->tracking_log_include, t->conf->tracking_log_exclude, b->event))
        return;
    log_info("tracking.sent", kv("trace", b->request_id), kv("tracking", b->event), kv("state", state),
             kv("host", b->has_url ? allow_host(&b->url) : STR("")), kv("status", r->status),
             kv("ms", r->response_ms), kv("creative", b->creative_id), kv("attempt", b->attempts),
             kv("reused", r->is_reused), kv("id", b->id));
    if (r->err.code != ERR_OK)
        log_info("tracking.trouble", kv("trace", b->request_id), kv("id", b->id), kv_err(&r->err));
}

static void on_told(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct tracking *t = arg;
    struct beacon *b;

    if (err->code != ERR_OK) {
        complain("tracking.delayed", sqlstate, err);
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
    tell(t);
    t->wants_look = true;
    look(t);
    check_idle(t);
}

/* One statement at a time; what ends meanwhile shares the next. */
static void tell(struct tracking *t)
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

static void hand_back_queued(struct tracking *t)
{
    for (struct beacon *b; (b = beacons_pop(&t->queued)) != NULL;)
        hand_back(t, b, 0);
    tell(t);
}

/* --- sending
 * ------------------------------------------------------------------------------------------------ */

static void on_fired(void *arg, void *owner, const struct fire_result *result)
{
    struct tracking *t = arg;
    struct beacon *b = beacons_take(&t->firing, ((struct beacon *)owner)->id);

    b->result = *result;
    b->has_place = false;
    beacons_push(&t->ended, b);
    tell(t);
    begin(t);
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
    if (tracking_logs(t->conf->tracking_log_include, t->conf->tracking_log_exclude, b->event))
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
        complain("tracking.delayed", sqlstate, err);
    }
    while ((b = beacons_pop(&t->beginning)) != NULL) {
        b->is_unsure = true;
        hand_back(t, b, 0);
    }
    tell(t);
    begin(t);
    t->wants_look = true;
    look(t);
    check_idle(t);
}

static void on_again(uv_timer_t *timer)
{
    struct tracking *t = container_of(timer, struct tracking, again);

    tell(t);
    begin(t);
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
static void begin(struct tracking *t)
{
    struct beacons all = t->queued;
    int64_t soonest = -1, wait_ms, now = loop_now_ms();

    if (!is_firing(t) || t->beginning.n > 0 || all.n == 0 || t->is_stopped || !pg_is_up(t->pg))
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
    tell(t);
}

/* --- looking for work
 * ---------------------------------------------------------------------------------------- */

static void on_look(uv_timer_t *timer)
{
    struct tracking *t = container_of(timer, struct tracking, look);

    t->wants_look = true;
    look(t);
}

static void look_in(struct tracking *t, int64_t ms)
{
    int64_t most = is_firing(t) ? t->conf->tracking_poll_ms : RECOVER_EVERY_MS;

    if (t->is_draining)
        return;
    uv_timer_start(&t->look, on_look, (uint64_t)(ms >= 0 && ms < most ? ms : most), 0);
}

/* The answer of a query of look(); false when there is none. */
static bool is_answered(struct tracking *t, const char *sqlstate, const struct err *err)
{
    t->is_asking = false;
    if (err->code != ERR_OK) {
        complain("tracking.unasked", sqlstate, err);
        look_in(t, -1);
    }
    check_idle(t);
    return err->code == ERR_OK;
}

static void on_claimed(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct tracking *t = arg;

    if (!is_answered(t, sqlstate, err))
        return;
    for (int row = 0; row < PQntuples(res); row++) {
        struct beacon *b = beacon_read(res, row, &t->sender);

        b->give_back_ms = loop_now_ms() + t->conf->tracking_lease_s * 500;
        if (b->has_url)
            b->is_refused = !fire_allows(t->fire, &b->url, &b->refusal);
        beacons_push(&t->queued, b);
    }
    if (t->is_draining || t->is_stopped)
        hand_back_queued(t);
    begin(t);
    look_in(t, PQntuples(res) > 0 ? 0 : AFTER_NOTHING_MS);
    check_idle(t);
}

static void claim(struct tracking *t, int64_t slots)
{
    char number[NUMBER_MAX], lease[NUMBER_MAX];
    const char *values[3] = {number, t->worker, lease};

    snprintf(number, sizeof(number), "%lld", (long long)slots);
    snprintf(lease, sizeof(lease), "%lld", (long long)t->conf->tracking_lease_s * 1000);
    t->is_asking = true;
    pg_send(t->pg, Q_TRACKING_CLAIM, values, 0, on_claimed, t);
}

static void take_hosts(struct tracking *t, struct str text)
{
    SCOPED_VALUE(arena) arena = {0};
    struct err err;
    SCOPED(json_t) list = json_parse(text, &err);
    size_t n = json_array_size(list);
    struct str *hosts;

    arena_init(&arena, STATEMENT_MAX_BYTES);
    hosts = arena_alloc(&arena, sizeof(*hosts) * (n + 1));
    for (size_t i = 0; hosts && i < n; i++)
        hosts[i] = str_from(json_string_value(json_array_get(list, i)));
    fire_set_allowed(t->fire, &(struct allow_list){hosts, hosts ? (int)n : 0});
}

static void take_stop(struct tracking *t, bool is_stopped)
{
    if (is_stopped != t->is_stopped)
        log_warn(is_stopped ? "tracking.stopped" : "tracking.resumed", kv("in_hand", in_hand(t)));
    t->is_stopped = is_stopped;
    fire_set_stopped(t->fire, is_stopped);
    if (is_stopped)
        hand_back_queued(t);
}

static void on_gate(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct tracking *t = arg;
    int64_t due_ms, slots = t->conf->tracking_slots - in_hand(t);

    if (!is_answered(t, sqlstate, err) || t->is_draining)
        return;
    take_hosts(t, row_str(res, 0, row_column(res, "hosts")));
    take_stop(t, row_bool(res, 0, row_column(res, "is_stopped"), true));
    due_ms = row_int(res, 0, row_column(res, "due_ms"), INT32_MAX);
    if (!t->is_stopped && due_ms <= 0 && slots > 0)
        claim(t, slots);
    else
        look_in(t, t->is_stopped || due_ms <= 0 ? -1 : due_ms);
}

static void on_recovered(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct tracking *t = arg;

    if (!is_answered(t, sqlstate, err))
        return;
    if (row_int(res, 0, 0, 0) > 0)
        log_info("tracking.recovered", kv("events", row_int(res, 0, 0, 0)));
    t->wants_look |= is_firing(t);
    look_in(t, -1);
    look(t);
}

static void look(struct tracking *t)
{
    int64_t now = loop_now_ms();

    if (!t->wants_look || t->is_asking || t->is_draining || !pg_is_up(t->pg))
        return;
    t->wants_look = false;
    if (!is_firing(t) || now - t->recovered_ms >= RECOVER_EVERY_MS) {
        t->recovered_ms = now;
        t->is_asking = true;
        pg_send(t->pg, Q_TRACKING_RECOVER, NULL, 0, on_recovered, t);
        return;
    }
    t->is_asking = true;
    pg_send(t->pg, Q_TRACKING_GATE, NULL, 0, on_gate, t);
}

void tracking_wake(struct tracking *t)
{
    if (strcmp(t->conf->tracking_mode, "off") == 0)
        return;
    t->wants_look = true;
    look(t);
    tell(t);
    begin(t);
}

/* --- life
 * ------------------------------------------------------------------------------------------------------ */

static struct fire *create_fire(struct tracking *t, uv_loop_t *loop)
{
    const struct conf *conf = t->conf;
    struct fire_options options = {
        .loop = loop,
        .user_agent = t->user_agent,
        .ca_file = conf->http_ca_file,
        .allow_private = conf->trace_allow_private,
        .connect_timeout_ms = conf->tracking_connect_timeout_ms,
        .timeout_ms = conf->tracking_timeout_ms,
        .keepalive_s = conf->tracking_keepalive_s,
        .max_connections = (int)conf->tracking_connections,
        .kept_connections = (int)conf->tracking_kept_connections,
        .host_concurrency = (int)conf->tracking_host_concurrency,
        .host_rate = (int)conf->tracking_host_rate,
        .breaker_failures = (int)conf->tracking_breaker_failures,
        .breaker_ms = conf->tracking_breaker_s * 1000,
        .now_ms = now_ms,
        .count = count_connection,
        .done = on_fired,
        .arg = t,
    };

    return fire_create(&options);
}

void tracking_init(struct tracking *t, uv_loop_t *loop, const struct conf *conf, struct pg *pg,
                   const char *worker, void (*on_idle)(void *arg), void *arg)
{
    *t = (struct tracking){.conf = conf, .pg = pg, .worker = worker, .on_idle = on_idle, .arg = arg};
    t->user_agent = tracking_user_agent(conf);
    t->sender = (struct vast_sender){
        .user_agent = str_from(t->user_agent),
        .mode = strcmp(conf->tracking_macros, "iab") == 0 ? VAST_MACRO_IAB : VAST_MACRO_LEAVE,
        .wall_ms = wall_ms,
        .random = random_number,
    };
    t->recovered_ms = -RECOVER_EVERY_MS;
    uv_timer_init(loop, &t->look);
    uv_timer_init(loop, &t->again);
    metrics_set(METRIC_TRACKING_RUNNING, 0);
    if (strcmp(conf->tracking_mode, "fire") == 0)
        t->fire = create_fire(t, loop);
    if (strcmp(conf->tracking_mode, "off") != 0)
        look_in(t, -1);
}

void tracking_close(struct tracking *t)
{
    beacons_free(&t->queued);
    beacons_free(&t->beginning);
    beacons_free(&t->firing);
    beacons_free(&t->ended);
    beacons_free(&t->telling);
    uv_close((uv_handle_t *)&t->look, NULL);
    uv_close((uv_handle_t *)&t->again, NULL);
    fire_destroy(t->fire, NULL, NULL);
    free(t->user_agent);
}

void tracking_stop(struct tracking *t)
{
    t->is_draining = true;
    uv_timer_stop(&t->look);
    hand_back_queued(t);
    check_idle(t);
}
