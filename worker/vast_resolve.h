/*
 * vast_resolve.h - a wrapper chain over the network: the resolver of worker/vast with the fetcher as its
 * hands.
 */
#ifndef TRACEPOOL_WORKER_VAST_RESOLVE_H
#define TRACEPOOL_WORKER_VAST_RESOLVE_H

#include "worker/vast/cache.h"
#include "worker/vast_fetch.h"

/* Views must live until the resolution is done. */
struct vast_resolve_request {
    struct str url;          /* to begin with; or, when it is empty, */
    struct str bytes;        /* a document, */
    struct str document_url; /* and where it came from; may be empty */
    struct vast_resolver_options resolver;
    struct vast_fetch_options fetch;
    int64_t total_timeout_ms;
    struct vast_cache *cache; /* answers are kept there for cache_ttl_ms; NULL: nothing is kept */
    int64_t cache_ttl_ms;
    struct str cache_scope; /* answers are used again within one scope only */
};

struct vast_resolve;

/* Clock and chance for struct vast_macros, from the system; arg is not used. */
int64_t vast_resolve_wall_ms(void *arg);
uint32_t vast_resolve_random(void *arg);

/*
 * Macros for the URLs that are requested: items, then what tracepool says of itself (SERVERSIDE=2: by its own
 * decision; SERVERUA), then CACHEBUSTING and TIMESTAMP, anew each time. Lives in the arena; NULL when that is
 * full.
 */
NODISCARD const struct vast_macros *vast_resolve_macros(struct arena *a, const struct vast_macro *items,
                                                        int n, enum vast_macro_formats formats,
                                                        struct str user_agent);

/*
 * done is called once, on the loop and never from within, with a resolver whose result is complete and lives
 * in the arena; or with *err when there is none (ERR_BAD_URL, ERR_BAD_INPUT, ERR_TOO_BIG). The resolution is
 * invalid afterwards. When total_timeout_ms is over, what was found so far is the result, and the rest is
 * 301.
 */
struct vast_resolve *
vast_resolve_start(struct vast_fetcher *f, uv_loop_t *loop, struct arena *a,
                   const struct vast_resolve_request *request,
                   void (*done)(void *arg, struct vast_resolver *r, const struct err *err), void *arg);
/* Stops it before it is done; done is not called. */
void vast_resolve_cancel(struct vast_resolve *v);

#endif
