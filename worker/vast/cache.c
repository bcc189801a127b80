/*
 * cache.c - a list in the order of use, newest first. Walked, not hashed: an answer is some kilobytes, so
 * that there are some hundred at most, and each lookup stands for a request over the network.
 */
#include "worker/vast/cache.h"

#include <string.h>

struct entry {
    struct entry *newer, *older;
    struct str url, body, final_url; /* in text */
    int status;
    int64_t until_ms;
    size_t size;
    char text[];
};

struct vast_cache {
    struct entry *newest, *oldest;
    size_t bytes, max_bytes;
};

struct vast_cache *vast_cache_create(size_t max_bytes)
{
    struct vast_cache *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->max_bytes = max_bytes;
    return c;
}

static void unlink_entry(struct vast_cache *c, struct entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    c->bytes -= e->size;
}

static void link_newest(struct vast_cache *c, struct entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
    c->bytes += e->size;
}

static void drop(struct vast_cache *c, struct entry *e)
{
    unlink_entry(c, e);
    free(e);
}

void vast_cache_destroy(struct vast_cache *c)
{
    if (!c)
        return;
    while (c->oldest)
        drop(c, c->oldest);
    free(c);
}

static struct entry *find(struct vast_cache *c, struct str url)
{
    struct entry *e = c->newest;

    while (e && !str_equal(e->url, url))
        e = e->older;
    return e;
}

static struct str put_text(struct entry *e, size_t *at, struct str text)
{
    struct str copy = {e->text + *at, text.len};

    if (text.len)
        memcpy(e->text + *at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

void vast_cache_put(struct vast_cache *c, struct str url, const struct vast_answer *answer, int64_t until_ms)
{
    size_t size = sizeof(struct entry) + url.len + answer->body.len + answer->final_url.len, at = 0;
    struct entry *e = find(c, url);

    if (e)
        drop(c, e);
    if (size > c->max_bytes)
        return;
    while (c->bytes + size > c->max_bytes)
        drop(c, c->oldest);
    e = malloc(size);
    if (!e)
        abort();
    *e = (struct entry){.status = answer->status, .until_ms = until_ms, .size = size};
    e->url = put_text(e, &at, url);
    e->body = put_text(e, &at, answer->body);
    e->final_url = put_text(e, &at, answer->final_url);
    link_newest(c, e);
}

bool vast_cache_get(struct vast_cache *c, struct str url, int64_t now_ms, struct vast_answer *out)
{
    struct entry *e = find(c, url);

    if (e && e->until_ms <= now_ms) {
        drop(c, e);
        e = NULL;
    }
    if (!e)
        return false;
    unlink_entry(c, e);
    link_newest(c, e);
    *out = (struct vast_answer){.status = e->status, .body = e->body, .final_url = e->final_url};
    return true;
}

size_t vast_cache_bytes(const struct vast_cache *c)
{
    return c->bytes;
}
