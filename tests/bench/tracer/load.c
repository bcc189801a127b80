/*
 * load.c - the tracer and the browser under load: so many traces, so many at once, each as another proxy
 * user.
 *
 *     tracer_load http PORT AT_ONCE TRACES URL HOPS [CHROMIUM]
 *     tracer_load page PORT AT_ONCE TRACES URL HOPS [CHROMIUM]
 *
 * Each trace's URL is URL with its number behind it; it is a good one when it ended well after so many HOPS.
 * Prints name=value pairs when all have ended. A tenth as many are traced before, so that a browser is there
 * and warm; they are not counted.
 */
#include "common/loop.h"
#include "worker/browser/browser.h"
#include "worker/browser/launcher.h"
#include "worker/tracer/tracer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ARENA_BYTES = 32 << 20, WARM_UP_SHARE = 10 };

struct load {
    uv_loop_t loop;
    struct tracer *tracer;
    struct browser *browser; /* or: */
    const char *url;
    int port, at_once, traces, nhops;
    int left, nrunning, nbegun, good; /* of this round */
    bool is_warm;
    int64_t began_us;
    double cpu;
    double *took_ms;
};

struct job {
    struct load *load;
    struct arena arena;
};

/* --- figures --------------------------------------------------------------------------------------- */

static double cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const struct load *load)
{
    double seconds = (double)(loop_now_us() - load->began_us) / 1e6;
    struct rusage usage;

    qsort(load->took_ms, (size_t)load->traces, sizeof(double), compare);
    getrusage(RUSAGE_SELF, &usage);
    printf("traces=%d good=%d rate=%.2f p50_ms=%.1f p95_ms=%.1f cpu_us=%.1f rss_mb=%.1f\n", load->traces,
           load->good, load->traces / seconds, load->took_ms[load->traces / 2],
           load->took_ms[load->traces * 95 / 100], (cpu_us() - load->cpu) / load->traces,
           (double)usage.ru_maxrss / 1024);
}

/* --- traces ---------------------------------------------------------------------------------------- */

static void begin(struct load *load);

static void begin_round(struct load *load, int traces)
{
    load->left = traces;
    load->nbegun = load->good = 0;
    load->began_us = loop_now_us();
    load->cpu = cpu_us();
    for (int i = 0; i < load->at_once && load->left > 0; i++)
        begin(load);
}

static void end_round(struct load *load)
{
    if (!load->is_warm) {
        load->is_warm = true;
        begin_round(load, load->traces);
        return;
    }
    report(load);
    if (load->browser)
        browser_destroy(load->browser, NULL, NULL);
    if (load->tracer)
        tracer_destroy(load->tracer, NULL, NULL);
}

static void on_done(void *arg, struct trace_result *result)
{
    struct job *job = arg;
    struct load *load = job->load;
    bool is_good = result->outcome == OUTCOME_OK && result->chain.nhops == load->nhops;

    if (load->is_warm && load->nbegun - load->nrunning < load->traces)
        load->took_ms[load->nbegun - load->nrunning] = (double)result->total_ms;
    load->good += is_good;
    arena_finish(&job->arena);
    free(job);
    load->nrunning--;
    if (load->left > 0)
        begin(load);
    else if (!load->nrunning)
        end_round(load);
}

static void begin(struct load *load)
{
    struct job *job = calloc(1, sizeof(*job));
    struct trace_request request = {.mode = load->browser ? MODE_BROWSER : MODE_HTTP_ONLY,
                                    .user_agent = STR("tracepool/bench"),
                                    .max_hops = 20,
                                    .total_timeout_ms = 30000,
                                    .hop_timeout_ms = 10000,
                                    .connect_timeout_ms = 5000,
                                    .max_body = 2 << 20,
                                    .max_header = 65536,
                                    .block_resources = true};

    if (!job)
        abort();
    job->load = load;
    arena_init(&job->arena, ARENA_BYTES);
    load->left--;
    load->nrunning++;
    load->nbegun++;
    request.proxy = (struct trace_proxy){.scheme = STR("http"),
                                         .host = STR("127.0.0.1"),
                                         .port = load->port,
                                         .user = str_from(arena_printf(&job->arena, "user%d", load->nbegun)),
                                         .password = STR("secret")};
    request.url = str_from(arena_printf(&job->arena, "%s%d?aff=1&sub=a", load->url, load->nbegun));
    if (load->browser)
        browser_start(load->browser, &job->arena, &request, on_done, job);
    else
        tracer_start(load->tracer, &job->arena, &request, on_done, job);
}

/* --- the process ----------------------------------------------------------------------------------- */

/* As the farm sets it up, but never replaced: how a long life ends is for another test. */
static struct browser *make_browser(struct load *load, const char *program)
{
    struct browser_settings settings = {.program = program,
                                        .max_contexts = load->at_once,
                                        .max_traces = 1000000,
                                        .settle_ms = 11000,
                                        .hang_ms = 1000};
    struct launcher *launcher;
    struct err err;

    signal(SIGPIPE, SIG_IGN);
    if (!launcher_fork("nobody", "", &launcher, &err)) {
        fprintf(stderr, "%s\n", err.detail);
        exit(1);
    }
    uv_loop_init(&load->loop);
    return browser_create(&load->loop, launcher, &settings);
}

int main(int argc, char **argv)
{
    struct load load = {0};

    if (argc < 7)
        return 2;
    if (!getenv("GLIBC_TUNABLES")) { /* as the farm's parent starts its children */
        arena_huge_heaps_for_children();
        execv("/proc/self/exe", argv);
    }
    arena_keep_heap();
    load.port = atoi(argv[2]);
    load.at_once = atoi(argv[3]);
    load.traces = atoi(argv[4]);
    load.url = argv[5];
    load.nhops = atoi(argv[6]);
    load.took_ms = calloc((size_t)load.traces + 1, sizeof(double));
    if (!load.took_ms)
        abort();
    if (strcmp(argv[1], "page") == 0) {
        load.browser = make_browser(&load, argc > 7 ? argv[7] : "");
    } else {
        uv_loop_init(&load.loop);
        load.tracer = tracer_create(&load.loop);
    }
    begin_round(&load, 1 + load.traces / WARM_UP_SHARE);
    uv_run(&load.loop, UV_RUN_DEFAULT);
    loop_finish(&load.loop);
    free(load.took_ms);
    return 0;
}
