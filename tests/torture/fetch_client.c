/*
 * fetch_client.c - ad tags over the network: wrapper chains, all resolved at once.
 *
 *     torture_fetch < LINES
 *
 * A line is "PROXY URL", PROXY being "-" for none. For each {"line", "ads", "hops"} is printed when it is
 * done, a hop being {"url", "status", "code", "error", "blame", "detail"}; {"line", "error"} where nothing
 * came of it.
 */
#include "common/buf.h"
#include "common/json.h"
#include "common/loop.h"
#include "worker/tracer/tracer.h"
#include "worker/vast_resolve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 4 << 20, CACHE_MAX = 1 << 20, OUTPUT_MAX = 1 << 20, TEXT_MAX = 512 };

static struct vast_fetcher *fetcher;
static struct vast_cache *cache;
static struct vast_rate *rate;
static uv_loop_t loop;
static int nrunning;

struct job {
    struct arena arena;
    struct chain chain;
    int line;
};

static json_t *hop_json(const struct vast_hop *hop)
{
    json_t *object = json_object();

    json_put_str(object, "url", hop->url);
    json_put_int(object, "status", hop->status);
    json_put_int(object, "code", hop->code);
    json_put_str(object, "error", str_from(err_name(hop->err.code)));
    json_put_str(object, "blame", str_from(err_blame_name(err_blame(hop->err.code))));
    json_put_str(object, "detail", str_from(hop->err.code == ERR_OK ? "" : hop->err.detail));
    return object;
}

static void print(const struct job *job, const struct vast_resolver *r, const struct err *err)
{
    SCOPED_VALUE(buf) out = {.max = OUTPUT_MAX};
    SCOPED(json_t) object = json_object();
    json_t *hops = json_array();

    for (int i = 0; r && i < r->result.nhops; i++)
        json_array_append_new(hops, hop_json(&r->result.hops[i]));
    json_put_int(object, "line", job->line);
    json_put(object, "hops", hops);
    json_put_int(object, "ads", r ? r->result.nads : 0);
    if (err->code != ERR_OK)
        json_put_str(object, "error", str_from(err_name(err->code)));
    json_write(object, &out);
    puts(buf_cstr(&out));
    fflush(stdout);
}

static void on_resolved(void *arg, struct vast_resolver *r, const struct err *err)
{
    struct job *job = arg;

    print(job, r, err);
    arena_finish(&job->arena);
    free(job);
    if (--nrunning == 0)
        vast_fetcher_destroy(fetcher, NULL, NULL);
}

static struct vast_resolve_request request_for(struct job *job, const char *url)
{
    static const struct str headers[] = {STR("X-Ad: 1")};
    struct arena *a = &job->arena;

    return (struct vast_resolve_request){
        .url = arena_copy(a, str_from(url)),
        .resolver = {.max_wrappers = 5,
                     .max_fetches = 10,
                     .keep_source = true,
                     .macros = vast_resolve_macros(a, NULL, 0, VAST_MACRO_BRACKETS, STR("torture"))},
        .fetch = {.user_agent = STR("torture"),
                  .headers = headers,
                  .nheaders = 1,
                  .rate = rate,
                  .per_minute = 6000,
                  .chain = &job->chain,
                  .timeout_ms = 5000,
                  .connect_timeout_ms = 5000,
                  .max_body = 1 << 20,
                  .max_header = 1 << 16,
                  .max_redirects = 5,
                  .retries = 2,
                  .allow_private = true},
        .total_timeout_ms = 10000,
        .cache = cache,
        .cache_ttl_ms = 60000,
    };
}

static void begin(int line, const char *proxy, const char *url)
{
    struct job *job = calloc(1, sizeof(*job));
    struct vast_resolve_request request;
    struct err err;

    if (!job)
        abort();
    job->line = line;
    arena_init(&job->arena, ARENA_MAX);
    request = request_for(job, url);
    if (strcmp(proxy, "-") != 0 &&
        !tracer_proxy_parse(&job->arena, str_from(proxy), &request.fetch.proxy, &err)) {
        fprintf(stderr, "%s\n", err.detail);
        exit(2);
    }
    nrunning++;
    vast_resolve_start(fetcher, &loop, &job->arena, &request, on_resolved, job);
}

int main(void)
{
    char proxy[TEXT_MAX], url[TEXT_MAX];

    signal(SIGPIPE, SIG_IGN);
    loop_init(&loop);
    fetcher = vast_fetcher_create(&loop);
    cache = vast_cache_create(CACHE_MAX);
    rate = vast_rate_create();
    for (int line = 0; scanf("%511s %511s", proxy, url) == 2; line++)
        begin(line, proxy, url);
    uv_run(&loop, UV_RUN_DEFAULT);
    loop_finish(&loop);
    vast_cache_destroy(cache);
    vast_rate_destroy(rate);
    return 0;
}
