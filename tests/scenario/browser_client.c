/*
 * browser_client.c - worker/browser as a program that a test can drive: traces in, results out, line by line.
 *
 *     browser_client [--program FILE] [--user NAME] [--ca FILE] [--max-contexts N] [--max-traces N]
 *                    [--max-memory-kb N] [--idle-ms N] [--settle-ms N] [--hang-ms N]
 *
 * Each line of standard input is an object: {"id", "url", "proxy": {"scheme", "host", "port", "user",
 * "password"}, "referrer", "user_agent", "max_hops", "timeout_ms", "max_body", "block_resources",
 * "allow_private"} starts a trace (all but id and url may be left out), {"cancel": id} drops one,
 * {"counts": true} asks for the counters. Results come as they are known: {"id", "result"}. It ends after
 * the end of its input, when the last trace is done.
 */
#include "common/buf.h"
#include "common/json.h"
#include "common/loop.h"
#include "worker/browser/browser.h"
#include "worker/browser/launcher.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 1024 * 1024, ARENA_BYTES = 32 * 1024 * 1024 };

struct client {
    uv_loop_t loop;
    uv_pipe_t in;
    struct buf line;
    struct browser *browser;
    struct job *jobs;
    bool is_over;
};

struct job {
    struct client *client;
    struct job *next;
    struct arena arena;
    struct browser_job *trace;
    json_t *command; /* what the request's views point to */
};

static void print(json_t *object)
{
    SCOPED_VALUE(buf) out;

    buf_init(&out, ARENA_BYTES);
    json_write(object, &out);
    puts(buf_cstr(&out));
    fflush(stdout);
    json_decref(object);
}

static void end_when_done(struct client *c)
{
    if (!c->is_over || c->jobs || !c->browser)
        return;
    browser_destroy(c->browser, NULL, NULL);
    c->browser = NULL;
}

static void free_job(struct job *job)
{
    struct client *c = job->client;
    struct job **link = &c->jobs;

    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    json_decref(job->command);
    arena_finish(&job->arena);
    free(job);
    end_when_done(c);
}

static void on_done(void *arg, struct trace_result *result)
{
    struct job *job = arg;
    json_t *line = json_object();

    json_put(line, "id", json_incref(json_object_get(job->command, "id")));
    json_put(line, "result", trace_result_json(result));
    print(line);
    free_job(job);
}

static void start(struct client *c, json_t *command)
{
    const json_t *proxy = json_object_get(command, "proxy");
    struct job *job = calloc(1, sizeof(*job));
    struct trace_request request = {
        .url = json_get_str(command, "url", STR("")),
        .mode = MODE_BROWSER,
        .referrer = json_get_str(command, "referrer", STR("")),
        .user_agent = json_get_str(command, "user_agent", STR("tracepool-test/1")),
        .max_hops = (int)json_get_int(command, "max_hops", 20),
        .total_timeout_ms = json_get_int(command, "timeout_ms", 30000),
        .hop_timeout_ms = json_get_int(command, "timeout_ms", 30000),
        .connect_timeout_ms = json_get_int(command, "connect_timeout_ms", 5000),
        .max_body = (size_t)json_get_int(command, "max_body", 2 * 1024 * 1024),
        .max_header = 64 * 1024,
        .allow_private = json_get_bool(command, "allow_private", false),
        .block_resources = json_get_bool(command, "block_resources", true),
        .proxy = {.scheme = json_get_str(proxy, "scheme", STR("")),
                  .host = json_get_str(proxy, "host", STR("")),
                  .port = (int)json_get_int(proxy, "port", 0),
                  .user = json_get_str(proxy, "user", STR("")),
                  .password = json_get_str(proxy, "password", STR(""))},
    };

    if (!job)
        abort();
    *job = (struct job){.client = c, .next = c->jobs, .command = json_incref(command)};
    arena_init(&job->arena, ARENA_BYTES);
    c->jobs = job;
    job->trace = browser_start(c->browser, &job->arena, &request, on_done, job);
}

static void cancel(struct client *c, const json_t *id)
{
    for (struct job *job = c->jobs; job; job = job->next) {
        if (!json_equal(json_object_get(job->command, "id"), id))
            continue;
        browser_cancel(job->trace);
        return free_job(job);
    }
}

static void print_counts(const struct client *c)
{
    struct browser_counts counts = browser_counts(c->browser);
    json_t *line = json_object();

    json_put_int(line, "contexts", counts.contexts);
    json_put_int(line, "waiting", counts.waiting);
    json_put_int(line, "starts", counts.starts);
    json_put_int(line, "deaths", counts.deaths);
    print(line);
}

static void take_line(struct client *c, struct str line)
{
    struct err err;
    SCOPED(json_t) command = json_parse(line, &err);

    if (json_object_get(command, "url"))
        start(c, command);
    else if (json_object_get(command, "cancel"))
        cancel(c, json_object_get(command, "cancel"));
    else if (json_object_get(command, "counts"))
        print_counts(c);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    static char bytes[65536];

    (void)handle;
    (void)wanted;
    *out = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *in)
{
    struct client *c = container_of((uv_pipe_t *)stream, struct client, in);
    size_t end;

    if (nread < 0) {
        c->is_over = true;
        uv_close((uv_handle_t *)stream, NULL);
        return end_when_done(c);
    }
    buf_append(&c->line, in->base, (size_t)nread);
    while ((end = str_find(buf_str(&c->line), 0, '\n')) < c->line.len) {
        take_line(c, str_slice(buf_str(&c->line), 0, end));
        buf_consume(&c->line, end + 1);
    }
}

static bool read_options(int argc, char **argv, struct browser_settings *s, const char **user,
                         const char **ca_file)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        int64_t number = 0;
        bool is_number = str_to_int(str_from(argv[i + 1]), &number);

        if (!strcmp(argv[i], "--program"))
            s->program = argv[i + 1];
        else if (!strcmp(argv[i], "--user"))
            *user = argv[i + 1];
        else if (!strcmp(argv[i], "--ca"))
            *ca_file = argv[i + 1];
        else if (!strcmp(argv[i], "--max-contexts") && is_number)
            s->max_contexts = (int)number;
        else if (!strcmp(argv[i], "--max-traces") && is_number)
            s->max_traces = (int)number;
        else if (!strcmp(argv[i], "--max-memory-kb") && is_number)
            s->max_memory_kb = number;
        else if (!strcmp(argv[i], "--idle-ms") && is_number)
            s->idle_ms = number;
        else if (!strcmp(argv[i], "--settle-ms") && is_number)
            s->settle_ms = number;
        else if (!strcmp(argv[i], "--hang-ms") && is_number)
            s->hang_ms = number;
        else
            return false;
    }
    return argc % 2 == 1;
}

int main(int argc, char **argv)
{
    struct browser_settings settings = {
        .program = "", .max_contexts = 4, .max_traces = 1000, .settle_ms = 11000, .hang_ms = 1000};
    static struct client client;
    struct launcher *launcher;
    const char *user = "nobody", *ca_file = "";
    struct err err;

    signal(SIGPIPE, SIG_IGN);
    if (!read_options(argc, argv, &settings, &user, &ca_file))
        return 2;
    if (!launcher_fork(user, ca_file, &launcher, &err)) {
        fprintf(stderr, "%s: %s\n", err_name(err.code), err.detail);
        return 1;
    }
    uv_loop_init(&client.loop);
    buf_init(&client.line, LINE_BYTES);
    client.browser = browser_create(&client.loop, launcher, &settings);
    uv_pipe_init(&client.loop, &client.in, 0);
    uv_pipe_open(&client.in, STDIN_FILENO);
    uv_read_start((uv_stream_t *)&client.in, on_alloc, on_read);
    uv_run(&client.loop, UV_RUN_DEFAULT);
    loop_finish(&client.loop);
    buf_finish(&client.line);
    return 0;
}
