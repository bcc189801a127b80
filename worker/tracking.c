/*
 * tracking.c - see tracking.h. What is due, and what an outcome means for an event, is decided by the SQL
 * functions; where a request may go by vast/allow.c; vast/fire.c alone sends.
 */
#include "worker/tracking_internal.h"

#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "worker/queries_worker.h"

#include <stdio.h>
#include <string.h>

enum {
    RECOVER_EVERY_MS = 5000,
    AFTER_NOTHING_MS = 50, /* due, but it waits for others of its view; doubles up to poll_ms */
    STATEMENT_MAX_BYTES = 16 << 20,
    USER_AGENT_BYTES = 256, /* without the contact */
    NUMBER_MAX = 24,
};

/* --- small things --- */

/* "tracepool/VERSION (+contact; automated ad-tag QA)". Caller owns it. */
static char *user_agent(const struct conf *conf)
{
    const char *contact = conf->http_contact;
    SCOPED_VALUE(buf) text = {.max = USER_AGENT_BYTES + strlen(contact)};
    char *result;

    buf_printf(&text, "tracepool/%s (%s%s%sautomated ad-tag QA)", TRACEPOOL_VERSION, contact[0] ? "+" : "",
               contact, contact[0] ? "; " : "");
    result = strdup(buf_cstr(&text));
    if (!result)
        abort();
    return result;
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

bool tracking_is_firing(const struct tracking *t)
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

void tracking_check_idle(struct tracking *t)
{
    metrics_set(METRIC_TRACKING_RUNNING, in_hand(t));
    if (t->is_draining && tracking_is_idle(t))
        t->on_idle(t->arg);
}

void tracking_complain(const char *event, const char *sqlstate, const struct err *err)
{
    static struct log_gate gate;

    if (log_gate_opens(&gate))
        log_warn(event, kv("held_back", gate.held_back), kv("sqlstate", sqlstate), kv_err(err));
}

/* --- looking for work --- */

static void on_look(uv_timer_t *timer)
{
    struct tracking *t = container_of(timer, struct tracking, look);

    t->wants_look = true;
    tracking_look(t);
}

static void look_in(struct tracking *t, int64_t ms)
{
    int64_t most = tracking_is_firing(t) ? t->conf->tracking_poll_ms : RECOVER_EVERY_MS;

    if (t->is_draining)
        return;
    uv_timer_start(&t->look, on_look, (uint64_t)(ms >= 0 && ms < most ? ms : most), 0);
}

/* The answer of a query of look(); false when there is none. */
static bool is_answered(struct tracking *t, const char *sqlstate, const struct err *err)
{
    t->is_asking = false;
    if (err->code != ERR_OK) {
        tracking_complain("tracking.unasked", sqlstate, err);
        look_in(t, -1);
    }
    tracking_check_idle(t);
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
        tracking_hand_back(t);
    tracking_begin(t);
    if (PQntuples(res) > 0 || t->pause_ms == 0)
        t->pause_ms = AFTER_NOTHING_MS;
    else if (t->pause_ms < t->conf->tracking_poll_ms)
        t->pause_ms *= 2;
    look_in(t, PQntuples(res) > 0 ? 0 : t->pause_ms);
    tracking_check_idle(t);
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
        tracking_hand_back(t);
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
    t->wants_look |= tracking_is_firing(t);
    look_in(t, -1);
    tracking_look(t);
}

void tracking_look(struct tracking *t)
{
    int64_t now = loop_now_ms();

    if (!t->wants_look || t->is_asking || t->is_draining || !pg_is_up(t->pg))
        return;
    t->wants_look = false;
    if (!tracking_is_firing(t) || now - t->recovered_ms >= RECOVER_EVERY_MS) {
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
    tracking_look(t);
    tracking_tell(t);
    tracking_begin(t);
}

/* --- life --- */

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
        .done = tracking_on_fired,
        .arg = t,
    };

    return fire_create(&options);
}

void tracking_init(struct tracking *t, uv_loop_t *loop, const struct conf *conf, struct pg *pg,
                   const char *worker, void (*on_idle)(void *arg), void *arg)
{
    *t = (struct tracking){.conf = conf, .pg = pg, .worker = worker, .on_idle = on_idle, .arg = arg};
    t->user_agent = user_agent(conf);
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
    tracking_hand_back(t);
    tracking_check_idle(t);
}
