/*
 * tools_batch.c - see tools_batch.h. The farm does the work; this asks, waits and prints.
 */
#include "worker/tools_batch.h"

#include "common/json.h"
#include "common/loop.h"
#include "common/pg/open.h"
#include "common/pg/row.h"
#include "worker/queries.h"
#include "worker/queries_worker.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_SOME_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_ANSWER = 3 };
enum { LOOK_MS = 500, ID_MAX = 40, LINE_MAX_BYTES = 1 << 20 };

struct batch_run {
    uv_loop_t loop;
    const struct conf *conf;
    const char *size, *concurrent;
    struct pg *pg, *listen;
    char id[ID_MAX]; /* "" until the database gave one */
    bool is_asking, is_again, is_taken, is_closing;
    uv_timer_t look, patience;
    struct err why; /* the last thing that went wrong */
    int exit_code;
};

static const char *const channels[] = {"tracepool_batches", NULL};

static void look(struct batch_run *b);

static void print_object(json_t *o)
{
    SCOPED_VALUE(buf) text;

    buf_init(&text, LINE_MAX_BYTES);
    json_write(o, &text);
    puts(buf_cstr(&text));
    fflush(stdout);
}

static void give_up(struct batch_run *b, const char *reason)
{
    SCOPED(json_t) o = json_object();

    json_put(o, "success", json_false());
    json_put_str(o, "error", str_from(reason));
    print_object(o);
    b->exit_code = EXIT_NO_ANSWER;
    uv_stop(&b->loop);
}

static void report(struct batch_run *b, const PGresult *res)
{
    SCOPED(json_t) o = json_object();
    int64_t failed = row_int(res, 0, row_column(res, "failed"), 0);
    struct str errors = row_str(res, 0, row_column(res, "errors"));
    json_t *list = json_parse(errors.len ? errors : STR("[]"), &b->why);

    json_put(o, "success", json_true());
    json_put_int(o, "processed", row_int(res, 0, row_column(res, "processed"), 0));
    json_put_int(o, "succeeded", row_int(res, 0, row_column(res, "succeeded"), 0));
    json_put_int(o, "failed", failed);
    json_put(o, "errors", list ? list : json_array());
    print_object(o);
    b->exit_code = failed > 0 ? EXIT_SOME_FAILED : 0;
    uv_stop(&b->loop);
}

static bool is_over(const PGresult *res)
{
    struct str state = row_str(res, 0, row_column(res, "state"));

    return str_equal(state, STR("done")) || str_equal(state, STR("abandoned"));
}

static void on_result(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct batch_run *b = arg;

    (void)sqlstate;
    b->is_asking = false;
    if (err->code != ERR_OK) {
        b->why = *err;
        return;
    }
    if (PQntuples(res) == 0) {
        give_up(b, "the batch is gone");
        return;
    }
    if (row_int(res, 0, row_column(res, "claimed"), 0) > 0 ||
        row_int(res, 0, row_column(res, "processed"), 0) > 0 ||
        !str_equal(row_str(res, 0, row_column(res, "state")), STR("open")))
        b->is_taken = true;
    if (is_over(res)) {
        report(b, res);
    } else if (b->is_again) {
        b->is_again = false;
        look(b);
    }
}

static void on_requested(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct batch_run *b = arg;

    b->is_asking = false;
    if (err->code != ERR_OK) {
        b->why = *err;
        if (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0)
            give_up(b, err->detail);
        return;
    }
    snprintf(b->id, sizeof(b->id), "%s", row_cstr(res, 0, 0));
    look(b);
}

/* Asks for the batch, then how it stands. A change that is told meanwhile makes it look once more. */
static void look(struct batch_run *b)
{
    const char *request[2] = {b->size, b->concurrent}, *batch[1] = {b->id};

    if (b->is_asking) {
        b->is_again = true;
        return;
    }
    if (!pg_is_up(b->pg) || b->is_closing)
        return;
    b->is_asking = true;
    if (b->id[0])
        pg_send(b->pg, Q_BATCH_RESULT, batch, 0, on_result, b);
    else
        pg_send(b->pg, Q_REQUEST_BATCH, request, 0, on_requested, b);
}

static void on_up(void *arg)
{
    look(arg);
}

static void on_down(void *arg, const struct err *err)
{
    struct batch_run *b = arg;

    b->why = *err;
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct batch_run *b = arg;

    (void)channel;
    (void)payload;
    if (b->id[0])
        look(b);
}

static void on_look(uv_timer_t *timer)
{
    look(container_of(timer, struct batch_run, look));
}

static void on_closed_batch(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    (void)res;
    (void)sqlstate;
    (void)err;
    give_up(arg, "no worker took the batch; is the farm running?");
}

/* Nobody came: the batch must not be done later, when the next one is asked for already. */
static void on_patience_over(uv_timer_t *timer)
{
    struct batch_run *b = container_of(timer, struct batch_run, patience);
    const char *values[2] = {b->id, "no worker took it"};

    if (b->is_taken)
        return;
    if (!b->id[0] || !pg_is_up(b->pg)) {
        give_up(b, b->why.code != ERR_OK ? b->why.detail : "no answer from the database");
        return;
    }
    b->is_closing = true;
    pg_send(b->pg, Q_CLOSE_BATCH, values, 0, on_closed_batch, b);
}

static void connect_database(struct batch_run *b)
{
    b->pg = pg_open(b->conf,
                    (struct pg_options){
                        .loop = &b->loop,
                        .application_name = "tracepool-worker run-batch",
                        .queries = worker_queries,
                        .nqueries = worker_nqueries,
                        .channels = channels,
                        .arg = b,
                        .on_up = on_up,
                        .on_down = on_down,
                        .on_notify = on_notify,
                    },
                    (struct pg_listener_events){.on_up = on_up, .on_down = on_down}, &b->listen);
}

static void run(struct batch_run *b)
{
    loop_init(&b->loop);
    uv_timer_init(&b->loop, &b->look);
    uv_timer_init(&b->loop, &b->patience);
    uv_timer_start(&b->look, on_look, LOOK_MS, LOOK_MS);
    uv_timer_start(&b->patience, on_patience_over, (uint64_t)b->conf->worker_batch_answer_s * 1000, 0);
    connect_database(b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    b->is_closing = true;
    uv_close((uv_handle_t *)&b->look, NULL);
    uv_close((uv_handle_t *)&b->patience, NULL);
    pg_destroy(b->pg, NULL, NULL);
    pg_destroy(b->listen, NULL, NULL);
    loop_finish(&b->loop);
}

static bool is_count(const char *text)
{
    int64_t n;

    return str_to_int(str_from(text), &n) && n >= 1 && n <= 100000;
}

static bool check_arguments(int argc, char **argv, struct err *err)
{
    if (argc != 3)
        return err_set(err, ERR_BAD_INPUT, "which sizes? Give BATCH_SIZE MAX_CONCURRENT, 1 to 100000 each");
    for (int i = 1; i < argc; i++)
        if (!is_count(argv[i]))
            return err_set(err, ERR_BAD_INPUT, "%s %s: must be a whole number from 1 to 100000",
                           i == 1 ? "BATCH_SIZE" : "MAX_CONCURRENT", argv[i]);
    return true;
}

int tool_run_batch(const struct conf *conf, int argc, char **argv)
{
    struct batch_run b = {.conf = conf, .exit_code = EXIT_NO_ANSWER};
    struct err err;

    if (!check_arguments(argc, argv, &err) || !pg_check_settings(conf, &err)) {
        fprintf(stderr, "tracepool-worker run-batch: %s\n", err.detail);
        return EXIT_USAGE;
    }
    b.size = argv[1];
    b.concurrent = argv[2];
    run(&b);
    return b.exit_code;
}
