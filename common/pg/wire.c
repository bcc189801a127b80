/*
 * wire.c - what is said to libpq, and what its answers mean as events.
 *
 * Knows which call fits the state a connection is in, never which state follows. Nothing here waits:
 * the socket is watched, and each time it moves conn.c asks pg_wire_read what that amounts to.
 */
#include "common/log.h"
#include "common/loop.h"
#include "common/pg/internal.h"

#define QUERIES_DEFINE
#include "common/queries_pg.h"

#include <assert.h>
#include <string.h>

enum { MAX_LISTEN_BYTES = 4096, STATEMENT_TIMEOUT_MARGIN_MS = 1000 };

struct pg_watch {
    uv_poll_t poll;
    struct pg *pg;
    int events;
};

/* ---- the socket ---- */

static void on_io(uv_poll_t *poll, int status, int events);

static void on_watch_closed(uv_handle_t *handle)
{
    struct pg_watch *w = container_of((uv_poll_t *)handle, struct pg_watch, poll);
    struct pg *pg = w->pg;

    free(w);
    pg_handle_closed(pg);
}

/* Before libpq may close the socket: an fd that vanishes under its watcher confuses epoll and libuv. */
static void unwatch(struct pg *pg)
{
    if (pg->watch)
        uv_close((uv_handle_t *)&pg->watch->poll, on_watch_closed);
    pg->watch = NULL;
}

static void watch(struct pg *pg, int events)
{
    if (!pg->watch) {
        struct pg_watch *w = calloc(1, sizeof(*w));
        if (!w || uv_poll_init(pg->options.loop, &w->poll, PQsocket(pg->conn)) != 0)
            abort();
        w->pg = pg;
        pg->watch = w;
        pg->open_handles++;
    }
    if (pg->watch->events != events)
        uv_poll_start(&pg->watch->poll, events, on_io);
    pg->watch->events = events;
}

/* ---- failures ---- */

enum pg_event pg_wire_lost(struct pg *pg, const char *what)
{
    char text[sizeof(pg->err.detail)];
    const char *why = *pg->notice ? pg->notice : PQerrorMessage(pg->conn);

    pg_target_clean_text(&pg->target, why, text, sizeof(text));
    err_set(&pg->err, ERR_DATABASE, "%s%s", what, text);
    unwatch(pg); /* libpq has closed the socket already, or soon will: its number may belong to others then */
    return PG_EV_FAIL;
}

/* Why the server hangs up comes as a notice before the connection ends. */
static void on_notice(void *arg, const PGresult *res)
{
    struct pg *pg = arg;
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    bool is_last = severity && (!strcmp(severity, "FATAL") || !strcmp(severity, "PANIC"));

    if (message && (is_last || (state && !strncmp(state, "57P", 3))))
        pg_target_clean_text(&pg->target, message, pg->notice, sizeof(pg->notice));
    log_debug("pg.notice", kv("severity", severity), kv("text", message));
}

/* ---- connecting ---- */

enum pg_event pg_wire_connect(struct pg *pg)
{
    struct pg_params params;
    const struct pg_extras extras = {
        .application_name = pg->options.application_name,
        .connect_timeout_ms = pg->options.connect_timeout_ms,
        .statement_timeout_ms =
            pg->options.pooled ? 0 : pg->options.query_timeout_ms + STATEMENT_TIMEOUT_MARGIN_MS,
    };

    pg_params_init(&params, &pg->target, pg->addresses, pg->naddresses, pg->first_address, &extras);
    pg->conn = PQconnectStartParams(params.keywords, params.values, 0);
    pg_params_finish(&params);
    if (!pg->conn)
        abort();
    pg->notice[0] = '\0';
    if (PQstatus(pg->conn) == CONNECTION_BAD || PQsocket(pg->conn) < 0)
        return pg_wire_lost(pg, "");
    PQsetNoticeReceiver(pg->conn, on_notice, pg);
    watch(pg, UV_WRITABLE);
    return PG_EV_WAIT;
}

static enum pg_event connect_further(struct pg *pg)
{
    unwatch(pg); /* the socket may be another one afterwards, under the same number */
    switch (PQconnectPoll(pg->conn)) {
    case PGRES_POLLING_OK:
        PQsetnonblocking(pg->conn, 1);
        return PG_EV_OK;
    case PGRES_POLLING_READING:
        watch(pg, UV_READABLE);
        return PG_EV_WAIT;
    case PGRES_POLLING_WRITING:
    case PGRES_POLLING_ACTIVE:
        watch(pg, UV_WRITABLE);
        return PG_EV_WAIT;
    case PGRES_POLLING_FAILED:
    default:
        return pg_wire_lost(pg, "");
    }
}

/* ---- asking ---- */

static enum pg_event flush(struct pg *pg)
{
    int left = PQflush(pg->conn);

    if (left < 0)
        return pg_wire_lost(pg, "connection lost: ");
    watch(pg, left ? UV_READABLE | UV_WRITABLE : UV_READABLE);
    return PG_EV_WAIT;
}

static void forget_results(struct pg *pg)
{
    PQclear(pg->result);
    PQclear(pg->earlier);
    pg->result = pg->earlier = NULL;
}

static enum pg_event asked(struct pg *pg, int accepted)
{
    forget_results(pg);
    pg->nresults = 0;
    pg->sent_us = loop_now_us();
    return accepted ? flush(pg) : pg_wire_lost(pg, "connection lost: ");
}

enum pg_event pg_wire_ask_version(struct pg *pg)
{
    const char *text = queries[Q_SCHEMA_VERSION].text;

    return asked(pg, PQsendQueryParams(pg->conn, text, 0, NULL, NULL, NULL, NULL, 0));
}

/* All of them in one round trip. */
enum pg_event pg_wire_prepare(struct pg *pg)
{
    bool ok = PQenterPipelineMode(pg->conn);

    for (int i = 0; ok && i < pg->options.nqueries; i++) {
        const struct query *q = &pg->options.queries[i];
        ok = PQsendPrepare(pg->conn, q->name, q->text, 0, NULL);
    }
    return asked(pg, ok && PQpipelineSync(pg->conn));
}

enum pg_event pg_wire_listen(struct pg *pg)
{
    SCOPED_VALUE(buf) text = {0};

    buf_init(&text, MAX_LISTEN_BYTES);
    for (const char *const *c = pg->options.channels; *c; c++) {
        char *quoted = PQescapeIdentifier(pg->conn, *c, strlen(*c));
        if (!quoted)
            abort();
        buf_printf(&text, "LISTEN %s;", quoted);
        PQfreemem(quoted);
    }
    assert(!text.is_full);
    return asked(pg, PQsendQuery(pg->conn, buf_cstr(&text)));
}

static bool send_one(struct pg *pg, const struct pg_work *work)
{
    const struct query *q = &pg->options.queries[work->query];
    const char *const *values = work->values;

    if (pg->options.pooled) /* the next statement may meet another server connection */
        return PQsendQueryParams(pg->conn, q->text, q->nparams, NULL, values, NULL, NULL, 0);
    return PQsendQueryPrepared(pg->conn, q->name, q->nparams, values, NULL, NULL, 0);
}

/* Up to its sync a pipeline is one transaction. */
static bool send_pair(struct pg *pg, const struct pg_work *work)
{
    return PQenterPipelineMode(pg->conn) && send_one(pg, work) && send_one(pg, work->next) &&
           PQpipelineSync(pg->conn);
}

enum pg_event pg_wire_send(struct pg *pg)
{
    const struct pg_work *work = pg->queue.first;

    return asked(pg, pg->in_flight > 1 ? send_pair(pg, work) : send_one(pg, work));
}

void pg_wire_idle(struct pg *pg)
{
    watch(pg, UV_READABLE);
}

/* ---- answers ---- */

/*
 * Keeps the first error, else the last result, and the one before; nresults counts up to the one that is
 * kept.
 */
static void keep(struct pg *pg, PGresult *res)
{
    if (pg->result && pg_is_error(pg->result)) {
        PQclear(res);
        return;
    }
    PQclear(pg->earlier);
    pg->earlier = pg->result;
    pg->result = res;
    pg->nresults++;
}

/* OK when everything that was asked for has been answered. */
static enum pg_event collect(struct pg *pg)
{
    while (!PQisBusy(pg->conn)) {
        PGresult *res = PQgetResult(pg->conn);

        if (!res && PQpipelineStatus(pg->conn) == PQ_PIPELINE_OFF)
            return PG_EV_OK;
        if (!res)
            continue; /* between two answers of a pipeline */
        if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
            PQclear(res);
            return PQexitPipelineMode(pg->conn) ? PG_EV_OK : pg_wire_lost(pg, "pipeline: ");
        }
        keep(pg, res);
        if (PQstatus(pg->conn) == CONNECTION_BAD)
            break;
    }
    return PQstatus(pg->conn) == CONNECTION_BAD ? pg_wire_lost(pg, "connection lost: ") : PG_EV_WAIT;
}

static enum pg_event take_input(struct pg *pg)
{
    if (pg->state == PG_CONNECTING)
        return connect_further(pg);
    if (!PQconsumeInput(pg->conn))
        return pg_wire_lost(pg, "connection lost: ");
    if (flush(pg) == PG_EV_FAIL)
        return PG_EV_FAIL;
    if (pg->state == PG_READY)
        return PG_EV_WAIT;
    enum pg_event event = collect(pg);
    return event == PG_EV_OK ? pg_judge(pg) : event;
}

/* The callback may destroy the connection. */
static void deliver_notifications(struct pg *pg)
{
    PGnotify *n;

    while (pg->conn && (pg->state == PG_READY || pg->state == PG_BUSY) && (n = PQnotifies(pg->conn))) {
        if (pg->options.on_notify)
            pg->options.on_notify(pg->options.arg, n->relname, n->extra);
        PQfreemem(n);
    }
}

enum pg_event pg_wire_take(struct pg *pg)
{
    enum pg_event event = take_input(pg);

    deliver_notifications(pg);
    return event;
}

static void on_io(uv_poll_t *poll, int status, int events)
{
    struct pg *pg = container_of(poll, struct pg_watch, poll)->pg;

    (void)status; /* libpq finds out itself, and says it better */
    (void)events;
    enum pg_event event = pg_wire_take(pg);
    if (pg->state == PG_CLOSING)
        return;
    if (event != PG_EV_WAIT)
        pg_step(pg, event);
    else if (pg->state == PG_CONNECTING)
        pg_watch_silence(pg);
}

void pg_wire_drop(struct pg *pg)
{
    unwatch(pg);
    forget_results(pg);
    PQfinish(pg->conn);
    pg->conn = NULL;
}
