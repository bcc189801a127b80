/*
 * enter.c - what each state of a connection starts, and the one deadline it arms.
 *
 * Each function returns WAIT, or the event that is known already. conn.c decides what follows.
 */
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/internal.h"
#include "common/pg/tls.h"

#include <string.h>
#include <sys/random.h>

enum {
    BACKOFF_MAX_MS = 5000,
    READ_ONLY_PAUSE_MS =
        1000, /* such a server lets us in each time, so a pause that grows would never grow */
};

static void on_addresses(void *arg, const struct pg_address *addresses, int n, const struct err *err)
{
    struct pg *pg = arg;

    pg->resolve = NULL;
    if (err->code == ERR_OK) {
        memcpy(pg->addresses, addresses, sizeof(*addresses) * (size_t)n);
        pg->naddresses = n;
    } else {
        pg->err = *err;
    }
    pg_step(pg, err->code == ERR_OK ? PG_EV_OK : PG_EV_FAIL);
}

/* Once, whatever number of connections a process has. */
static void warn_of_plain_text(const struct pg_target *t)
{
    static bool was_said;

    if (!was_said && pg_tls_is_optional(t))
        log_warn("database.plain_text",
                 kv("advice",
                    "its sslmode lets the connection to another machine go without TLS: use require, "
                    "better verify-full with sslrootcert"));
    was_said = was_said || pg_tls_is_optional(t);
}

static enum pg_event enter_resolving(struct pg *pg)
{
    pg->err = (struct err){.code = ERR_OK};
    pg->is_read_only = false;
    if (!pg->target.options) {
        if (!pg_target_init(&pg->target, pg->options.url, &pg->err))
            return PG_EV_FAIL;
        warn_of_plain_text(&pg->target);
    }
    if (pg_resolve_literals(&pg->target, pg->addresses, &pg->naddresses))
        return PG_EV_OK;
    pg->resolve = pg_resolve_start(pg->options.loop, &pg->target, on_addresses, pg, &pg->err);
    pg_arm(pg, pg->options.connect_timeout_ms);
    return pg->resolve ? PG_EV_WAIT : PG_EV_FAIL;
}

static enum pg_event enter_connecting(struct pg *pg)
{
    pg->at_address = NULL;
    pg_arm(pg, pg->options.connect_timeout_ms);
    return pg_wire_connect(pg);
}

static enum pg_event enter_checking(struct pg *pg)
{
    pg_arm(pg, pg->options.query_timeout_ms);
    return pg->options.schema_version ? pg_wire_ask_version(pg) : PG_EV_OK;
}

static enum pg_event enter_preparing(struct pg *pg)
{
    pg_arm(pg, pg->options.query_timeout_ms);
    return pg->options.pooled || !pg->options.nqueries ? PG_EV_OK : pg_wire_prepare(pg);
}

static enum pg_event enter_listening(struct pg *pg)
{
    bool listens = pg->options.channels && *pg->options.channels && !pg->options.pooled;

    pg_arm(pg, pg->options.query_timeout_ms);
    return listens ? pg_wire_listen(pg) : PG_EV_OK;
}

static void come_up(struct pg *pg)
{
    pg->is_up = true;
    pg->backoff_ms = PG_BACKOFF_MIN_MS;
    metrics_add(METRIC_DB_UP, 1);
    if (pg->options.on_up)
        pg->options.on_up(pg->options.arg);
}

static void describe_refusal(const PGresult *res, struct err *err)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    metrics_add(METRIC_DB_ERRORS, 1);
    err_set(err, ERR_DATABASE, "%s", text ? text : PQresultErrorMessage(res));
}

/* Those that were at the server have their answers: all of them did what they should, or none. */
static void answer_sent(struct pg *pg)
{
    struct err err = {.code = ERR_OK};
    PGresult *last = TAKE(pg->result), *earlier = TAKE(pg->earlier);
    PGresult *others = pg_is_error(last) ? NULL : earlier;
    int n = pg->in_flight, at = n > 1 ? pg->nresults : n;

    pg->in_flight = 0;
    metrics_observe_us(METRIC_DB_QUERY_SECONDS, loop_now_us() - pg->sent_us);
    if (pg_is_error(last))
        describe_refusal(last, &err);
    for (int i = 1; i <= n; i++)
        pg_queue_answer_first(&pg->queue, i == at ? last : others, &err);
    PQclear(last);
    PQclear(earlier);
}

static enum pg_event enter_ready(struct pg *pg)
{
    uv_timer_stop(&pg->deadline);
    pg_wire_idle(pg);
    if (!pg->is_up)
        come_up(pg);
    if (pg->in_flight)
        answer_sent(pg);
    return pg->queue.length ? PG_EV_QUERY : PG_EV_WAIT;
}

static enum pg_event enter_busy(struct pg *pg)
{
    pg->in_flight = pg_queue_together(&pg->queue);
    pg_arm(pg, pg->queue.first->timeout_ms);
    return pg_wire_send(pg);
}

/* Half to all of a pause that doubles, so that a farm does not come back in step. */
static int64_t next_pause_ms(struct pg *pg)
{
    uint32_t dice = 0;
    uint64_t full = pg->backoff_ms;
    bool is_patient = pg->err.code == ERR_SCHEMA || pg->err.code == ERR_BAD_SETTING;

    if (is_patient) /* waits for a person */
        full = BACKOFF_MAX_MS;
    else if (pg->is_read_only)
        full = READ_ONLY_PAUSE_MS;
    pg->backoff_ms = full * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : full * 2;
    if (getrandom(&dice, sizeof(dice), GRND_NONBLOCK) < 0)
        dice = (uint32_t)uv_hrtime();
    return (int64_t)(full / 2 + dice % (full / 2 + 1));
}

static void tear_down(struct pg *pg)
{
    uv_timer_stop(&pg->deadline);
    pg_resolve_abandon(TAKE(pg->resolve));
    pg_wire_drop(pg);
    if (pg->is_up)
        metrics_add(METRIC_DB_UP, -1);
    pg->is_up = false;
}

/* Those at the server learn why; whether they were carried out nobody knows. */
static void answer_in_flight(struct pg *pg, const struct err *err)
{
    int n = pg->in_flight;

    pg->in_flight = 0;
    if (n > 0)
        metrics_add(METRIC_DB_ERRORS, 1);
    for (int i = 0; i < n; i++)
        pg_queue_answer_first(&pg->queue, NULL, err);
}

static enum pg_event enter_waiting(struct pg *pg)
{
    struct err others = pg->err;

    pg->why_down = pg->err;
    tear_down(pg);
    answer_in_flight(pg, &pg->why_down);
    if (others.code == ERR_DATABASE_TIMEOUT)
        others.code = ERR_DATABASE; /* they were not even asked */
    pg_queue_answer_all(&pg->queue, &others);
    if (pg->options.on_down)
        pg->options.on_down(pg->options.arg, &pg->why_down);
    pg_arm(pg, next_pause_ms(pg));
    return PG_EV_WAIT;
}

static void on_timer_closed(uv_handle_t *handle)
{
    pg_handle_closed(handle->data);
}

static enum pg_event enter_closing(struct pg *pg)
{
    static const struct err closed = {.code = ERR_DATABASE, .detail = "the connection is being closed"};

    tear_down(pg);
    answer_in_flight(pg, &closed);
    pg_queue_answer_all(&pg->queue, &closed);
    pg_queue_answer_all(&pg->refused, &closed);
    uv_close((uv_handle_t *)&pg->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&pg->kick, on_timer_closed);
    return PG_EV_WAIT;
}

enum pg_event (*const pg_enter[PG_STATE_COUNT])(struct pg *) = {
    [PG_RESOLVING] = enter_resolving, [PG_CONNECTING] = enter_connecting, [PG_CHECKING] = enter_checking,
    [PG_PREPARING] = enter_preparing, [PG_LISTENING] = enter_listening,   [PG_READY] = enter_ready,
    [PG_BUSY] = enter_busy,           [PG_WAITING] = enter_waiting,       [PG_CLOSING] = enter_closing,
};
