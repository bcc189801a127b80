/*
 * tools_trace.c - the verb `trace`: one loop with one trace in it, and what is printed of it.
 *
 * Arguments are trace_args.c, files trace_files.c, tracing is worker/tracer, the forms it is shown in
 * worker/evidence.
 */
#include "worker/tools_trace.h"

#include "common/json.h"
#include "common/loop.h"
#include "worker/browser/launcher.h"
#include "worker/evidence/kept.h"
#include "worker/evidence/table.h"
#include "worker/modes.h"
#include "worker/trace_args.h"
#include "worker/trace_files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_USAGE = 2, OUTPUT_MAX = 64 * 1024 * 1024, PROGRESS_MS = 100 };

/* --- the trace ----------------------------------------------------------------------------------- */

struct run {
    uv_loop_t loop;
    uv_timer_t progress;
    struct modes modes;
    const struct trace_args *args;
    struct tracer_job *job;
    struct trace_result *http; /* mode auto: what HTTP found before the browser took over */
    struct trace_result *result;
    int64_t started_ms;
};

static void on_progress(uv_timer_t *timer)
{
    struct run *run = container_of(timer, struct run, progress);
    double seconds = (double)(loop_now_ms() - run->started_ms) / 1000;
    const struct chain *chain = run->job ? tracer_job_chain(run->job) : NULL;
    struct str url = chain && chain->nhops ? chain->hops[chain->nhops - 1].url : STR("");

    if (chain)
        fprintf(stderr, "\r\033[Khop %d  %.1f s  %.*s", chain->nhops, seconds,
                (int)(url.len < 60 ? url.len : 60), url.ptr);
    else
        fprintf(stderr, "\r\033[Kbrowser  %.1f s", seconds);
}

static void finish(struct run *run, struct trace_result *result)
{
    run->result = result;
    if (uv_is_active((uv_handle_t *)&run->progress))
        fputs("\r\033[K", stderr);
    uv_close((uv_handle_t *)&run->progress, NULL);
    modes_close(&run->modes);
}

static void on_page_done(void *arg, struct trace_result *result)
{
    struct run *run = arg;

    finish(run, modes_choose(run->http, result));
}

static bool start_browser(struct run *run)
{
    struct browser *browser = modes_browser(&run->modes);

    return browser && browser_start(browser, run->args->arena, &run->args->request, on_page_done, run);
}

static void on_http_done(void *arg, struct trace_result *result)
{
    struct run *run = arg;

    run->job = NULL;
    run->http = result;
    if (!modes_wants_browser(&run->modes, &run->args->request, result) || !start_browser(run))
        finish(run, result);
}

static void start_http(struct run *run)
{
    struct trace_request request = run->args->request;

    modes_limit_http(&run->modes, &request);
    run->job = tracer_start(run->modes.tracer, run->args->arena, &request, on_http_done, run);
}

/* The tracer says what is wrong with mode browser where there is none. */
static struct trace_result *run_trace(const struct trace_args *args, const struct conf *conf)
{
    struct run run = {.started_ms = loop_now_ms(), .args = args};
    struct launcher *launcher = NULL;

    if (args->request.mode != MODE_HTTP_ONLY)
        modes_fork(conf, &launcher);
    loop_init(&run.loop);
    uv_timer_init(&run.loop, &run.progress);
    if (isatty(STDERR_FILENO))
        uv_timer_start(&run.progress, on_progress, PROGRESS_MS, PROGRESS_MS);
    modes_init(&run.modes, &run.loop, conf, launcher);
    if (args->request.mode != MODE_BROWSER || !start_browser(&run))
        start_http(&run);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    uv_loop_close(&run.loop);
    return run.result;
}

/* Takes object over. */
static void put_list(json_t *to, const char *key, const char *list, json_t *object)
{
    json_put(to, key, json_incref(json_object_get(object, list)));
    json_decref(object);
}

static void put_kept(json_t *object, const struct trace_result *result, unsigned wanted)
{
    if (evidence_has(wanted, EVIDENCE_COOKIES))
        put_list(object, "cookies", "cookies", kept_cookies_json(result));
    if (evidence_has(wanted, EVIDENCE_CONSOLE))
        put_list(object, "console", "messages", kept_console_json(result));
}

static int print(const struct trace_args *args, const struct trace_result *result)
{
    SCOPED_VALUE(buf) out;

    buf_init(&out, OUTPUT_MAX);
    if (args->is_json) {
        SCOPED(json_t) object = trace_result_json(result);

        put_kept(object, result, args->request.evidence);
        json_write(object, &out);
        buf_append_char(&out, '\n');
    } else {
        struct table_style style = table_style_of_stdout();

        table_write(&out, result, args->expected, args->request.nexpected_params, &style);
        table_write_kept(&out, result, args->request.evidence, &style);
    }
    fwrite(buf_cstr(&out), 1, out.len, stdout);
    if (fflush(stdout) != 0)
        return EXIT_OTHER;
    return result->outcome == OUTCOME_OK ? EXIT_OK : EXIT_OTHER;
}

/* --- the verb -------------------------------------------------------------------------------------- */

int tool_trace(const struct conf *conf, int argc, char **argv)
{
    SCOPED_VALUE(arena) arena;
    struct trace_result *result;
    struct trace_args args;
    struct trace_files files;
    struct err err;
    bool is_kept;
    int code;

    arena_init(&arena, (size_t)conf->trace_memory_max_bytes);
    if (!trace_args_read(&args, conf, &arena, argc, argv, &err)) {
        fprintf(stderr, "tracepool-worker trace: %s\n%s", err.detail, trace_args_usage);
        return EXIT_USAGE;
    }
    if (conf->browser_enabled && args.request.mode != MODE_HTTP_ONLY &&
        !launcher_check_user(conf->browser_user, &err)) {
        fprintf(stderr, "tracepool-worker trace: %s\n", err.detail);
        return EXIT_USAGE;
    }
    if (!trace_files_open(&files, &args))
        return EXIT_USAGE;
    result = run_trace(&args, conf);
    is_kept = trace_files_write(&files, &args, result);
    code = print(&args, result);
    return is_kept ? code : EXIT_OTHER;
}
