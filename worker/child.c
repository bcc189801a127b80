/*
 * child.c - see child.h.
 */
#include "worker/child.h"

#include "common/log.h"
#include "common/metrics.h"
#include "common/pg/files.h"
#include "common/pg/open.h"
#include "worker/queries.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_SETTINGS = 2, FLUSH_MS = 5000, APPLICATION_MAX = 64 };

static const char *const channels[] = {"tracepool_requests", "tracepool_batches", "tracepool_tracking", NULL};

/* --- what claims and results ask for --------------------------------------------------------- */

static void on_rows(void *arg, const PGresult *res, const char *batch, int64_t sent_ms)
{
    struct child *c = arg;

    pace_database_took(&c->pace, c->claims.sent_us);
    child_add_rows(c, res, batch, sent_ms);
}

static struct claims_room room(void *arg, int leaving)
{
    struct child *c = arg;

    return pace_room(&c->pace, leaving);
}

static void on_claim_lost(void *arg)
{
    struct child *c = arg;

    pace_database_took(&c->pace, c->claims.sent_us);
    upkeep_claim_lost(&c->upkeep);
}

static void on_stored(void *arg)
{
    struct child *c = arg;

    pace_database_took(&c->pace, c->finish.sent_us);
    claims_resume(&c->claims);
}

static bool on_sending(void *arg, int n)
{
    struct child *c = arg;

    return claims_join(&c->claims, n);
}

/* What a draining child holds is sent at once, too. */
static bool keeps_up(void *arg)
{
    struct child *c = arg;

    return claims_came_short(&c->claims);
}

/* --- the database ---------------------------------------------------------------------------- */

static void on_up(void *arg)
{
    struct child *c = arg;

    log_info("database.up");
    if (!c->was_ready) {
        log_info("worker.ready", kv("incarnation", c->me->incarnation), kv("mode", c->conf->worker_mode),
                 kv("slots", c->conf->worker_slots), kv("schema", TRACEPOOL_SCHEMA));
        proc_child_ready(c->me);
        c->was_ready = true;
    }
    upkeep_wake(&c->upkeep);
    finish_wake(&c->finish);
    tracking_wake(&c->tracking);
    claims_wake_batches(&c->claims);
    claims_wake(&c->claims);
}

static void on_down(void *arg, const struct err *err)
{
    static struct log_gate gate;

    (void)arg;
    if (!log_gate_opens(&gate))
        return;
    if (err->code == ERR_SCHEMA)
        log_error("database.unfit", kv_err(err), kv("advice", "run migrations/apply.sh"));
    else
        log_warn("database.down", kv("held_back", gate.held_back), kv_err(err));
}

static void on_listen_up(void *arg)
{
    struct child *c = arg;

    claims_wake_batches(&c->claims);
    claims_wake(&c->claims);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct child *c = arg;

    (void)payload;
    if (strcmp(channel, "tracepool_batches") == 0)
        claims_wake_batches(&c->claims);
    else if (strcmp(channel, "tracepool_tracking") == 0)
        tracking_wake(&c->tracking);
    else
        claims_wake(&c->claims);
}

static void connect_database(struct child *c)
{
    char name[APPLICATION_MAX];

    snprintf(name, sizeof(name), "tracepool-worker %s", c->me->incarnation);
    c->pg = pg_open(c->conf,
                    (struct pg_options){
                        .loop = &c->loop,
                        .application_name = name,
                        .queries = worker_queries,
                        .nqueries = worker_nqueries,
                        .channels = channels,
                        .arg = c,
                        .on_up = on_up,
                        .on_down = on_down,
                        .on_notify = on_notify,
                    },
                    (struct pg_listener_events){.on_up = on_listen_up, .on_down = on_down}, &c->listen);
}

/* --- draining -------------------------------------------------------------------------------- */

static void end(struct child *c)
{
    if (c->is_ending)
        return;
    c->is_ending = true;
    uv_stop(&c->loop);
}

void child_check_drained(struct child *c)
{
    if (c->is_draining && c->ntraces == 0 && !c->claims.is_asking && c->upkeep.ndead == 0 &&
        tracking_is_idle(&c->tracking))
        end(c);
}

static void on_nothing_asked(void *arg)
{
    child_check_drained(arg);
}

static void on_flush_over(uv_timer_t *timer)
{
    end(container_of(timer, struct child, drain));
}

/* The time for running traces is over: hand them back; results get a moment more to be stored. */
static void flush(struct child *c)
{
    if (c->is_flushing)
        return;
    c->is_flushing = true;
    child_let_go(c);
    uv_timer_start(&c->drain, on_flush_over, FLUSH_MS, 0);
}

static void on_drain_over(uv_timer_t *timer)
{
    flush(container_of(timer, struct child, drain));
}

static void drain(struct child *c)
{
    if (c->is_draining) {
        flush(c); /* asked twice: now */
        return;
    }
    log_info("worker.draining", kv("traces", c->ntraces));
    c->is_draining = true;
    claims_stop(&c->claims);
    tracking_stop(&c->tracking);
    uv_timer_start(&c->drain, on_drain_over, (uint64_t)c->conf->worker_drain_s * 1000, 0);
    child_check_drained(c);
}

void child_retire(struct child *c, const char *why)
{
    if (c->is_draining)
        return;
    log_warn("worker.retires", kv("why", why));
    drain(c);
}

static void on_signal(void *arg, int signum)
{
    if (signum != SIGHUP) /* the parent's: it replaces its children */
        drain(arg);
}

static void on_parent_gone(void *arg)
{
    struct child *c = arg;

    if (!c->is_draining)
        drain(c);
}

static void on_sibling_dead(void *arg, const char *incarnation)
{
    struct child *c = arg;

    upkeep_sibling_dead(&c->upkeep, incarnation);
}

/* --- life ------------------------------------------------------------------------------------ */

static void start(struct child *c, struct launcher *launcher)
{
    loop_init(&c->loop);
    loop_signals_start(&c->signals, &c->loop, on_signal, c);
    uv_timer_init(&c->loop, &c->drain);
    srandom((unsigned)getpid() ^ (unsigned)loop_now_us());
    secrets_init(&c->secrets, c->conf->worker_secrets_dir);
    metrics_set(METRIC_TRACES_RUNNING, 0); /* a predecessor may have died with some */
    modes_init(&c->modes, &c->loop, c->conf, launcher);
    ads_init(&c->ads, &c->loop, c->conf);
    connect_database(c);
    finish_init(&c->finish, &c->loop, c->pg, c->me->incarnation, on_stored, c);
    c->finish.tracking_mode = c->conf->tracking_mode;
    c->finish.gather_ms = c->conf->worker_gather_ms;
    c->finish.keeps_up = keeps_up;
    c->finish.joins = on_sending;
    claims_init(&c->claims, &c->loop, c->conf, c->pg, c->me->incarnation);
    c->claims.room = room;
    c->claims.on_rows = on_rows;
    c->claims.on_lost = on_claim_lost;
    c->claims.on_idle = on_nothing_asked;
    c->claims.arg = c;
    tracking_init(&c->tracking, &c->loop, c->conf, c->pg, c->me->incarnation, on_nothing_asked, c);
    upkeep_start(&c->upkeep, c);
    pace_start(&c->pace, c);
    if (c->me->is_child) {
        c->control.on_parent_gone = on_parent_gone;
        c->control.on_sibling_dead = on_sibling_dead;
        c->control.arg = c;
        proc_control_start(&c->control, &c->loop, c->me);
    }
}

static void finish(struct child *c)
{
    if (c->me->is_child)
        proc_control_stop(&c->control);
    loop_signals_stop(&c->signals);
    uv_close((uv_handle_t *)&c->drain, NULL);
    upkeep_close(&c->upkeep);
    pace_close(&c->pace);
    claims_close(&c->claims);
    finish_close(&c->finish);
    tracking_close(&c->tracking);
    modes_close(&c->modes);
    ads_close(&c->ads);
    pg_destroy(c->pg, NULL, NULL);
    pg_destroy(c->listen, NULL, NULL);
    loop_finish(&c->loop);
    secrets_finish(&c->secrets);
}

static bool restrict_files_and_calls(const struct conf *conf)
{
    SCOPED_VALUE(sandbox_paths) paths = {.n = 0};
    struct err err;

    sandbox_may_read(&paths, conf->worker_secrets_dir);
    sandbox_may_read(&paths, conf->http_ca_file);
    sandbox_may_read(&paths, conf->vast_xsd_dir);
    pg_may_read_files(conf->database_url, &paths);
    pg_may_read_files(conf->database_listen_url, &paths);
    if (sandbox_enter(SANDBOX_WORKER, conf->sandbox_mode, &paths, &err))
        return true;
    log_error("sandbox.failed", kv_err(&err));
    return false;
}

int child_run(const struct conf *conf, const struct proc_child *me)
{
    struct child *c = calloc(1, sizeof(*c));
    struct launcher *launcher;
    int left;

    if (!c)
        abort();
    arena_keep_heap();
    c->conf = conf;
    c->me = me;
    modes_fork(conf, &launcher); /* before any thread or connection exists, and outside of the sandbox */
    if (!restrict_files_and_calls(conf))
        return EXIT_SETTINGS;
    start(c, launcher);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    left = child_leave_traces(c);
    finish(c);
    log_info("worker.ended", kv("left", left));
    free(c);
    return left > 0;
}
