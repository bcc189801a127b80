/*
 * rate.c - a bucket of tokens for each name.
 */
#include "worker/vast/rate.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 1024, NAME_MAX_BYTES = 256, MINUTE_MS = 60000 };

struct bucket {
    char name[NAME_MAX_BYTES];
    double tokens;
    int64_t filled_ms;
};

struct vast_rate {
    struct bucket buckets[NAMES_MAX];
    int n;
};

struct vast_rate *vast_rate_create(void)
{
    struct vast_rate *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    return r;
}

void vast_rate_destroy(struct vast_rate *r)
{
    free(r);
}

static double size_of(double per_minute)
{
    return per_minute > 10 ? per_minute / 10 : 1;
}

/* The bucket of the name: its own, a new one, or the one that was filled longest ago. */
static struct bucket *find(struct vast_rate *r, struct str name, double per_minute, int64_t now_ms)
{
    struct bucket *oldest = &r->buckets[0], *b;

    for (int i = 0; i < r->n; i++) {
        b = &r->buckets[i];
        if (str_equal(str_from(b->name), name))
            return b;
        if (b->filled_ms < oldest->filled_ms)
            oldest = b;
    }
    b = r->n < NAMES_MAX ? &r->buckets[r->n++] : oldest;
    snprintf(b->name, sizeof(b->name), "%.*s", STR_ARG(name));
    b->tokens = size_of(per_minute);
    b->filled_ms = now_ms;
    return b;
}

int64_t vast_rate_take(struct vast_rate *r, struct str name, double per_minute, int64_t now_ms)
{
    struct bucket *b = find(r, str_slice(name, 0, NAME_MAX_BYTES - 1), per_minute, now_ms);
    double most = size_of(per_minute);

    b->tokens += (double)(now_ms - b->filled_ms) * per_minute / MINUTE_MS;
    b->filled_ms = now_ms;
    if (b->tokens > most)
        b->tokens = most;
    if (b->tokens >= 1) {
        b->tokens -= 1;
        return 0;
    }
    return (int64_t)((1 - b->tokens) * MINUTE_MS / per_minute) + 1;
}
