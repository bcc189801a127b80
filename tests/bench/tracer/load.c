/*
 * load.c - the tracer under load: so many traces, so many of them at once, each as another proxy user.
 *
 *     tracer_load PORT AT_ONCE TRACES     prints name=value pairs when all have ended
 */
#include "common/loop.h"
#include "worker/tracer/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { ARENA_BYTES = 32 << 20 };

struct load {
    uv_loop_t loop;
    struct tracer *tracer;
    int port, left, nrunning, nbegun, good;
    int64_t hops;
};

struct job {
    struct load *load;
    struct arena arena;
};

static void begin(struct load *load);

static void on_done(void *arg, struct trace_result *result)
{
    struct job *job = arg;
    struct load *load = job->load;

    load->hops += result->chain.nhops;
    load->good += result->outcome == OUTCOME_OK && result->chain.nhops == 6;
    arena_finish(&job->arena);
    free(job);
    load->nrunning--;
    if (load->left > 0)
        begin(load);
    else if (!load->nrunning)
        tracer_destroy(load->tracer, NULL, NULL);
}

static void begin(struct load *load)
{
    struct job *job = calloc(1, sizeof(*job));
    struct trace_request request = {.mode = MODE_HTTP_ONLY,
                                    .user_agent = STR("tracepool/bench"),
                                    .max_hops = 20,
                                    .total_timeout_ms = 30000,
                                    .hop_timeout_ms = 10000,
                                    .connect_timeout_ms = 5000,
                                    .max_body = 2 << 20,
                                    .max_header = 65536};

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
    request.url = str_from(arena_printf(&job->arena, "http://h0.test/click/%d?aff=1&sub=a", load->nbegun));
    tracer_start(load->tracer, &job->arena, &request, on_done, job);
}

static double cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void report(const struct load *load, int64_t began_us, double cpu)
{
    double seconds = (double)(loop_now_us() - began_us) / 1e6;
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    printf("traces=%d good=%d hops=%lld rate=%.1f cpu_us=%.1f rss_mb=%.1f\n", load->nbegun, load->good,
           (long long)load->hops, load->nbegun / seconds, (cpu_us() - cpu) / load->nbegun,
           (double)usage.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    struct load load = {0};
    int64_t began_us = loop_now_us();
    double cpu = cpu_us();
    int at_once;

    if (argc != 4)
        return 2;
    load.port = atoi(argv[1]);
    at_once = atoi(argv[2]);
    load.left = atoi(argv[3]);
    uv_loop_init(&load.loop);
    load.tracer = tracer_create(&load.loop);
    for (int i = 0; i < at_once && load.left > 0; i++)
        begin(&load);
    uv_run(&load.loop, UV_RUN_DEFAULT);
    loop_finish(&load.loop);
    report(&load, began_us, cpu);
    return 0;
}
