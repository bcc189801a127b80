/*
 * upkeep.c - see upkeep.h. Who counts as dead is decided by the SQL functions it calls.
 */
#include "worker/upkeep.h"

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "worker/child.h"
#include "worker/queries_worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    RELEASE_AGAIN_MS = 200,
    PROVIDERS_EVERY_MS = 60000,
    RESCUES_PER_SILENCE = 3,
    HEARTBEAT_MAX_BYTES = 64 << 10,
    HOST_MAX = 256,
};

/* --- leases that PostgreSQL has for us and we know nothing of --------------------------------- */

static void on_leases_returned(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    (void)arg;
    if (err->code != ERR_OK)
        log_warn("leases.delayed", kv("sqlstate", sqlstate), kv_err(err));
    else
        log_info("leases.returned", kv("traces", row_int(res, 0, 0, 0)));
}

static void add_unknown(struct upkeep *u, const PGresult *res, int row, json_t *items)
{
    struct str id = row_str(res, row, row_column(res, "request_id"));
    int attempt = (int)row_int(res, row, row_column(res, "attempt"), 0);
    json_t *item;

    if (child_find(u->child, id, attempt))
        return;
    item = json_object();
    json_put_str(item, "request_id", id);
    json_put_int(item, "attempt", attempt);
    json_put_str(item, "ip", row_str(res, row, row_column(res, "ip_address")));
    json_add(items, item);
}

static void on_leases(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct upkeep *u = arg;
    SCOPED(json_t) items = json_array();
    SCOPED_VALUE(buf) text;
    const char *values[2] = {u->child->me->incarnation, NULL};

    buf_init(&text, HEARTBEAT_MAX_BYTES * 16);
    if (err->code != ERR_OK) {
        log_debug("leases.delayed", kv("sqlstate", sqlstate), kv_err(err));
        return;
    }
    for (int row = 0; row < PQntuples(res); row++)
        add_unknown(u, res, row, items);
    if (json_array_size(items) == 0)
        return;
    json_write(items, &text);
    values[1] = buf_cstr(&text);
    pg_send(u->child->pg, Q_GIVE_BACK, values, 0, on_leases_returned, u);
}

/* A claim on its way would look like a lease we don't know: wait for the next beat then. */
static void compare_leases(struct upkeep *u)
{
    const char *values[1] = {u->child->me->incarnation};

    if (loop_now_ms() >= u->unsure_until_ms || u->child->claims.is_asking || !pg_is_up(u->child->pg))
        return;
    pg_send(u->child->pg, Q_LEASES, values, 0, on_leases, u);
}

void upkeep_claim_lost(struct upkeep *u)
{
    u->unsure_until_ms = loop_now_ms() + u->child->conf->trace_lease_s * 1000;
    compare_leases(u);
}

/* --- the dead -------------------------------------------------------------------------------- */

static void release_next(struct upkeep *u);

static void on_retry(uv_timer_t *timer)
{
    release_next(container_of(timer, struct upkeep, retry));
}

static void bury(struct upkeep *u, int i)
{
    u->ndead--;
    memmove(&u->dead[i], &u->dead[i + 1], (size_t)(u->ndead - i) * sizeof(u->dead[0]));
    child_check_drained(u->child);
}

/*
 * Once more after PostgreSQL was seen without a backend of the dead one: a claim that was on its way when
 * it died is committed after our first round, and nobody else would know.
 */
static void round_done(struct upkeep *u, int i, bool has_backend, int64_t released)
{
    struct dead_worker *d = &u->dead[i];

    if (d->rounds++ == 0) {
        metrics_add(METRIC_SIBLINGS_RELEASED, 1);
        log_info("sibling.released", kv("worker", d->name), kv("traces", released));
    } else if (released > 0) {
        log_info("sibling.released", kv("worker", d->name), kv("traces", released), kv("round", d->rounds));
    }
    if (d->was_gone) {
        bury(u, i);
        return;
    }
    d->was_gone = !has_backend;
    d->due_ms = loop_now_ms() + RELEASE_AGAIN_MS;
}

static void on_released(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct upkeep *u = arg;
    int i = u->releasing;

    u->releasing = -1;
    if (err->code == ERR_OK) {
        round_done(u, i, row_bool(res, 0, 0, false), row_int(res, 0, 1, 0));
    } else {
        log_warn("sibling.delayed", kv("worker", u->dead[i].name), kv("sqlstate", sqlstate), kv_err(err));
        u->dead[i].due_ms = loop_now_ms() + RELEASE_AGAIN_MS;
    }
    release_next(u);
}

/* Sends the first that is due; else waits for the next. */
static void release_next(struct upkeep *u)
{
    int64_t now = loop_now_ms();

    if (u->ndead == 0 || u->releasing >= 0 || !pg_is_up(u->child->pg))
        return;
    for (int i = 0; i < u->ndead; i++) {
        const char *values[1] = {u->dead[i].name};

        if (u->dead[i].due_ms > now)
            continue;
        u->releasing = i;
        pg_send(u->child->pg, Q_RELEASE_DEAD, values, 0, on_released, u);
        return;
    }
    uv_timer_start(&u->retry, on_retry, RELEASE_AGAIN_MS, 0);
}

void upkeep_sibling_dead(struct upkeep *u, const char *incarnation)
{
    struct dead_worker *d = &u->dead[u->ndead];

    log_warn("sibling.dead", kv("worker", incarnation));
    if (u->ndead == UPKEEP_DEAD) {
        log_error("sibling.forgotten", kv("worker", incarnation));
        return;
    }
    *d = (struct dead_worker){0};
    snprintf(d->name, sizeof(d->name), "%s", incarnation);
    u->ndead++;
    release_next(u);
}

static void on_rescued(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    (void)arg;
    if (err->code != ERR_OK)
        log_debug("rescue.failed", kv("sqlstate", sqlstate), kv_err(err));
    else if (row_int(res, 0, 0, 0) > 0)
        log_warn("rescue.done", kv("traces", row_int(res, 0, 0, 0)));
}

/* --- heartbeat ------------------------------------------------------------------------------- */

static void on_providers(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    (void)arg;
    (void)sqlstate;
    for (int row = 0; err->code == ERR_OK && row < PQntuples(res); row++)
        log_warn("provider.unknown", kv("provider", row_str(res, row, 0)), kv("ips", row_int(res, row, 1, 0)),
                 kv("advice", "add a row to proxy_providers; until then its IPs are not used"));
}

/* Asked rarely: other workers that fell silent, by all; providers without settings, by the first child. */
static void look_around(struct upkeep *u)
{
    const struct conf *conf = u->child->conf;
    int64_t now = loop_now_ms();
    char silence[24];
    const char *values[1] = {silence};

    if (now - u->rescue_ms >= conf->worker_silence_s * 1000 / RESCUES_PER_SILENCE) {
        u->rescue_ms = now;
        snprintf(silence, sizeof(silence), "%lld", (long long)conf->worker_silence_s * 1000);
        pg_send(u->child->pg, Q_RESCUE_SILENT, values, 0, on_rescued, u);
    }
    if (u->child->me->slot == 0 && (u->providers_ms == 0 || now - u->providers_ms >= PROVIDERS_EVERY_MS)) {
        u->providers_ms = now;
        pg_send(u->child->pg, Q_UNKNOWN_PROVIDERS, NULL, 0, on_providers, u);
    }
}

static void on_beat_taken(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct upkeep *u = arg;

    (void)res;
    u->is_beating = false;
    if (err->code != ERR_OK) {
        log_debug("heartbeat.failed", kv("sqlstate", sqlstate), kv_err(err));
        return;
    }
    u->heard_ms = u->sent_ms;
    look_around(u);
}

/* Counters are the sum over all children and outlive each; one of them tells them for all. */
static json_t *beat_json(const struct upkeep *u)
{
    const struct proc_child *me = u->child->me;
    char host[HOST_MAX] = "";
    json_t *o = json_object();

    gethostname(host, sizeof(host) - 1);
    json_put_str(o, "incarnation", str_from(me->incarnation));
    json_put_str(o, "program", STR("worker"));
    json_put_str(o, "host", str_from(host));
    json_put_int(o, "pid", getpid());
    json_put_str(o, "version", STR(TRACEPOOL_VERSION));
    json_put_int(o, "started_ms_ago", loop_now_ms() - u->started_ms);
    json_put(o, "counters", me->slot == 0 ? metrics_json(METRICS_WORKER) : json_object());
    return o;
}

static void beat(struct upkeep *u)
{
    SCOPED(json_t) o = NULL;
    SCOPED_VALUE(buf) text;
    const char *values[1];

    buf_init(&text, HEARTBEAT_MAX_BYTES);
    if (u->is_beating || !pg_is_up(u->child->pg))
        return;
    o = beat_json(u);
    json_write(o, &text);
    values[0] = buf_cstr(&text);
    u->is_beating = true;
    u->sent_ms = loop_now_ms();
    pg_send(u->child->pg, Q_HEARTBEAT, values, 0, on_beat_taken, u);
}

/*
 * Others give our traces to someone else once they have not heard of us for silence_s. A fifth before
 * that we let go, so that no trace runs twice at once, whatever cut us off.
 */
static void check_silence(struct upkeep *u)
{
    int64_t limit_ms = u->child->conf->worker_silence_s * 1000 * 4 / 5,
            silent_ms = loop_now_ms() - u->heard_ms;
    static struct log_gate gate;

    if (silent_ms < limit_ms || u->child->ntraces == 0)
        return;
    if (log_gate_opens(&gate))
        log_error("worker.cut_off", kv("silent_ms", silent_ms), kv("traces", u->child->ntraces));
    child_let_go(u->child);
}

static void on_beat(uv_timer_t *timer)
{
    struct upkeep *u = container_of(timer, struct upkeep, beat);

    check_silence(u);
    beat(u);
    compare_leases(u);
}

void upkeep_start(struct upkeep *u, struct child *child)
{
    uint64_t every_ms = (uint64_t)child->conf->worker_heartbeat_s * 1000;

    *u = (struct upkeep){
        .child = child, .started_ms = loop_now_ms(), .heard_ms = loop_now_ms(), .releasing = -1};
    u->rescue_ms = u->started_ms - random() % 1000;
    uv_timer_init(&child->loop, &u->beat);
    uv_timer_init(&child->loop, &u->retry);
    uv_timer_start(&u->beat, on_beat, every_ms, every_ms);
}

void upkeep_close(struct upkeep *u)
{
    uv_close((uv_handle_t *)&u->beat, NULL);
    uv_close((uv_handle_t *)&u->retry, NULL);
}

void upkeep_wake(struct upkeep *u)
{
    beat(u);
    release_next(u);
    compare_leases(u);
}
