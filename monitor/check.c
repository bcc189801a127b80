/*
 * check.c - one look at the database, for a script or a person. See check.h.
 *
 * Asks the database itself and not the running monitor: what it says holds when the monitor is down,
 * too. What the alert rules see at this moment is a warning, however long it has been so; what no rule tells
 * comes from the query `findings`.
 */
#include "monitor/check.h"

#include "common/json.h"
#include "common/loop.h"
#include "common/pg/row.h"
#include "monitor/alerts.h"
#include "monitor/db.h"
#include "monitor/queries_monitor.h"
#include "monitor/status.h"

#include <inttypes.h>
#include <string.h>

enum { RULES_BYTES = 1 << 16 };

struct check {
    uv_loop_t loop;
    struct pg *db;
    const struct conf *conf;
    void (*work)(struct check *c); /* once connected */
    json_t *status;
    int warnings;
    int result;
    bool is_over;
};

static void end(struct check *c, int result)
{
    if (c->is_over)
        return;
    c->is_over = true;
    c->result = result;
    pg_destroy(c->db, NULL, NULL);
}

static void end_unreachable(struct check *c, const struct err *err)
{
    if (!c->is_over)
        fprintf(stderr, "unreachable: %s\n", err->detail);
    end(c, CHECK_UNREACHABLE);
}

static void on_up(void *arg)
{
    struct check *c = arg;

    c->work(c);
}

static void on_down(void *arg, const struct err *err)
{
    end_unreachable(arg, err);
}

static int run(const struct conf *conf, void (*work)(struct check *c))
{
    struct check c = {.conf = conf, .work = work};
    const struct db_events events = {.arg = &c, .on_up = on_up, .on_down = on_down};

    struct pg *listener; /* none: it listens to nothing */

    loop_init(&c.loop);
    c.db = db_open(conf, &c.loop, &events, &listener);
    uv_run(&c.loop, UV_RUN_DEFAULT);
    loop_finish(&c.loop);
    json_decref(c.status);
    return c.result;
}

/* ---- check ---- */

/* clang-format off */
static const struct finding {
    const char *kind;
    const char *before, *after; /* the subject stands between, the number behind */
    bool has_number;
    const char *advice;
} findings[] = {
    {"provider",   "Provider ", " is not configured; IPs that are therefore never used: ", true,
                   "add the provider to proxy_providers"},
    {"quarantine", "Clicks that the database refused (", "): ", true,
                   "look at the rows of spool_quarantine"},
    {"http_offer", "Offer ", " redirects to plain http, where Google stops following", false,
                   "use https in its tracking_urls, its final_url or its provider's base_url"},
};
/* clang-format on */

static void print_finding(struct check *c, const char *kind, struct str subject, int64_t number)
{
    for (size_t i = 0; i < ARRAY_LEN(findings); i++) {
        const struct finding *f = &findings[i];

        if (strcmp(f->kind, kind) != 0)
            continue;
        printf("warning: %s%.*s%s", f->before, STR_ARG(subject), f->after);
        if (f->has_number)
            printf("%" PRId64, number);
        printf(" (%s)\n", f->advice);
        c->warnings++;
    }
}

static void print_summary(const json_t *status)
{
    const json_t *requests = json_object_get(status, "active_requests");
    const json_t *health = json_object_get(status, "health");
    const char *country;
    json_t *counts;

    json_object_foreach(json_object_get(status, "pool_summary"), country, counts)
        printf("pool %s: %" PRId64 " IPs, %" PRId64 " available, %" PRId64 " locked, %" PRId64
               " in cooldown, %" PRId64 " unhealthy\n",
               country, json_get_int(counts, "total", 0), json_get_int(counts, "available", 0),
               json_get_int(counts, "locked", 0), json_get_int(counts, "cooldown", 0),
               json_get_int(counts, "unhealthy", 0));
    printf("requests: %" PRId64 " pending, %" PRId64 " processing; success rate over 5 minutes: %" PRId64
           " %%\n",
           json_get_int(requests, "pending", 0), json_get_int(requests, "processing", 0),
           json_get_int(health, "success_rate_5min", 0));
}

static void print_warnings(struct check *c)
{
    size_t i;
    json_t *text;

    json_array_foreach(json_object_get(c->status, "warnings"), i, text)
    {
        printf("warning: %s\n", json_string_value(text));
        c->warnings++;
    }
}

static void on_findings(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct check *c = arg;

    (void)sqlstate;
    if (err->code != ERR_OK) {
        end_unreachable(c, err);
        return;
    }
    print_summary(c->status);
    print_warnings(c);
    int kind = row_column(res, "kind"), subject = row_column(res, "subject"),
        number = row_column(res, "number");
    for (int i = 0; i < PQntuples(res); i++)
        print_finding(c, row_cstr(res, i, kind), row_str(res, i, subject), row_int(res, i, number, 0));
    struct str advice = json_get_str(c->status, "recommendation", STR(""));
    bool is_quiet = json_array_size(json_object_get(c->status, "warnings")) == 0;
    if (!is_quiet || c->warnings == 0) /* "operating normally" is no comment on a finding */
        printf("%.*s\n", STR_ARG(advice));
    end(c, c->warnings ? CHECK_WARNINGS : CHECK_HEALTHY);
}

static void on_status(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct check *c = arg;
    struct err why = *err;

    (void)sqlstate;
    if (err->code == ERR_OK)
        c->status = status_from_row(res, NULL, &why);
    if (!c->status)
        end_unreachable(c, &why);
}

static void work_check(struct check *c)
{
    SCOPED_VALUE(buf) rules;
    char silence[24];

    buf_init(&rules, RULES_BYTES);
    alerts_write_rules(c->conf, &rules);
    snprintf(silence, sizeof(silence), "%" PRId64, c->conf->worker_silence_s * 1000);
    pg_send(c->db, Q_POOL_MONITOR, (const char *[]){buf_cstr(&rules), silence}, 0, on_status, c);
    pg_send(c->db, Q_FINDINGS, NULL, 0, on_findings, c);
}

int check_run(const struct conf *conf)
{
    return run(conf, work_check);
}

/* ---- snapshot ---- */

static void on_tidied(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    (void)arg;
    (void)res;
    (void)sqlstate;
    if (err->code != ERR_OK)
        fprintf(stderr, "release_expired_ip_locks: %s\n", err->detail);
}

static void on_recorded(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct check *c = arg;

    (void)res;
    (void)sqlstate;
    if (err->code != ERR_OK) {
        end_unreachable(c, err);
        return;
    }
    printf("snapshot recorded\n");
    end(c, CHECK_HEALTHY);
}

static void work_snapshot(struct check *c)
{
    pg_send(c->db, Q_RELEASE_EXPIRED, NULL, 0, on_tidied, c);
    pg_send(c->db, Q_RECORD_STATISTICS, NULL, 0, on_recorded, c);
}

int snapshot_run(const struct conf *conf)
{
    return run(conf, work_snapshot);
}
