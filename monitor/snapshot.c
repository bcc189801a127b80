/*
 * snapshot.c - the monitor's regular work. See snapshot.h.
 *
 * The queries of a tick are queued together and answered in order; a failing one does not keep the
 * next from being tried. The order matters: leases and cooldowns that ran out are given back before
 * they are counted.
 */
#include "monitor/snapshot.h"

#include "common/json.h"
#include "common/log.h"
#include "common/pg/row.h"
#include "monitor/db.h"
#include "monitor/monitor.h"
#include "monitor/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { HEARTBEAT_MAX_BYTES = 65536, NUMBER_BYTES = 24, PRUNE_EVERY_MS = 3600 * 1000 };

static void note_failure(const char *what, const struct err *err)
{
    static struct log_gate gate;

    if (err->code != ERR_OK && log_gate_opens(&gate))
        log_warn("snapshot.failed", kv("query", what), kv_err(err), kv("held_back", gate.held_back));
}

static void on_done(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct snapshot *s = arg;

    (void)res;
    (void)sqlstate;
    s->waiting--;
    note_failure("housekeeping", err);
}

static void on_archived(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    int64_t moved = err->code == ERR_OK ? row_int(res, 0, row_column(res, "archived"), 0) : 0;

    on_done(arg, res, sqlstate, err);
    if (moved > 0)
        log_info("archive.moved", kv("traces", moved));
}

static void on_recorded(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct snapshot *s = arg;

    (void)res;
    (void)sqlstate;
    s->waiting--;
    metrics_add(err->code == ERR_OK ? METRIC_SNAPSHOTS : METRIC_SNAPSHOTS_FAILED, 1);
    note_failure("record_pool_statistics", err);
}

static void forget_look(struct snapshot *s)
{
    json_decref(s->status);
    json_decref(s->levels);
    json_decref(s->promises);
    s->status = s->levels = s->promises = NULL;
}

static void on_status(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct snapshot *s = arg;
    struct err why = *err;
    json_t *status = NULL, *look = NULL;

    (void)sqlstate;
    s->waiting--;
    if (err->code == ERR_OK)
        status = status_from_row(res, &look, &why);
    note_failure("pool_monitor", &why);
    if (!status)
        return;
    forget_look(s);
    s->status = status;
    s->levels = json_incref(json_object_get(look, "levels"));
    s->promises = json_incref(json_object_get(look, "promises"));
    s->seen_ms = loop_now_ms();
    json_decref(look);
    notify_judge(&s->monitor->notifier, s->levels);
}

static void on_workers(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct snapshot *s = arg;
    struct err why;

    (void)sqlstate;
    s->waiting--;
    note_failure("worker_counters", err);
    if (err->code != ERR_OK)
        return;
    json_decref(s->workers);
    s->workers = json_array();
    int host = row_column(res, "host"), counters = row_column(res, "counters");
    for (int i = 0; i < PQntuples(res); i++) {
        json_t *entry = json_object();
        json_t *object = json_parse(row_str(res, i, counters), &why);

        json_put_str(entry, "host", row_str(res, i, host));
        json_put(entry, "counters", object ? object : json_object());
        json_add(s->workers, entry);
    }
}

/* Which offers mode auto takes to the browser at once from now on, and which no more. */
static void on_learnt(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct snapshot *s = arg;

    (void)sqlstate;
    s->waiting--;
    note_failure("learn_from_traces", err);
    if (err->code != ERR_OK)
        return;
    for (int i = 0; i < PQntuples(res); i++) {
        struct str learnt = row_str(res, i, row_column(res, "learnt"));

        log_info(learnt.len ? "offer.learnt" : "offer.forgot",
                 kv("offer", row_str(res, i, row_column(res, "offer_name"))),
                 kv("reason", learnt.len ? learnt : row_str(res, i, row_column(res, "forgot"))),
                 kv("until", row_str(res, i, row_column(res, "until"))));
    }
}

/* ---- what is sent ---- */

static void ask(struct snapshot *s, int query, const char *value, pg_done_cb done)
{
    s->waiting++;
    pg_send(s->monitor->db, query, &value, 0, done, s);
}

static void ask_with_silence(struct snapshot *s, int query, pg_done_cb done)
{
    char ms[NUMBER_BYTES];

    snprintf(ms, sizeof(ms), "%" PRId64, s->monitor->conf->worker_silence_s * 1000);
    ask(s, query, ms, done);
}

static void send_heartbeat(struct snapshot *s)
{
    SCOPED(json_t) beat = json_object();
    SCOPED_VALUE(buf) text;
    char host[64] = "";

    gethostname(host, sizeof(host) - 1);
    json_put_str(beat, "incarnation", str_from(db_incarnation()));
    json_put_str(beat, "program", STR("monitor"));
    json_put_str(beat, "host", str_from(host));
    json_put_int(beat, "pid", getpid());
    json_put_str(beat, "version", STR(TRACEPOOL_VERSION));
    json_put_int(beat, "started_ms_ago", loop_now_ms() - s->started_ms);
    json_put(beat, "counters", metrics_json(METRICS_MONITOR));
    buf_init(&text, HEARTBEAT_MAX_BYTES);
    json_write(beat, &text);
    ask(s, Q_HEARTBEAT, buf_cstr(&text), on_done);
}

/* Old rows go a slice a tick, so that no tick is long. */
static void ask_for_retention(struct snapshot *s)
{
    ask(s, Q_ARCHIVE_TRACES, NULL, on_archived);
    ask(s, Q_PRUNE_EVIDENCE, NULL, on_done);
    ask(s, Q_THIN_STATISTICS, NULL, on_done);
    if (s->pruned_ms && s->ticked_ms - s->pruned_ms < PRUNE_EVERY_MS)
        return;
    s->pruned_ms = s->ticked_ms;
    ask(s, Q_PRUNE_HISTORY, NULL, on_done);
}

static void arm(struct snapshot *s, int64_t ms);

static void on_tick(uv_timer_t *timer)
{
    struct snapshot *s = container_of(timer, struct snapshot, timer);

    arm(s, s->monitor->conf->monitor_interval_s * 1000);
    if (s->waiting)
        return; /* a slow database: the tick under way is the snapshot */
    s->ticked_ms = loop_now_ms();
    ask(s, Q_RELEASE_EXPIRED, NULL, on_done);
    ask(s, Q_CLEANUP_TIMED_OUT, NULL, on_done);
    ask_with_silence(s, Q_RESCUE_SILENT, on_done);
    ask(s, Q_SETTLE_BATCHES, NULL, on_done);
    ask(s, Q_RECORD_STATISTICS, NULL, on_recorded);
    ask(s, Q_NOTE_CERTIFICATES, NULL, on_done);
    send_heartbeat(s);
    s->waiting++;
    status_ask(s->monitor, on_status, s);
    ask_with_silence(s, Q_WORKER_COUNTERS, on_workers);
    ask(s, Q_WATCH_CHAINS, NULL, on_done);
    ask(s, Q_LEARN, NULL, on_learnt); /* before what it reads goes to the archive */
    ask_for_retention(s);
}

static void arm(struct snapshot *s, int64_t ms)
{
    uv_timer_start(&s->timer, on_tick, (uint64_t)ms, 0);
}

void snapshot_init(struct snapshot *s, struct monitor *m)
{
    *s = (struct snapshot){.monitor = m, .started_ms = loop_now_ms()};
    uv_timer_init(m->loop, &s->timer);
}

void snapshot_start(struct snapshot *s)
{
    int64_t due =
        s->ticked_ms ? s->ticked_ms + s->monitor->conf->monitor_interval_s * 1000 - loop_now_ms() : 0;

    arm(s, due > 0 ? due : 0);
}

void snapshot_pause(struct snapshot *s)
{
    uv_timer_stop(&s->timer);
}

void snapshot_stop(struct snapshot *s)
{
    uv_close((uv_handle_t *)&s->timer, NULL);
}

void snapshot_finish(struct snapshot *s)
{
    forget_look(s);
    json_decref(s->workers);
    s->workers = NULL;
}
