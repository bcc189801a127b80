/*
 * edge.c - an edge without visitors: keeps clicks as tracepool-edge does, and says when it began to.
 *
 *     edge
 *
 * DATABASE_URL says where. The statement is the edge's own (edge/queries.sql), prepared. Prints `ready`; then
 * each line on stdin is a batch of clicks as JSON, which is sent at once, and `kept BEGAN ENDED` is printed,
 * both in nanoseconds of the monotonic clock.
 */
#include "common/pg/query.h"
#include "edge/queries.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void check(PGconn *conn, PGresult *res, ExecStatusType expected)
{
    if (PQresultStatus(res) != expected) {
        fprintf(stderr, "edge: %s\n", PQerrorMessage(conn));
        exit(1);
    }
    PQclear(res);
}

static void keep(PGconn *conn, const char *clicks)
{
    int64_t began = now_ns(CLOCK_MONOTONIC);
    char wall_ms[24];
    const char *values[2] = {clicks, wall_ms};

    snprintf(wall_ms, sizeof(wall_ms), "%lld", (long long)now_ns(CLOCK_REALTIME) / 1000000);
    check(conn, PQexecPrepared(conn, "record_clicks", 2, values, NULL, NULL, 0), PGRES_TUPLES_OK);
    printf("kept %lld %lld\n", (long long)began, (long long)now_ns(CLOCK_MONOTONIC));
    fflush(stdout);
}

int main(void)
{
    const struct query *q = &edge_queries[Q_RECORD_CLICKS];
    const char *url = getenv("DATABASE_URL");
    PGconn *conn = PQconnectdb(url ? url : "");
    char *line = NULL;
    size_t size = 0;

    check(conn, PQprepare(conn, "record_clicks", q->text, q->nparams, NULL), PGRES_COMMAND_OK);
    printf("ready\n");
    fflush(stdout);
    while (getline(&line, &size, stdin) > 0)
        keep(conn, line);
    free(line);
    PQfinish(conn);
    return 0;
}
