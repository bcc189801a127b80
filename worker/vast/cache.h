/*
 * cache.h - answers to ad requests, kept for a while: by URL, with a bound on their bytes.
 *
 * For offers whose operator says that an answer may be used again. The oldest use goes first. No clock and no
 * network: whoever asks says what time it is.
 */
#ifndef TRACEPOOL_WORKER_VAST_CACHE_H
#define TRACEPOOL_WORKER_VAST_CACHE_H

#include "worker/vast/wrapper.h"

struct vast_cache;

/* Keeps at most max_bytes of URLs and bodies. */
struct vast_cache *vast_cache_create(size_t max_bytes);
void vast_cache_destroy(struct vast_cache *c);

/* Keeps a copy until then, in place of an earlier one; one that is too big for the cache is not kept. */
void vast_cache_put(struct vast_cache *c, struct str url, const struct vast_answer *answer, int64_t until_ms);
/* False when there is none, or none any more. Its views are valid until the next put. */
bool vast_cache_get(struct vast_cache *c, struct str url, int64_t now_ms, struct vast_answer *out);
size_t vast_cache_bytes(const struct vast_cache *c);

#endif
