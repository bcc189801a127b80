/*
 * rate.h - how often an ad server is asked: a fetched tag or wrapper may count as an ad request, so each
 * provider, or host where no provider says otherwise, has a cap. Pure: time comes from the caller.
 */
#ifndef TRACEPOOL_WORKER_VAST_RATE_H
#define TRACEPOOL_WORKER_VAST_RATE_H

#include "common/str.h"

#include <stdint.h>

struct vast_rate;

struct vast_rate *vast_rate_create(void);
void vast_rate_destroy(struct vast_rate *r);

/*
 * Takes a request of `name` that may make per_minute of them: 0 when it may go now, else the milliseconds
 * until it may, and nothing was taken. A tenth of the minute's may go at once, one in any case. 1024 names
 * are kept; the one that was asked for longest ago gives way.
 */
int64_t vast_rate_take(struct vast_rate *r, struct str name, double per_minute, int64_t now_ms);

#endif
