/*
 * serve.c - starts the parts of the monitor on one loop and ends them together. See serve.h.
 *
 * Everything here can be killed at any moment: what the monitor knows is in the database.
 */
#include "monitor/serve.h"

#include "common/log.h"
#include "common/pg/files.h"
#include "common/service.h"
#include "monitor/alerts.h"
#include "monitor/api.h"
#include "monitor/db.h"
#include "monitor/monitor.h"
#include "monitor/notice.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_HEAD_BYTES = 16384,
    MAX_BODY_BYTES = 65536,
    HEAD_MS = 5000,
    IDLE_MS = 30000,
    WRITE_MS = 10000,
    DRAIN_MS = 3000,
    DRAIN_LOOK_MS = 20,
    BACKLOG = 256,
    RULES_BYTES = 1 << 16
};

static void on_up(void *arg)
{
    struct monitor *m = arg;

    log_info("database.up");
    snapshot_start(&m->snapshot);
}

static void on_down(void *arg, const struct err *err)
{
    struct monitor *m = arg;

    snapshot_pause(&m->snapshot);
    db_log_down(err);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct monitor *m = arg;

    (void)channel;
    (void)payload;
    batches_look(&m->batches);
}

static void connect_database(struct monitor *m)
{
    const struct db_events events = {.arg = m, .on_up = on_up, .on_down = on_down, .on_notify = on_notify};

    m->db = db_open(m->conf, m->loop, &events, &m->listener);
}

static void listen_for_calls(struct monitor *m, int fd)
{
    const struct httpd_options options = {
        .loop = m->loop,
        .fds = &fd,
        .nfds = 1,
        .max_head = MAX_HEAD_BYTES,
        .max_body = MAX_BODY_BYTES,
        .max_connections = (int)m->conf->api_max_connections,
        .head_timeout_ms = HEAD_MS,
        .idle_timeout_ms = IDLE_MS,
        .write_timeout_ms = WRITE_MS,
        .arg = m,
        .on_request = api_on_request,
    };

    m->httpd = httpd_create(&options);
}

static void end_drain(struct monitor *m)
{
    uv_close((uv_handle_t *)&m->drain, NULL);
    httpd_destroy(m->httpd, NULL, NULL);
}

static void on_drain_look(uv_timer_t *timer)
{
    struct monitor *m = container_of(timer, struct monitor, drain);

    m->drain_left_ms -= DRAIN_LOOK_MS;
    if (httpd_connections(m->httpd) == 0 || m->drain_left_ms <= 0)
        end_drain(m);
}

/*
 * Whoever waits gets an answer: pg_destroy ends every query, and with it every call. Answers that a
 * slow client has not read yet get a moment.
 */
static void stop(struct monitor *m)
{
    if (m->is_ending)
        return;
    m->is_ending = true;
    log_info("monitor.stopping", kv("batches", m->batches.waiting));
    service_tell_stopping();
    uv_close((uv_handle_t *)&m->alive, NULL);
    loop_signals_stop(&m->signals);
    snapshot_stop(&m->snapshot);
    batches_stop(&m->batches);
    live_stop(&m->live);
    notify_stop(&m->notifier);
    singles_stop(&m->singles);
    pg_destroy(m->listener, NULL, NULL);
    pg_destroy(m->db, NULL, NULL);
    httpd_drain(m->httpd);
    m->drain_left_ms = DRAIN_MS;
    uv_timer_init(m->loop, &m->drain);
    uv_timer_start(&m->drain, on_drain_look, 0, DRAIN_LOOK_MS);
}

static void on_signal(void *arg, int signum)
{
    if (signum == SIGHUP)
        log_warn("signal.ignored", kv("signal", "HUP"), kv("advice", "restart to read new settings"));
    else
        stop(arg);
}

/* From the loop: one that hangs is silent, and is started anew. */
static void on_alive(uv_timer_t *timer)
{
    (void)timer;
    service_tell_alive();
}

static void start_alive(struct monitor *m)
{
    uv_timer_init(m->loop, &m->alive);
    uv_unref((uv_handle_t *)&m->alive);
    if (service_alive_ms() > 0)
        uv_timer_start(&m->alive, on_alive, 0, (uint64_t)service_alive_ms());
}

static void log_ready(const struct conf *conf, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    char host[64] = "", port[8] = "";

    getsockname(fd, (struct sockaddr *)&address, &size);
    if (getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        host[0] = port[0] = '\0';
    log_info("monitor.ready", kv("listen", conf->api_listen), kv("port", port),
             kv("token", *conf->api_token ? "asked for" : "none"), kv("version", TRACEPOOL_VERSION));
}

static bool restrict_files_and_calls(const struct conf *conf, struct err *err)
{
    SCOPED_VALUE(sandbox_paths) paths = {.n = 0};

    sandbox_may_read(&paths, conf->http_ca_file);
    pg_may_read_files(conf->database_url, &paths);
    pg_may_read_files(conf->database_listen_url, &paths);
    return sandbox_enter(SANDBOX_MONITOR, conf->sandbox_mode, &paths, err);
}

int serve_run(const struct conf *conf)
{
    uv_loop_t loop;
    struct monitor m = {.loop = &loop, .conf = conf};
    struct err err;
    int fd, ntargets;

    service_init();
    conf_forget_environment();
    if (!notice_check_settings(conf, &ntargets, &err)) {
        log_error("monitor.settings", kv_err(&err));
        return 2;
    }
    if (!loop_listen(conf->api_listen, BACKLOG, &fd, &err)) {
        log_error("monitor.listen", kv("setting", "api.listen"), kv_err(&err));
        return 2;
    }
    if (!restrict_files_and_calls(conf, &err)) {
        log_error("sandbox.failed", kv_err(&err));
        return 2;
    }
    loop_init(&loop);
    snapshot_init(&m.snapshot, &m);
    batches_init(&m.batches, &m);
    live_init(&m.live, &m);
    buf_init(&m.rules, RULES_BYTES);
    alerts_write_rules(conf, &m.rules);
    notify_init(&m.notifier, &m, ntargets);
    singles_init(&m.singles, &m);
    loop_signals_start(&m.signals, &loop, on_signal, &m);
    connect_database(&m);
    listen_for_calls(&m, fd);
    start_alive(&m);
    log_ready(conf, fd);
    service_tell_ready("snapshots, alerts and the API are at work");
    close(fd);
    uv_run(&loop, UV_RUN_DEFAULT);
    loop_finish(&loop);
    snapshot_finish(&m.snapshot);
    buf_finish(&m.rules);
    singles_finish(&m.singles);
    log_info("monitor.stopped");
    return 0;
}
