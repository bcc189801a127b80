/*
 * tracking_client.c - tracking requests on their way out: worker/tracking.c with its real sender, and a table
 * of events in place of PostgreSQL.
 *
 *     torture_tracking HOST < LINES
 *
 * Each line is "billing URL" or "plain URL": an event that is due, whose id is the line's number. HOST is the
 * only one that is allowed. The table keeps to the rules of the SQL functions: events are claimed, begun and
 * fenced, a held attempt does not count, and a request is tried four times. The first answers to begin and to
 * finish are lost on their way. At the end each event is printed as "ID STATE".
 */
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pg/row.h"
#include "worker/queries_worker.h"
#include "worker/tracking.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 32, ATTEMPTS_MAX = 4, TEXT_MAX = 512 };

static struct event {
    const char *state;
    bool is_billing;
    char url[TEXT_MAX];
    int attempts, attempts_max;
} events[EVENTS_MAX];
static int nevents;

static uv_loop_t loop;
static struct tracking tracking;
static char *host;
static bool is_closed;

/* --- the table ----------------------------------------------------------------------------------------- */

/* A statement whose answer is due. */
struct asked {
    uv_timer_t timer;
    int query;
    json_t *items;
    pg_done_cb done;
    void *arg;
};

static PGresult *table(int columns, const char *const *names)
{
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc attributes[16] = {0};

    for (int i = 0; i < columns; i++)
        attributes[i].name = (char *)names[i];
    PQsetResultAttrs(res, columns, attributes);
    return res;
}

static void put(PGresult *res, int row, int column, const char *value)
{
    PQsetvalue(res, row, column, (char *)value, value ? (int)strlen(value) : -1);
}

static void put_int(PGresult *res, int row, int column, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    put(res, row, column, text);
}

static bool is_in(const struct event *e, const char *state)
{
    return strcmp(e->state, state) == 0;
}

static PGresult *gate(void)
{
    static const char *const names[] = {"is_stopped", "hosts", "due_ms"};
    PGresult *res = table(ARRAY_LEN(names), names);
    char hosts[TEXT_MAX];
    bool is_due = false;

    for (int id = 0; id < nevents; id++)
        is_due |= is_in(&events[id], "pending");
    snprintf(hosts, sizeof(hosts), "[\"%s\"]", host);
    put(res, 0, 0, "f");
    put(res, 0, 1, hosts);
    put_int(res, 0, 2, is_due ? 0 : 10);
    return res;
}

static PGresult *claim(void)
{
    static const char *const names[] = {
        "id",  "request_id", "event",  "creative_id", "is_billing", "attempts",     "url_template",
        "url", "macros",     "params", "is_logged",   "macro_mode", "macro_formats"};
    PGresult *res = table(ARRAY_LEN(names), names);
    int row = 0;

    for (int id = 0; id < nevents; id++) {
        struct event *e = &events[id];

        if (!is_in(e, "pending"))
            continue;
        e->state = "claimed";
        put_int(res, row, 0, id);
        put(res, row, 1, "01890000-0000-7000-8000-000000000000");
        put(res, row, 2, "start");
        put(res, row, 3, "creative");
        put(res, row, 4, e->is_billing ? "t" : "f");
        put_int(res, row, 5, e->attempts);
        put(res, row, 6, e->url);
        put(res, row, 7, NULL);
        put(res, row, 8, "{\"CACHEBUSTING\": \"1\"}");
        put(res, row, 9, "{}");
        put(res, row, 10, "f");
        put(res, row, 11, "iab");
        put(res, row, 12, "[]");
        row++;
    }
    return res;
}

static PGresult *begin(const json_t *items)
{
    static const char *const names[] = {"id", "verdict", "attempts"};
    PGresult *res = table(ARRAY_LEN(names), names);
    const json_t *item;
    size_t row;

    json_array_foreach(items, row, item)
    {
        int64_t id = json_get_int(item, "id", 0);
        struct event *e = &events[id];
        bool is_refused = json_object_get(item, "refusal");

        put_int(res, (int)row, 0, id);
        if (is_in(e, "claimed")) {
            e->attempts += !is_refused;
            e->state = is_refused ? "blocked" : "sending";
        }
        put(res, (int)row, 1, is_refused ? "blocked" : "go");
        put_int(res, (int)row, 2, e->attempts);
    }
    return res;
}

static void end(struct event *e, const char *outcome)
{
    bool is_held = strcmp(outcome, "held") == 0, is_retry = strcmp(outcome, "retry") == 0;

    e->attempts_max += is_held && is_in(e, "sending");
    if (is_held || (is_retry && e->attempts < e->attempts_max))
        e->state = "pending";
    else
        e->state = is_retry || strcmp(outcome, "failed") == 0 ? "failed"
                   : strcmp(outcome, "tracked") == 0          ? "tracked"
                   : strcmp(outcome, "unknown") == 0          ? "unknown"
                                                              : "blocked";
}

static PGresult *finish(const json_t *items)
{
    static const char *const names[] = {"id", "state"};
    PGresult *res = table(ARRAY_LEN(names), names);
    const json_t *item;
    size_t i;
    int row = 0;

    json_array_foreach(items, i, item)
    {
        int64_t id = json_get_int(item, "id", 0);
        struct event *e = &events[id];

        if ((!is_in(e, "claimed") && !is_in(e, "sending")) ||
            e->attempts != json_get_int(item, "attempts", -1))
            continue;
        end(e, json_string_value(json_object_get(item, "outcome")));
        put_int(res, row, 0, id);
        put(res, row++, 1, e->state);
    }
    return res;
}

static bool is_over(void)
{
    for (int id = 0; id < nevents; id++)
        if (is_in(&events[id], "pending") || is_in(&events[id], "claimed") || is_in(&events[id], "sending"))
            return false;
    return true;
}

/* --- the connection ------------------------------------------------------------------------------------ */

static PGresult *answer_to(int query, const json_t *items)
{
    static const char *const changed[] = {"changed"};
    PGresult *res;

    switch (query) {
    case Q_TRACKING_GATE:
        return gate();
    case Q_TRACKING_CLAIM:
        return claim();
    case Q_TRACKING_BEGIN:
        return begin(items);
    case Q_TRACKING_FINISH:
        return finish(items);
    default:
        res = table(1, changed);
        put(res, 0, 0, "0");
        return res;
    }
}

static bool needs_items(int query)
{
    return query == Q_TRACKING_BEGIN || query == Q_TRACKING_FINISH;
}

static bool is_lost(int query)
{
    static bool was_lost[Q_COUNT];
    bool is_first = !was_lost[query];

    was_lost[query] = true;
    return is_first && needs_items(query);
}

static void on_turn_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, struct asked, timer));
}

static void on_turn(uv_timer_t *timer)
{
    struct asked *asked = container_of(timer, struct asked, timer);
    SCOPED(PGresult) res = answer_to(asked->query, asked->items);
    struct err err = {.code = ERR_OK};
    bool is_refused = needs_items(asked->query) && !asked->items,
         is_down = is_refused || is_lost(asked->query);

    if (is_down)
        err_set(&err, ERR_DATABASE, is_refused ? "no JSON" : "the connection was lost");
    if (!is_closed)
        asked->done(asked->arg, is_down ? NULL : res, "", &err);
    json_decref(asked->items);
    uv_close((uv_handle_t *)timer, on_turn_closed);
    if (is_over() && !tracking.is_draining)
        tracking_stop(&tracking);
}

bool pg_is_up(const struct pg *pg)
{
    (void)pg;
    return true;
}

void pg_send(struct pg *pg, int query, const char *const *values, int64_t timeout_ms, pg_done_cb done,
             void *arg)
{
    struct asked *asked = calloc(1, sizeof(*asked));

    (void)pg;
    (void)timeout_ms;
    if (!asked)
        abort();
    asked->query = query;
    asked->done = done;
    asked->arg = arg;
    if (needs_items(query))
        asked->items = json_loads(values[1], 0, NULL);
    uv_timer_init(&loop, &asked->timer);
    uv_timer_start(&asked->timer, on_turn, 0, 0);
}

/* --- the program --------------------------------------------------------------------------------------- */

static void on_idle(void *arg)
{
    (void)arg;
    if (is_closed)
        return;
    is_closed = true;
    tracking_close(&tracking);
}

static void read_events(void)
{
    char kind[16];

    while (nevents < EVENTS_MAX && scanf("%15s %511s", kind, events[nevents].url) == 2) {
        events[nevents].state = "pending";
        events[nevents].is_billing = strcmp(kind, "billing") == 0;
        events[nevents++].attempts_max = ATTEMPTS_MAX;
    }
}

static struct conf settings(void)
{
    return (struct conf){
        .http_ca_file = (char *)"",
        .http_contact = (char *)"",
        .trace_allow_private = true,
        .tracking_mode = (char *)"fire",
        .tracking_macros = (char *)"leave",
        .tracking_log_include = (char *)"",
        .tracking_log_exclude = (char *)"",
        .tracking_slots = EVENTS_MAX,
        .tracking_connections = 10,
        .tracking_kept_connections = 5,
        .tracking_host_concurrency = 3,
        .tracking_host_rate = 1000,
        .tracking_breaker_failures = 100,
        .tracking_breaker_s = 1,
        .tracking_connect_timeout_ms = 5000,
        .tracking_timeout_ms = 5000,
        .tracking_lease_s = 60,
        .tracking_poll_ms = 20,
        .tracking_keepalive_s = 300,
    };
}

int main(int argc, char **argv)
{
    struct conf conf = settings();

    if (argc != 2)
        return 2;
    host = argv[1];
    signal(SIGPIPE, SIG_IGN);
    read_events();
    loop_init(&loop);
    tracking_init(&tracking, &loop, &conf, NULL, "torture", on_idle, NULL);
    tracking_wake(&tracking);
    uv_run(&loop, UV_RUN_DEFAULT);
    loop_finish(&loop);
    for (int id = 0; id < nevents; id++)
        printf("%d %s\n", id, events[id].state);
    return 0;
}
