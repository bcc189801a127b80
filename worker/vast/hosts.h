/*
 * hosts.h - what fire.c keeps of each host: how many requests are under way, the rate, and whether it is
 * closed for a while because it kept failing. Pure: time comes from the caller.
 */
#ifndef TRACEPOOL_WORKER_VAST_HOSTS_H
#define TRACEPOOL_WORKER_VAST_HOSTS_H

#include "common/str.h"

#include <stdint.h>

enum { HOSTS_MAX = 512, HOST_NAME_MAX_BYTES = 256 };

struct host_limits {
    int concurrency, rate, breaker_failures;
    int64_t breaker_ms;
};

struct host_state {
    char name[HOST_NAME_MAX_BYTES];
    int running, failures; /* failures in a row */
    double tokens;
    int64_t filled_ms, used_ms;
    int64_t closed_until_ms; /* 0: open */
    bool is_trying;          /* closed no more, and one request finds out whether it is well */
};

struct hosts {
    struct host_limits limits;
    struct host_state *items; /* owned */
    int n;
};

void hosts_finish(struct hosts *h);

/* As fire_room. A table full of busy hosts makes the next one wait. */
int64_t hosts_take(struct hosts *h, struct str host, int64_t now_ms);
/* The request is over. was_failure: in a way that says something about the host. */
void hosts_put(struct hosts *h, struct str host, bool was_answered, bool was_failure, int64_t now_ms);

#endif
