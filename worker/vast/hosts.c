/*
 * hosts.c - see hosts.h.
 */
#include "worker/vast/hosts.h"

#include "common/scope.h"

#include <string.h>

enum { WAIT_FOR_END = -1, SECOND_MS = 1000 };

void hosts_finish(struct hosts *h)
{
    free(h->items);
    h->items = NULL;
    h->n = 0;
}

static struct host_state *find(struct hosts *h, struct str host)
{
    for (int i = 0; i < h->n; i++)
        if (str_equal(str_from(h->items[i].name), str_slice(host, 0, HOST_NAME_MAX_BYTES - 1)))
            return &h->items[i];
    return NULL;
}

/* A place for one more: a new one, or that of the host which has been idle the longest. */
static struct host_state *place(struct hosts *h)
{
    struct host_state *idle = NULL;

    if (!h->items)
        h->items = calloc(HOSTS_MAX, sizeof(*h->items));
    if (!h->items)
        abort();
    if (h->n < HOSTS_MAX)
        return &h->items[h->n++];
    for (int i = 0; i < h->n; i++)
        if (h->items[i].running == 0 && (!idle || h->items[i].used_ms < idle->used_ms))
            idle = &h->items[i];
    return idle;
}

static struct host_state *find_or_add(struct hosts *h, struct str host, int64_t now_ms)
{
    struct host_state *s = find(h, host);

    if (s)
        return s;
    s = place(h);
    if (!s)
        return NULL;
    *s = (struct host_state){.tokens = h->limits.rate, .filled_ms = now_ms};
    host = str_slice(host, 0, HOST_NAME_MAX_BYTES - 1);
    memcpy(s->name, host.ptr, host.len);
    return s;
}

/* The bucket holds one second's worth. */
static void fill(struct host_state *s, int rate, int64_t now_ms)
{
    s->tokens += (double)(now_ms - s->filled_ms) * rate / SECOND_MS;
    if (s->tokens > rate)
        s->tokens = rate;
    s->filled_ms = now_ms;
}

int64_t hosts_take(struct hosts *h, struct str host, int64_t now_ms)
{
    struct host_state *s = find_or_add(h, host, now_ms);

    if (!s || s->running >= h->limits.concurrency || s->is_trying)
        return WAIT_FOR_END;
    if (s->closed_until_ms > now_ms)
        return s->closed_until_ms - now_ms;
    fill(s, h->limits.rate, now_ms);
    if (s->tokens < 1)
        return 1 + (int64_t)((1 - s->tokens) * SECOND_MS / h->limits.rate);
    s->tokens -= 1;
    s->running++;
    s->used_ms = now_ms;
    s->is_trying = s->closed_until_ms > 0;
    return 0;
}

void hosts_put(struct hosts *h, struct str host, bool was_answered, bool was_failure, int64_t now_ms)
{
    struct host_state *s = find(h, host);

    if (!s)
        return;
    s->running--;
    s->is_trying = false;
    if (was_failure) {
        s->failures++;
        if (s->failures >= h->limits.breaker_failures)
            s->closed_until_ms = now_ms + h->limits.breaker_ms;
    } else if (was_answered) {
        s->failures = 0;
        s->closed_until_ms = 0;
    }
}
