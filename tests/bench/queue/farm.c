/*
 * farm.c - workers without work: claims and finishes as tracepool-worker does, and traces nothing.
 *
 *     farm --batch N [--connections N] [--traces N] [--seconds S] [--payload BYTES] [--name TEXT] [--listen]
 *
 * DATABASE_URL says where. The statements are the worker's own (worker/queries.sql), prepared; cursors are
 * its own too, and full scans come when claims.c would make them. Results and the next claim are one
 * transaction, as claims_join() has it. Each connection is a process, so that a test can kill one. Prints
 * `ready`, begins when a line comes on stdin, ends after so many traces or seconds or at a second line, and
 * prints one line of name=value pairs.
 *
 * With --listen it is one idle worker: it claims when a NOTIFY comes (and never polls, so that a lost
 * wake-up shows), and prints `claimed NANOSECONDS ROWS`, by the monotonic clock, after each claim's commit.
 */
#include "common/pg/query.h"
#include "worker/cursors.h"
#include "worker/queries.h"
#include "worker/queries_worker.h"

#include <getopt.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
    SAMPLES_MAX = 1 << 20,
    RESULTS_MAX_BYTES = 64 << 20,
    CONNECTIONS_MAX = 64,
    FULL_SCAN_MS = 15000, /* claims.c and its settings' defaults */
    FULL_SHARE = 20,
    FULL_QUICK_MS = 3,
    FULL_PAUSE_MIN_MS = 5,
    EMPTY_PAUSE_US = 1000,
    CLAIM_PARAMS = 8,
    FINISH_PARAMS = 2,
};

static const int64_t MS_NS = 1000000;

struct samples {
    _Atomic long n;
    float ms[SAMPLES_MAX];
};

/* What all connections write together. */
struct shared {
    _Atomic int ready, go, stop;
    _Atomic long traces, refused, empty, deadlocks, serialization;
    _Atomic int64_t ended_ns;
    struct samples claim, finish;
};

struct options {
    int batch, connections;
    long traces;
    double seconds;
    int payload;
    const char *name;
    bool is_listening;
};

struct farm {
    const struct options *o;
    PGconn *conn;
    char name[64], batch[16];
    struct cursors cursors;
    struct buf texts[3], results, chain;
    bool wants_full, is_full;
    int64_t full_from_ns, full_due_ns;
};

static struct shared *shared;

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "farm: %s: %s\n", what, why);
    exit(1);
}

static void keep(struct samples *s, int64_t from_ns)
{
    long at = s->n++;

    if (at < SAMPLES_MAX)
        s->ms[at] = (float)(now_ns() - from_ns) / 1e6f;
}

/* --- one connection ------------------------------------------------------------------------------ */

/* NULL for an error that a worker would send its statement again for; it is counted. */
static PGresult *checked(struct farm *f, PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    if (!state)
        return res;
    if (strcmp(state, "40P01") == 0)
        shared->deadlocks++;
    else if (strcmp(state, "40001") == 0)
        shared->serialization++;
    else
        die("statement", PQerrorMessage(f->conn));
    PQclear(res);
    return NULL;
}

static void prepare(struct farm *f, int query)
{
    const struct query *q = &worker_queries[query];
    PGresult *res = PQprepare(f->conn, q->name, q->text, q->nparams, NULL);

    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        die(q->name, PQerrorMessage(f->conn));
    PQclear(res);
}

static void begin(struct farm *f, const struct options *o, int number)
{
    char title[96];

    *f = (struct farm){.o = o};
    snprintf(f->name, sizeof(f->name), "%s.%d", o->name, number);
    snprintf(title, sizeof(title), "tracepool-worker %s", f->name);
    setenv("PGAPPNAME", title, 1);
    f->conn = PQconnectdb(getenv("DATABASE_URL"));
    if (PQstatus(f->conn) != CONNECTION_OK)
        die("connect", PQerrorMessage(f->conn));
    snprintf(f->batch, sizeof(f->batch), "%d", o->batch);
    for (int i = 0; i < 3; i++)
        buf_init(&f->texts[i], RESULTS_MAX_BYTES);
    buf_init(&f->results, RESULTS_MAX_BYTES);
    buf_init(&f->chain, RESULTS_MAX_BYTES);
    buf_append_char(&f->chain, '[');
    for (int i = 0; (int)f->chain.len < o->payload; i++)
        buf_printf(&f->chain, "%s{\"url\":\"https://hop%d.example/r/%08lx?gclid=%08lx\",\"status\":302}",
                   i ? "," : "", i, random(), random());
    buf_append_char(&f->chain, ']');
    prepare(f, Q_CLAIM);
    prepare(f, Q_FINISH);
}

static void note_claim(struct farm *f, int rows, int64_t began_ns)
{
    int64_t now = now_ns(), took_ms = (now - began_ns) / MS_NS;

    if (f->is_full) {
        f->full_from_ns = now + (took_ms > FULL_QUICK_MS ? took_ms * FULL_SHARE : FULL_PAUSE_MIN_MS) * MS_NS;
        f->full_due_ns = now + FULL_SCAN_MS * MS_NS;
    }
    f->wants_full = rows < f->o->batch;
}

/* What the next claim asks for. */
static void aim(struct farm *f, int64_t now, const char **values)
{
    values[0] = f->batch;
    values[1] = f->name;
    values[2] = "120000";
    for (int i = 3; i < CLAIM_PARAMS; i++)
        values[i] = NULL;
    f->is_full = f->cursors.n == 0 || (now >= f->full_from_ns && (f->wants_full || now >= f->full_due_ns));
    if (f->is_full)
        return;
    cursors_write(&f->cursors, &f->texts[0], &f->texts[1], &f->texts[2]);
    for (int i = 0; i < 3; i++)
        values[3 + i] = buf_cstr(&f->texts[i]);
}

static void claimed(struct farm *f, const PGresult *res, int64_t began_ns)
{
    if (PQntuples(res) > 0)
        keep(&shared->claim, began_ns);
    note_claim(f, PQntuples(res), began_ns);
}

static PGresult *claim(struct farm *f)
{
    const char *values[CLAIM_PARAMS];
    int64_t began = now_ns();
    PGresult *res;

    aim(f, began, values);
    res = checked(f, PQexecPrepared(f->conn, "claim", CLAIM_PARAMS, values, NULL, NULL, 0));
    if (res)
        claimed(f, res, began);
    return res;
}

static struct str cell(const PGresult *res, int row, const char *name)
{
    int column = PQfnumber(res, name);

    return (struct str){PQgetvalue(res, row, column), (size_t)PQgetlength(res, row, column)};
}

static void write_results(struct farm *f, const PGresult *res)
{
    buf_clear(&f->results);
    for (int i = 0; i < PQntuples(res); i++) {
        buf_printf(
            &f->results,
            "%s{\"request_id\":\"%s\",\"attempt\":%s,\"ip\":\"%s\",\"outcome\":\"ok\",\"blame\":\"none\","
            "\"retry\":false,\"final_url\":\"https://landing.example/\",\"params\":{},\"chain\":%s,"
            "\"mode_used\":\"http_only\",\"reason\":\"http_sufficient\",\"trace_ms\":%d,"
            "\"response_ms\":%d,\"kb\":1}",
            i ? "," : "[", PQgetvalue(res, i, 0), PQgetvalue(res, i, 1), cell(res, i, "ip_address").ptr,
            buf_cstr(&f->chain), 900 + i % 200, 300 + i % 90);
        cursors_put(&f->cursors, cell(res, i, "target_country"), cell(res, i, "request_cursor"),
                    cell(res, i, "ip_cursor"));
    }
    buf_append_char(&f->results, ']');
}

static void finished(PGresult *res, int64_t began_ns)
{
    int accepted = 0;

    keep(&shared->finish, began_ns);
    for (int i = 0; i < PQntuples(res); i++)
        accepted += PQgetvalue(res, i, 1)[0] == 't';
    shared->refused += PQntuples(res) - accepted;
    shared->traces += accepted;
    shared->ended_ns = now_ns();
    PQclear(res);
}

static void finish(struct farm *f)
{
    const char *values[FINISH_PARAMS] = {f->name, buf_cstr(&f->results)};
    int64_t began = now_ns();
    PGresult *res = NULL;

    while (!res)
        res = checked(f, PQexecPrepared(f->conn, "finish", FINISH_PARAMS, values, NULL, NULL, 0));
    finished(res, began);
}

/* Of the next statement in the pipeline; NULL for an error, or where one before it failed. */
static PGresult *next_result(struct farm *f)
{
    PGresult *res = checked(f, PQgetResult(f->conn));

    PQclear(PQgetResult(f->conn)); /* NULL: the end of this one's */
    if (PQresultStatus(res) == PGRES_TUPLES_OK)
        return res;
    PQclear(res);
    return NULL;
}

/* Both are done, or neither; then the results go alone, and nothing is claimed. */
static PGresult *finish_and_claim(struct farm *f)
{
    const char *results[FINISH_PARAMS] = {f->name, buf_cstr(&f->results)}, *values[CLAIM_PARAMS];
    int64_t began = now_ns();
    PGresult *ended, *next;

    aim(f, began, values);
    if (!PQenterPipelineMode(f->conn) ||
        !PQsendQueryPrepared(f->conn, "finish", FINISH_PARAMS, results, NULL, NULL, 0) ||
        !PQsendQueryPrepared(f->conn, "claim", CLAIM_PARAMS, values, NULL, NULL, 0) ||
        !PQpipelineSync(f->conn))
        die("pipeline", PQerrorMessage(f->conn));
    ended = next_result(f);
    next = next_result(f);
    PQclear(PQgetResult(f->conn)); /* of the sync, behind the commit */
    if (!PQexitPipelineMode(f->conn))
        die("pipeline", PQerrorMessage(f->conn));
    if (!next) {
        PQclear(ended);
        finish(f);
        return NULL;
    }
    finished(ended, began);
    claimed(f, next, began);
    return next;
}

/* What the last claim brought is finished at once, together with the next claim. */
static void work(struct farm *f)
{
    int64_t end = now_ns() + (int64_t)(f->o->seconds * 1e9);
    PGresult *held = NULL, *next;

    while (shared->traces < f->o->traces && now_ns() < end && !shared->stop) {
        write_results(f, held);
        next = PQntuples(held) > 0 ? finish_and_claim(f) : claim(f);
        PQclear(held);
        held = next;
        if (PQntuples(held) == 0) {
            shared->empty++;
            usleep(EMPTY_PAUSE_US);
        }
    }
    write_results(f, held);
    if (PQntuples(held) > 0)
        finish(f);
    PQclear(held);
}

/* --- an idle worker that is woken ------------------------------------------------------------------ */

static bool take_notifications(struct farm *f)
{
    bool any = false;

    if (!PQconsumeInput(f->conn))
        die("listen", PQerrorMessage(f->conn));
    for (PGnotify *n; (n = PQnotifies(f->conn));) {
        PQfreemem(n);
        any = true;
    }
    return any;
}

static void claim_and_tell(struct farm *f)
{
    PGresult *res = claim(f);
    int64_t at = now_ns();

    if (res && PQntuples(res) > 0) {
        printf("claimed %lld %d\n", (long long)at, PQntuples(res));
        fflush(stdout);
        write_results(f, res);
        finish(f);
    }
    PQclear(res);
}

static void wait_and_claim(struct farm *f)
{
    struct pollfd fds[2] = {{PQsocket(f->conn), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};

    PQclear(PQexec(f->conn, "LISTEN tracepool_requests"));
    printf("ready\n");
    fflush(stdout);
    while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
        while (take_notifications(f)) /* one may come while a claim is under way */
            claim_and_tell(f);
    }
}

/* --- all of them ------------------------------------------------------------------------------------ */

static void start_one(const struct options *o, int number)
{
    struct farm f;

    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    begin(&f, o, number);
    shared->ready++;
    while (!shared->go)
        usleep(100);
    work(&f);
    PQfinish(f.conn);
    _exit(0);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

static double percentile(struct samples *s, double share)
{
    long n = s->n < SAMPLES_MAX ? s->n : SAMPLES_MAX;

    if (n == 0)
        return 0;
    qsort(s->ms, (size_t)n, sizeof(s->ms[0]), by_size);
    return s->ms[(long)((double)(n - 1) * share)];
}

static void report(int64_t began_ns)
{
    double seconds = (double)(shared->ended_ns - began_ns) / 1e9;
    long traces = shared->traces;

    printf("traces=%ld seconds=%.3f rate=%.0f claims=%ld empty=%ld refused=%ld deadlocks=%ld e40001=%ld "
           "claim_p50_ms=%.3f claim_p99_ms=%.3f finish_p50_ms=%.3f finish_p99_ms=%.3f\n",
           traces, seconds, traces ? (double)traces / seconds : 0, (long)shared->claim.n, (long)shared->empty,
           (long)shared->refused, (long)shared->deadlocks, (long)shared->serialization,
           percentile(&shared->claim, 0.5), percentile(&shared->claim, 0.99),
           percentile(&shared->finish, 0.5), percentile(&shared->finish, 0.99));
}

/* Until all connections have ended; a line on stdin ends them. Returns how many of them failed. */
static int wait_for_all(int connections)
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    int status, failed = 0;

    while (connections > 0) {
        if (!shared->stop && poll(&input, 1, 10) > 0)
            shared->stop = 1;
        if (waitpid(-1, &status, shared->stop ? 0 : WNOHANG) > 0) {
            connections--;
            failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        }
    }
    return failed;
}

static int run(const struct options *o)
{
    char line[16];
    int failed;
    int64_t began;

    for (int i = 0; i < o->connections; i++)
        start_one(o, i);
    while (shared->ready < o->connections)
        usleep(1000);
    printf("ready\n");
    fflush(stdout);
    if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
        return 1;
    began = now_ns();
    shared->go = 1;
    failed = wait_for_all(o->connections);
    report(began);
    return failed > 0;
}

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"batch", 1, NULL, 'b'},   {"connections", 1, NULL, 'c'},
        {"traces", 1, NULL, 't'},  {"seconds", 1, NULL, 's'},
        {"payload", 1, NULL, 'p'}, {"name", 1, NULL, 'n'},
        {"listen", 0, NULL, 'l'},  {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'b':
            o->batch = atoi(optarg);
            break;
        case 'c':
            o->connections = atoi(optarg);
            break;
        case 't':
            o->traces = atol(optarg);
            break;
        case 's':
            o->seconds = atof(optarg);
            break;
        case 'p':
            o->payload = atoi(optarg);
            break;
        case 'n':
            o->name = optarg;
            break;
        case 'l':
            o->is_listening = true;
            break;
        default:
            return false;
        }
    }
    return o->batch > 0 && o->connections > 0 && o->connections <= CONNECTIONS_MAX && getenv("DATABASE_URL");
}

int main(int argc, char **argv)
{
    struct options o = {.batch = 50, .connections = 1, .traces = 1L << 40, .seconds = 1e6, .name = "farm"};
    struct farm f;

    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: DATABASE_URL=... farm --batch N [--connections N] [--traces N] [--seconds S] "
                        "[--payload BYTES] [--name TEXT] [--listen]\n");
        return 2;
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap", "no memory");
    if (!o.is_listening)
        return run(&o);
    begin(&f, &o, 0);
    wait_and_claim(&f);
    PQfinish(f.conn);
    return 0;
}
