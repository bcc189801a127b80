/*
 * live.c - those who listen for news. See live.h.
 */
#include "monitor/live.h"

#include "common/json.h"
#include "common/pg/row.h"
#include "monitor/dashboard.h"
#include "monitor/monitor.h"
#include "monitor/reply.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 1000, SIGN_MS = 15000, EVENT_BYTES = 256 };

#define EVENT_STREAM STR("Content-Type: text/event-stream\r\nCache-Control: no-store\r\n")

static const struct err stopping = {.code = ERR_DATABASE, .detail = "the monitor is being stopped"};

static void let_go(struct live *live, int i, const struct err *why)
{
    struct live_listener l = live->listeners[i];

    live->count--;
    memmove(&live->listeners[i], &live->listeners[i + 1],
            (size_t)(live->count - i) * sizeof(live->listeners[0]));
    if (live->count == 0)
        uv_timer_stop(&live->timer);
    if (l.has_begun)
        httpd_stream_end(l.conn);
    else
        reply_database_error(l.conn, why);
}

static void let_all_go(struct live *live, const struct err *why)
{
    while (live->count > 0)
        let_go(live, 0, why);
}

static bool tell(struct live_listener *l, struct str version)
{
    SCOPED_VALUE(buf) event = {.max = EVENT_BYTES};

    if (!l->has_begun)
        httpd_stream_begin(l->conn, EVENT_STREAM);
    l->has_begun = true;
    snprintf(l->version, sizeof(l->version), "%.*s", STR_ARG(version));
    buf_printf(&event, "event: version\ndata: {\"version\":\"%s\"}\n\n", l->version);
    return httpd_stream_send(l->conn, buf_str(&event));
}

/* Whether the listener is still there. */
static bool serve(struct live_listener *l, struct str version, int64_t now_ms)
{
    bool is_news = !l->has_begun || !str_equal(version, str_from(l->version));

    if (!is_news && now_ms - l->heard_ms < SIGN_MS)
        return true;
    l->heard_ms = now_ms;
    return is_news ? tell(l, version) : httpd_stream_send(l->conn, STR(": still here\n\n"));
}

static void on_version(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct live *live = arg;
    int64_t now_ms = loop_now_ms();

    (void)sqlstate;
    live->is_asking = false;
    if (err->code != ERR_OK) {
        let_all_go(live, err);
        return;
    }
    struct str version = row_str(res, 0, row_column(res, "version"));
    for (int i = live->count - 1; i >= 0; i--)
        if (!serve(&live->listeners[i], version, now_ms))
            let_go(live, i, &stopping);
}

static void look(struct live *live)
{
    if (live->is_asking)
        return;
    live->is_asking = true;
    pg_send(live->monitor->db, Q_DASHBOARD_VERSION, NULL, 0, on_version, live);
}

static void on_timer(uv_timer_t *timer)
{
    look(container_of(timer, struct live, timer));
}

void live_init(struct live *live, struct monitor *m)
{
    *live = (struct live){.monitor = m};
    uv_timer_init(m->loop, &live->timer);
}

void live_get(struct monitor *m, struct httpd_conn *conn)
{
    static const char *const none[] = {NULL};
    struct live *live = &m->live;
    struct err err;
    SCOPED(json_t) arguments = dashboard_arguments(httpd_request(conn)->head->query, none, &err);

    if (!arguments) {
        reply_error(conn, 400, "%s", err.detail);
        return;
    }
    if (httpd_request(conn)->head->method == HTTPD_HEAD) {
        httpd_respond(conn, 200, EVENT_STREAM, STR(""));
        return;
    }
    if (live->count == LIVE_MAX_LISTENERS)
        let_go(live, 0, &stopping);
    live->listeners[live->count++] = (struct live_listener){.conn = conn, .heard_ms = loop_now_ms()};
    if (live->count == 1)
        uv_timer_start(&live->timer, on_timer, LOOK_MS, LOOK_MS);
    look(live);
}

void live_stop(struct live *live)
{
    uv_close((uv_handle_t *)&live->timer, NULL);
    let_all_go(live, &stopping);
}
