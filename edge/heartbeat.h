/*
 * heartbeat.h - tells the database, every ten seconds, that this edge lives and how far its spool lags.
 */
#ifndef TRACEPOOL_EDGE_HEARTBEAT_H
#define TRACEPOOL_EDGE_HEARTBEAT_H

#include "common/pg/conn.h"
#include "edge/ship.h"
#include "edge/spool.h"

#include <uv.h>

struct heartbeat;

struct heartbeat_options {
    uv_loop_t *loop;
    struct pg *pg;
    struct ship *ship;
    struct spool *spool;     /* asked to look for orphans at each beat, and told which database answers */
    const char *incarnation; /* borrowed */
};

struct heartbeat *heartbeat_create(const struct heartbeat_options *options);
/* One now, out of turn. */
void heartbeat_send(struct heartbeat *heartbeat);
/*
 * The last one, without the spool's age: nothing is left to ship, so nobody need look for it when we are
 * silent. True when it is said, or can't be said; call it again until then.
 */
bool heartbeat_goodbye(struct heartbeat *heartbeat);
void heartbeat_stop(struct heartbeat *heartbeat);
/* When the loop has ended. */
void heartbeat_free(struct heartbeat *heartbeat);

#endif
