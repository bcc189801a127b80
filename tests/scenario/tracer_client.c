/*
 * tracer_client.c - several traces in one tracer, as a worker's child has them: what crosses would cross
 * here.
 *
 *     tracer_client [--at-once N] [--ca FILE] [--allow-private] [--timeout-ms N] < LINES
 *
 * Each line of standard input is "PROXY URL", PROXY being "-" for a direct connection. At most N traces
 * (default 1) run at the same time, in the order of the lines. For each one {"line", "result"} is printed
 * when it ends; line counts from 0.
 */
#include "common/buf.h"
#include "common/json.h"
#include "common/loop.h"
#include "worker/tracer/tracer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 16 << 20, OUTPUT_MAX = 64 << 20, ARENA_BYTES = 8 << 20 };

struct client {
    uv_loop_t loop;
    struct tracer *tracer;
    struct trace_request request; /* what all of them have in common */
    struct buf input;
    struct str rest; /* lines that have not begun */
    int nbegun, nrunning, at_once;
};

struct job {
    struct client *client;
    struct arena arena;
    int line;
};

static void begin_some(struct client *c);

static void print(const struct job *job, const struct trace_result *result)
{
    SCOPED_VALUE(buf) out = {.max = OUTPUT_MAX};
    SCOPED(json_t) object = json_object();

    json_put_int(object, "line", job->line);
    json_put(object, "result", trace_result_json(result));
    json_write(object, &out);
    puts(buf_cstr(&out));
    fflush(stdout);
}

static void on_done(void *arg, struct trace_result *result)
{
    struct job *job = arg;
    struct client *c = job->client;

    print(job, result);
    arena_finish(&job->arena);
    free(job);
    c->nrunning--;
    begin_some(c);
}

static void begin(struct client *c, struct str line)
{
    struct job *job = calloc(1, sizeof(*job));
    struct trace_request request = c->request;
    struct str proxy;
    struct err err;

    if (!job)
        abort();
    *job = (struct job){.client = c, .line = c->nbegun++};
    arena_init(&job->arena, ARENA_BYTES);
    str_cut(&line, ' ', &proxy);
    request.url = line;
    if (!str_equal(proxy, STR("-")) && !tracer_proxy_parse(&job->arena, proxy, &request.proxy, &err)) {
        fprintf(stderr, "line %d: %s\n", job->line, err.detail);
        exit(2);
    }
    c->nrunning++;
    tracer_start(c->tracer, &job->arena, &request, on_done, job);
}

static void begin_some(struct client *c)
{
    struct str line;

    while (c->nrunning < c->at_once && c->rest.len && str_cut(&c->rest, '\n', &line))
        begin(c, line);
    if (!c->nrunning && c->tracer) {
        tracer_destroy(c->tracer, NULL, NULL);
        c->tracer = NULL;
    }
}

static void read_input(struct client *c)
{
    char bytes[65536];
    ssize_t n;

    buf_init(&c->input, INPUT_MAX);
    while ((n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
        buf_append(&c->input, bytes, (size_t)n);
    c->rest = buf_str(&c->input);
}

static void read_arguments(struct client *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--allow-private") == 0)
            c->request.allow_private = true;
        else if (strcmp(argv[i], "--at-once") == 0 && i + 1 < argc)
            c->at_once = atoi(argv[++i]);
        else if (strcmp(argv[i], "--ca") == 0 && i + 1 < argc)
            c->request.ca_file = str_from(argv[++i]);
        else if (strcmp(argv[i], "--timeout-ms") == 0 && i + 1 < argc)
            c->request.total_timeout_ms = atoi(argv[++i]);
    }
}

int main(int argc, char **argv)
{
    struct client c = {.at_once = 1,
                       .request = {.mode = MODE_HTTP_ONLY,
                                   .user_agent = STR("tracer-client"),
                                   .max_hops = 20,
                                   .total_timeout_ms = 30000,
                                   .hop_timeout_ms = 10000,
                                   .connect_timeout_ms = 5000,
                                   .max_body = 2 << 20,
                                   .max_header = 65536}};

    signal(SIGPIPE, SIG_IGN);
    read_arguments(&c, argc, argv);
    read_input(&c);
    uv_loop_init(&c.loop);
    c.tracer = tracer_create(&c.loop);
    begin_some(&c);
    uv_run(&c.loop, UV_RUN_DEFAULT);
    loop_finish(&c.loop);
    buf_finish(&c.input);
    return 0;
}
