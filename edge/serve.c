/*
 * serve.c - puts a child together, and takes it apart again.
 *
 * Order of the end: stop accepting, answer what is open, ship what the database takes within the drain
 * time, close everything. What is left in the spool is the next owner's.
 */
#include "edge/serve.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/open.h"
#include "edge/heartbeat.h"
#include "edge/pages.h"
#include "edge/queries.h"
#include "edge/ship.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_SETTINGS = 2,
    CHECK_MS = 10,            /* between looks while starting or draining, and only then */
    READY_PATIENCE_MS = 5000, /* for offers: then we serve without, as 503 */
    MAX_HEAD = 16 * 1024,
    MAX_BEACON = 8 * 1024,
    SEGMENTS_PER_SPOOL = 4, /* so that the one that is written to never fills the spool alone */
    YIELD_SHARE = 4,        /* of the spool's size: above it shipping rests no more */
    NAME_MAX_BYTES = 64,
};

struct serve {
    const struct conf *conf;
    const struct proc_child *child;
    uv_loop_t loop;
    struct loop_signals signals;
    struct proc_control control;
    struct httpd *httpd;
    struct httpd *admin;
    struct pg *pg;
    struct pg *listener; /* for LISTEN behind a pooler; else NULL */
    struct spool *spool;
    struct offers_feed *feed;
    struct ship *ship;
    struct keep *keep;
    struct seen *seen;
    struct access *access;
    struct hits *hits;
    struct heartbeat *heartbeat;
    struct pages pages;
    uv_timer_t check; /* runs while starting and while draining */
    int64_t started_ms;
    int64_t drain_until_ms; /* 0: not draining */
    bool is_up;
    struct log_gate down_gate;
};

/* ---- what happens ---- */

static void on_more(void *arg)
{
    struct serve *s = arg;

    if (s->ship)
        ship_kick(s->ship);
}

static void on_up(void *arg)
{
    struct serve *s = arg;

    s->is_up = true;
    s->down_gate = (struct log_gate){.next_ms = 0};
    log_info("database.up");
    offers_feed_refresh(s->feed);
    ship_kick(s->ship);
    heartbeat_send(s->heartbeat);
}

static void on_down(void *arg, const struct err *err)
{
    struct serve *s = arg;
    bool is_news = s->is_up;

    s->is_up = false;
    if (!log_gate_opens(&s->down_gate) && !is_news)
        return;
    if (err->code == ERR_SCHEMA)
        log_error("database.unfit", kv_err(err), kv("advice", "run migrations/apply.sh"));
    else
        log_warn("database.down", kv_err(err),
                 kv("advice", "clicks are still taken; they are shipped when it is back"));
}

static void on_listener_up(void *arg)
{
    struct serve *s = arg;

    offers_feed_refresh(s->feed);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct serve *s = arg;

    (void)channel;
    (void)payload;
    offers_feed_refresh(s->feed);
}

static void on_sibling_dead(void *arg, const char *incarnation)
{
    struct serve *s = arg;

    (void)incarnation;
    spool_adopt(s->spool);
}

/* ---- the end ---- */

static void finish(struct serve *s)
{
    uv_close((uv_handle_t *)&s->check, NULL);
    loop_signals_stop(&s->signals);
    proc_control_stop(&s->control);
    httpd_destroy(s->httpd, NULL, NULL);
    if (s->admin)
        httpd_destroy(s->admin, NULL, NULL);
    keep_stop(s->keep);
    access_stop(s->access);
    heartbeat_stop(s->heartbeat);
    ship_stop(s->ship);
    offers_feed_stop(s->feed);
    pg_destroy(s->pg, NULL, NULL);
    pg_destroy(s->listener, NULL, NULL);
    spool_destroy(s->spool, NULL, NULL);
}

static bool is_drained(const struct serve *s)
{
    bool is_shipped = spool_unshipped_bytes(s->spool) == 0 || !pg_is_up(s->pg);

    return httpd_connections(s->httpd) == 0 && spool_waiting(s->spool) == 0 && is_shipped;
}

static void on_drain_check(uv_timer_t *timer)
{
    struct serve *s = container_of(timer, struct serve, check);
    bool is_late = loop_now_ms() >= s->drain_until_ms;

    if (!(is_drained(s) && heartbeat_goodbye(s->heartbeat)) && !(is_late && spool_waiting(s->spool) == 0))
        return;
    log_info("edge.drained", kv("unshipped_bytes", spool_unshipped_bytes(s->spool)), kv("is_late", is_late));
    finish(s);
}

/* The parent's: while one of us holds them, clicks wait there for nobody, and no new parent can listen. */
static void let_sockets_go(const struct serve *s)
{
    close(s->child->fds[SERVE_FD_PUBLIC]);
    if (s->child->nfds > SERVE_FD_ADMIN)
        close(s->child->fds[SERVE_FD_ADMIN]);
}

static void drain(struct serve *s)
{
    if (s->drain_until_ms)
        return;
    let_sockets_go(s);
    s->drain_until_ms = loop_now_ms() + s->conf->edge_drain_s * 1000;
    httpd_drain(s->httpd);
    if (s->admin)
        httpd_drain(s->admin);
    uv_timer_start(&s->check, on_drain_check, 0, CHECK_MS);
}

static void on_signal(void *arg, int signum)
{
    if (signum != SIGHUP) /* the parent's business: it replaces us */
        drain(arg);
}

static void on_parent_gone(void *arg)
{
    drain(arg);
}

/* ---- the beginning ---- */

/* A replacement is ready when it can answer clicks as its predecessor does: with offers, if there are any. */
static void on_start_check(uv_timer_t *timer)
{
    struct serve *s = container_of(timer, struct serve, check);
    int64_t waited = loop_now_ms() - s->started_ms;

    if (!pages_is_ready(&s->pages) && waited < READY_PATIENCE_MS)
        return;
    uv_timer_stop(&s->check);
    log_info("edge.listening", kv("address", s->conf->edge_listen), kv("admin", s->conf->edge_admin_listen),
             kv("durability", s->conf->edge_durability), kv("is_ready", pages_is_ready(&s->pages)),
             kv("ms", waited));
    proc_child_ready(s->child);
}

static int64_t segment_bytes(const struct conf *conf)
{
    int64_t most = conf->edge_spool_max_bytes / (SEGMENTS_PER_SPOOL * conf->edge_children);

    return conf->edge_segment_bytes < most ? conf->edge_segment_bytes : most;
}

static bool start_spool(struct serve *s, struct err *err)
{
    struct spool_options options = {
        .loop = &s->loop,
        .dir = s->conf->edge_spool_dir,
        .segment_bytes = segment_bytes(s->conf),
        .max_bytes = s->conf->edge_spool_max_bytes,
        .keep_ms = s->conf->edge_spool_keep_s * 1000,
        .is_synced = strcmp(s->conf->edge_durability, "fsync") == 0,
        .arg = s,
        .on_more = on_more,
    };

    return spool_create(&options, &s->spool, err);
}

static void start_database(struct serve *s)
{
    static const char *const channels[] = {"tracepool_offers", NULL};
    char name[NAME_MAX_BYTES];

    snprintf(name, sizeof(name), "tracepool-edge %s", s->child->incarnation);
    s->pg = pg_open(s->conf,
                    (struct pg_options){
                        .loop = &s->loop,
                        .application_name = name,
                        .queries = edge_queries,
                        .nqueries = edge_nqueries,
                        .channels = channels,
                        .arg = s,
                        .on_up = on_up,
                        .on_down = on_down,
                        .on_notify = on_notify,
                    },
                    (struct pg_listener_events){.on_up = on_listener_up}, &s->listener);
}

static struct httpd *listen_on(struct serve *s, enum serve_fd fd, int64_t max_body,
                               void (*on_request)(void *, struct httpd_conn *, const struct httpd_request *))
{
    const struct conf *conf = s->conf;

    return httpd_create(&(struct httpd_options){
        .loop = &s->loop,
        .fds = &s->child->fds[fd],
        .nfds = 1,
        .max_head = MAX_HEAD,
        .max_body = max_body,
        .max_connections = (int)conf->edge_max_connections,
        .head_timeout_ms = conf->edge_head_timeout_ms,
        .idle_timeout_ms = conf->edge_idle_timeout_ms,
        .write_timeout_ms = conf->edge_write_timeout_ms,
        .arg = &s->pages,
        .on_request = on_request,
    });
}

static void start_shipping(struct serve *s)
{
    s->ship = ship_create(&(struct ship_options){
        .loop = &s->loop,
        .spool = s->spool,
        .pg = s->pg,
        .incarnation = s->child->incarnation,
        .batch = (size_t)s->conf->edge_ship_batch,
        .yield_bytes = s->conf->edge_spool_max_bytes / YIELD_SHARE,
    });
    s->heartbeat = heartbeat_create(&(struct heartbeat_options){.loop = &s->loop,
                                                                .pg = s->pg,
                                                                .ship = s->ship,
                                                                .spool = s->spool,
                                                                .incarnation = s->child->incarnation});
}

static bool start_hits(struct serve *s, struct err *err)
{
    s->keep = keep_create(&s->loop, s->spool, s->pg, s->child->incarnation);
    return seen_attach(s->child->fds[SERVE_FD_SEEN], &s->seen, err) &&
           access_create(&s->loop, s->conf->edge_access_log, &s->access, err) &&
           hits_create(
               s->conf,
               &(struct hits_parts){.feed = s->feed, .keep = s->keep, .seen = s->seen, .access = s->access},
               &s->hits, err);
}

static bool start(struct serve *s, struct err *err)
{
    s->started_ms = loop_now_ms();
    if (!start_spool(s, err))
        return false;
    s->feed = offers_feed_create(&s->loop, s->conf->edge_spool_dir, s->conf->edge_offers_poll_s * 1000);
    start_database(s);
    if (!start_hits(s, err))
        return false;
    offers_feed_connect(s->feed, s->pg);
    start_shipping(s);
    s->pages = (struct pages){.hits = s->hits, .spool = s->spool, .feed = s->feed, .pg = s->pg};
    s->httpd = listen_on(s, SERVE_FD_PUBLIC, MAX_BEACON, pages_public);
    if (s->child->nfds > SERVE_FD_ADMIN)
        s->admin = listen_on(s, SERVE_FD_ADMIN, 0, pages_admin);
    loop_signals_start(&s->signals, &s->loop, on_signal, s);
    s->control =
        (struct proc_control){.on_parent_gone = on_parent_gone, .on_sibling_dead = on_sibling_dead, .arg = s};
    proc_control_start(&s->control, &s->loop, s->child);
    uv_timer_start(&s->check, on_start_check, 0, CHECK_MS);
    return true;
}

int serve_run(const struct conf *conf, const struct proc_child *child)
{
    static struct serve s; /* one child, one loop */
    struct err err;

    s.conf = conf;
    s.child = child;
    if (!metrics_attach(child->fds[SERVE_FD_METRICS], child->slot, &err))
        log_warn("metrics.detached", kv_err(&err));
    loop_init(&s.loop);
    uv_timer_init(&s.loop, &s.check);
    if (!start(&s, &err)) {
        log_error("edge.failed", kv_err(&err));
        return EXIT_SETTINGS;
    }
    uv_run(&s.loop, UV_RUN_DEFAULT);
    loop_finish(&s.loop);
    heartbeat_free(s.heartbeat);
    ship_free(s.ship);
    offers_feed_free(s.feed);
    hits_destroy(s.hits);
    access_free(s.access);
    keep_free(s.keep);
    seen_detach(s.seen);
    return 0;
}
