/*
 * vast_resolve.c - asks the resolver what it wants, gets that from cache or network, and hands it over.
 */
#include "worker/vast_resolve.h"

#include "common/loop.h"
#include "common/metrics.h"

#include <string.h>
#include <sys/random.h>

struct vast_resolve {
    struct arena *arena;
    struct vast_resolve_request request;
    struct vast_resolver *resolver; /* in the arena: it outlives this */
    struct vast_session *session;   /* NULL until something has to be fetched */
    struct vast_fetcher *fetcher;
    uv_idle_t begin;
    int64_t deadline_ms;
    struct str wanted;
    struct str name; /* of its answer in the cache; empty: none is kept */
    void (*done)(void *arg, struct vast_resolver *r, const struct err *err);
    void *arg;
};

/* --- macros ----------------------------------------------------------------------------------------- */

int64_t vast_resolve_wall_ms(void *arg)
{
    (void)arg;
    return loop_wall_ms();
}

uint32_t vast_resolve_random(void *arg)
{
    uint32_t number = 0;
    (void)arg;

    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        abort();
    return number;
}

/* Whoever looks a name up takes the first: what the caller says wins. */
const struct vast_macros *vast_resolve_macros(struct arena *a, const struct vast_macro *items, int n,
                                              enum vast_macro_formats formats, struct str user_agent)
{
    struct vast_macros *macros = arena_alloc(a, sizeof(*macros));
    struct vast_macro *all = arena_alloc(a, ((size_t)n + 2) * sizeof(*all));
    struct str *own = arena_alloc(a, 2 * sizeof(*own));

    if (!macros || !all || !own)
        return NULL;
    if (n)
        memcpy(all, items, (size_t)n * sizeof(*all));
    own[0] = STR("2");
    own[1] = user_agent;
    all[n] = (struct vast_macro){.name = STR("SERVERSIDE"), .values = &own[0], .nvalues = 1};
    all[n + 1] = (struct vast_macro){.name = STR("SERVERUA"), .values = &own[1], .nvalues = 1};
    *macros = (struct vast_macros){.items = all,
                                   .n = n + 2,
                                   .formats = formats,
                                   .wall_ms = vast_resolve_wall_ms,
                                   .random = vast_resolve_random};
    return macros;
}

/* --- the end ---------------------------------------------------------------------------------------- */

static void on_begin_closed(uv_handle_t *handle)
{
    free(container_of((uv_idle_t *)handle, struct vast_resolve, begin));
}

void vast_resolve_cancel(struct vast_resolve *v)
{
    vast_session_end(v->session);
    v->session = NULL;
    uv_close((uv_handle_t *)&v->begin, on_begin_closed);
}

static void end(struct vast_resolve *v, const struct err *err)
{
    void (*done)(void *arg, struct vast_resolver *r, const struct err *err) = v->done;
    struct vast_resolver *r = v->resolver;
    void *arg = v->arg;

    vast_resolve_cancel(v);
    done(arg, err->code == ERR_OK ? r : NULL, err);
}

/* --- one answer after the other --------------------------------------------------------------------- */

/*
 * The URL before its macros were expanded: requests that differ by a random number or the time are the same.
 * Empty: not to be kept.
 */
static struct str cache_name(struct vast_resolve *v)
{
    const char *name = v->request.cache && v->request.cache_ttl_ms > 0
                           ? arena_printf(v->arena, "%.*s\n%.*s", STR_ARG(v->request.cache_scope),
                                          STR_ARG(v->resolver->wanted_name))
                           : NULL;

    return name ? str_from(name) : STR("");
}

static bool take_from_cache(struct vast_resolve *v, struct vast_answer *answer)
{
    v->name = cache_name(v);
    if (!v->name.len || !vast_cache_get(v->request.cache, v->name, loop_now_ms(), answer))
        return false;
    metrics_add(METRIC_VAST_CACHED, 1);
    answer->ms = 0;
    return true;
}

static void keep(struct vast_resolve *v, const struct vast_answer *answer)
{
    if (v->name.len && answer->err.code == ERR_OK && answer->status == 200)
        vast_cache_put(v->request.cache, v->name, answer, loop_now_ms() + v->request.cache_ttl_ms);
}

static void go_on(struct vast_resolve *v);

static void on_answer(void *arg, const struct vast_answer *answer)
{
    struct vast_resolve *v = arg;
    struct err err;

    keep(v, answer);
    if (vast_resolver_answer(v->resolver, answer, &err))
        go_on(v);
    else
        end(v, &err);
}

static bool fetch(struct vast_resolve *v, struct err *err)
{
    if (!v->session)
        v->session = vast_session_start(v->fetcher, v->arena, &v->request.fetch, err);
    if (!v->session)
        return false;
    vast_session_get(v->session, v->wanted, v->deadline_ms - loop_now_ms(), on_answer, v);
    return true;
}

/* Answers from the cache are taken at once; the first that must be fetched ends the turn. */
static void go_on(struct vast_resolve *v)
{
    struct vast_answer answer;
    struct err err = {.code = ERR_OK};

    while (vast_resolver_next(v->resolver, &v->wanted)) {
        if (!take_from_cache(v, &answer)) {
            if (!fetch(v, &err))
                end(v, &err);
            return;
        }
        if (!vast_resolver_answer(v->resolver, &answer, &err))
            return end(v, &err);
    }
    if (v->arena->is_full)
        err_set(&err, ERR_TOO_BIG, "the wrapper chain needs more than %zu bytes", v->arena->ceiling);
    end(v, &err);
}

static void on_begin(uv_idle_t *idle)
{
    struct vast_resolve *v = container_of(idle, struct vast_resolve, begin);
    const struct vast_resolve_request *r = &v->request;
    struct err err;
    bool is_begun;

    uv_idle_stop(idle);
    is_begun = r->url.len ? vast_resolver_url(v->resolver, r->url, &err)
                          : vast_resolver_source(v->resolver, r->bytes, r->document_url, &err);
    if (is_begun)
        go_on(v);
    else
        end(v, &err);
}

struct vast_resolve *
vast_resolve_start(struct vast_fetcher *f, uv_loop_t *loop, struct arena *a,
                   const struct vast_resolve_request *request,
                   void (*done)(void *arg, struct vast_resolver *r, const struct err *err), void *arg)
{
    struct vast_resolve *v = calloc(1, sizeof(*v));

    if (!v)
        abort();
    v->resolver = arena_alloc(a, sizeof(*v->resolver));
    if (!v->resolver)
        abort();
    v->arena = a;
    v->request = *request;
    v->fetcher = f;
    v->done = done;
    v->arg = arg;
    v->deadline_ms = loop_now_ms() + request->total_timeout_ms;
    vast_resolver_begin(v->resolver, a, &request->resolver);
    uv_idle_init(loop, &v->begin);
    uv_idle_start(&v->begin, on_begin);
    return v;
}
