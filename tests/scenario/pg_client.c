/*
 * pg_client.c - a connection of common/pg, driven line by line, so that a test can watch it.
 *
 *     pg_client [--pooled] [--schema N] [--query-timeout MS] [--connect-timeout MS] [--channel NAME]...
 *
 * The connection string comes in TEST_URL. Lines in: `QUERY [VALUE]` sends a query of pg_client.sql, `+QUERY
 * [VALUE]` one that is joined to the line before, `count` prints pg_queued, `quit` (or the end of input)
 * destroys the connection. Lines out: `up`, `down ERROR DETAIL`, `notify CHANNEL PAYLOAD`, `answer QUERY ok
 * VALUE`, `answer QUERY ERROR SQLSTATE DETAIL`, `closed`.
 */
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/conn.h"
#include "common/pg/row.h"

#define QUERIES_DEFINE
#include "tests/scenario/queries_pg_client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CHANNELS = 8 };

struct client {
    struct pg *pg;
    uv_poll_t input;
    char line[4096];
    size_t len;
};

static void on_up(void *arg)
{
    (void)arg;
    printf("up\n");
}

static void on_down(void *arg, const struct err *err)
{
    (void)arg;
    printf("down %s %s\n", err_name(err->code), err->detail);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    (void)arg;
    printf("notify %s %s\n", channel, payload);
}

static void on_closed(void *arg)
{
    (void)arg;
    printf("closed\n");
}

static void on_answer(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    const struct query *q = arg;

    if (err->code == ERR_OK) {
        int column = row_column(res, "said");
        printf("answer %s ok %.60s\n", q->name,
               row_is_null(res, 0, column) ? "NULL" : row_cstr(res, 0, column));
    } else {
        printf("answer %s %s %s %s\n", q->name, err_name(err->code), *sqlstate ? sqlstate : "-", err->detail);
    }
}

static void finish(struct client *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->input))
        uv_close((uv_handle_t *)&c->input, NULL);
    pg_destroy(TAKE(c->pg), on_closed, NULL);
}

static void send_query(struct client *c, const char *name, const char *value)
{
    bool is_joined = *name == '+';

    for (int i = 0; i < Q_COUNT; i++)
        if (strcmp(queries[i].name, name + is_joined) == 0)
            (is_joined ? pg_send_joined : pg_send)(c->pg, i, &value, 0, on_answer, (void *)&queries[i]);
}

static void obey(struct client *c, char *line)
{
    char *value = strchr(line, ' ');

    if (value)
        *value++ = '\0';
    if (strcmp(line, "quit") == 0)
        finish(c);
    else if (strcmp(line, "count") == 0)
        printf("count %d errors %d\n", pg_queued(c->pg), (int)metrics_value(METRIC_DB_ERRORS));
    else
        send_query(c, line, value);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    struct client *c = container_of(poll, struct client, input);
    ssize_t n = read(STDIN_FILENO, c->line + c->len, sizeof(c->line) - 1 - c->len);
    char *end;

    (void)status;
    (void)events;
    if (n <= 0) {
        finish(c);
        return;
    }
    c->len += (size_t)n;
    c->line[c->len] = '\0';
    while (c->pg && (end = strchr(c->line, '\n'))) {
        *end = '\0';
        obey(c, c->line);
        c->len -= (size_t)(end + 1 - c->line);
        memmove(c->line, end + 1, c->len + 1);
    }
}

static void read_options(int argc, char **argv, struct pg_options *o, const char **channels)
{
    int nchannels = 0;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--pooled") == 0) {
            o->pooled = true;
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--schema") == 0)
            o->schema_version = atoi(value);
        else if (strcmp(argv[i - 1], "--query-timeout") == 0)
            o->query_timeout_ms = atoi(value);
        else if (strcmp(argv[i - 1], "--connect-timeout") == 0)
            o->connect_timeout_ms = atoi(value);
        else if (strcmp(argv[i - 1], "--channel") == 0 && nchannels < MAX_CHANNELS - 1)
            channels[nchannels++] = value;
    }
}

int main(int argc, char **argv)
{
    static const char *channels[MAX_CHANNELS];
    static struct client client;
    uv_loop_t loop;
    struct pg_options options = {
        .loop = &loop,
        .url = getenv("TEST_URL"),
        .application_name = "pg_client",
        .queries = queries,
        .nqueries = Q_COUNT,
        .channels = channels,
        .connect_timeout_ms = 2000,
        .query_timeout_ms = 5000,
        .on_up = on_up,
        .on_down = on_down,
        .on_notify = on_notify,
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    log_init(LOG_DEBUG, LOG_LOGFMT, "pg_client");
    read_options(argc, argv, &options, channels);
    uv_loop_init(&loop);
    client.pg = pg_create(&options);
    uv_poll_init(&loop, &client.input, STDIN_FILENO);
    uv_poll_start(&client.input, UV_READABLE, on_input);
    uv_run(&loop, UV_RUN_DEFAULT);
    loop_finish(&loop);
    return 0;
}
