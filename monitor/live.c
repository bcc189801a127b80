/*
 * live.c - those who wait for news. See live.h.
 */
#include "monitor/live.h"

#include "common/json.h"
#include "common/pg/row.h"
#include "monitor/dashboard.h"
#include "monitor/monitor.h"
#include "monitor/reply.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 1000, WAIT_MS = 25000 };

static struct httpd_conn *take(struct live *live, int i)
{
    struct httpd_conn *conn = live->watchers[i].conn;

    live->waiting--;
    memmove(&live->watchers[i], &live->watchers[i + 1],
            (size_t)(live->waiting - i) * sizeof(live->watchers[0]));
    if (live->waiting == 0)
        uv_timer_stop(&live->timer);
    return conn;
}

static void answer(struct httpd_conn *conn, struct str version)
{
    SCOPED(json_t) body = json_object();

    json_put_str(body, "version", version);
    reply_json(conn, 200, body);
}

static void answer_all_with(struct live *live, const struct err *err)
{
    while (live->waiting > 0)
        reply_database_error(take(live, 0), err);
}

static void on_version(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct live *live = arg;
    int64_t now_ms = loop_now_ms();

    (void)sqlstate;
    live->is_asking = false;
    if (err->code != ERR_OK) {
        answer_all_with(live, err);
        return;
    }
    struct str version = row_str(res, 0, row_column(res, "version"));
    for (int i = live->waiting - 1; i >= 0; i--) {
        const struct live_watcher *w = &live->watchers[i];

        if (!str_equal(version, str_from(w->since)) || now_ms - w->asked_ms >= WAIT_MS)
            answer(take(live, i), version);
    }
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
    static const char *const fields[] = {"since", NULL};
    struct live *live = &m->live;
    struct err err;
    SCOPED(json_t) arguments = dashboard_arguments(httpd_request(conn)->head->query, fields, &err);

    if (!arguments) {
        reply_error(conn, 400, "%s", err.detail);
        return;
    }
    struct str since = json_get_str(arguments, "since", STR(""));
    if (live->waiting == LIVE_MAX_WAITING) {
        struct live_watcher first = live->watchers[0];

        answer(take(live, 0), str_from(first.since));
    }
    struct live_watcher *w = &live->watchers[live->waiting++];
    *w = (struct live_watcher){.conn = conn, .asked_ms = loop_now_ms()};
    snprintf(w->since, sizeof(w->since), "%.*s", STR_ARG(since));
    if (live->waiting == 1)
        uv_timer_start(&live->timer, on_timer, LOOK_MS, LOOK_MS);
    look(live);
}

void live_stop(struct live *live)
{
    static const struct err stopping = {.code = ERR_DATABASE, .detail = "the monitor is being stopped"};

    uv_close((uv_handle_t *)&live->timer, NULL);
    answer_all_with(live, &stopping);
}
