/*
 * heartbeat.c - the edge's only regular work: a row in process_heartbeats, the spool's age as a metric, and
 * a look for segments that nobody owns. The last one finds what a whole edge left that was killed. The answer
 * says which database that is; another one than before may lack what was shipped.
 */
#include "edge/heartbeat.h"

#include "common/json.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "edge/clock.h"
#include "edge/queries.h"

#include <unistd.h>

enum { PERIOD_MS = 10 * 1000, HOST_MAX = 256, TEXT_MAX = 64 * 1024 };

struct heartbeat {
    struct heartbeat_options options;
    uv_timer_t timer;
    int64_t started_ms;
    enum { LIVES, SAYS_GOODBYE, IS_GONE } last;
};

static void on_answer(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct heartbeat *h = arg;

    (void)sqlstate;
    if (h->last == SAYS_GOODBYE)
        h->last = IS_GONE;
    if (err->code != ERR_OK) /* counted by the connection; the next beat tells it all again */
        return;
    if (spool_meet_server(h->options.spool, row_str(res, 0, row_column(res, "server"))))
        ship_again(h->options.ship);
}

void heartbeat_send(struct heartbeat *h)
{
    SCOPED(json_t) beat = json_object();
    SCOPED_VALUE(buf) text = {.max = TEXT_MAX};
    char host[HOST_MAX] = "";

    if (!pg_is_up(h->options.pg))
        return;
    gethostname(host, sizeof(host) - 1);
    json_put_str(beat, "incarnation", str_from(h->options.incarnation));
    json_put_str(beat, "program", STR("edge"));
    json_put_str(beat, "host", str_from(host));
    json_put_int(beat, "pid", getpid());
    json_put_str(beat, "version", STR(TRACEPOOL_VERSION));
    json_put_int(beat, "started_ms_ago", loop_now_ms() - h->started_ms);
    json_put(beat, "counters", metrics_json(METRICS_EDGE));
    if (h->last == LIVES)
        json_put(beat, "spool_age_s", json_real((double)ship_age_ms(h->options.ship, clock_ms()) / 1000));
    json_write(beat, &text);
    pg_send(h->options.pg, Q_HEARTBEAT, (const char *const[]){buf_cstr(&text)}, 0, on_answer, h);
}

bool heartbeat_goodbye(struct heartbeat *h)
{
    if (!pg_is_up(h->options.pg) || spool_unshipped_bytes(h->options.spool) > 0)
        return true;
    if (h->last == LIVES) {
        h->last = SAYS_GOODBYE;
        heartbeat_send(h);
    }
    return h->last == IS_GONE;
}

static void on_timer(uv_timer_t *timer)
{
    struct heartbeat *h = container_of(timer, struct heartbeat, timer);

    if (spool_unshipped_bytes(h->options.spool) == 0 && spool_waiting(h->options.spool) == 0)
        clock_settle();
    metrics_set(METRIC_SPOOL_AGE_SECONDS, ship_age_ms(h->options.ship, clock_ms()) / 1000);
    spool_adopt(h->options.spool);
    heartbeat_send(h);
}

struct heartbeat *heartbeat_create(const struct heartbeat_options *options)
{
    struct heartbeat *h = calloc(1, sizeof(*h));

    if (!h || uv_timer_init(options->loop, &h->timer) != 0)
        abort();
    h->options = *options;
    h->started_ms = loop_now_ms();
    uv_timer_start(&h->timer, on_timer, PERIOD_MS, PERIOD_MS);
    uv_unref((uv_handle_t *)&h->timer);
    return h;
}

void heartbeat_stop(struct heartbeat *h)
{
    if (!uv_is_closing((uv_handle_t *)&h->timer))
        uv_close((uv_handle_t *)&h->timer, NULL);
}

void heartbeat_free(struct heartbeat *h)
{
    free(h);
}
