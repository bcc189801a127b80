/*
 * ship.h - from the spool to the database: in order, in batches, as often as it takes, each click once.
 *
 * One batch is under way at a time. A database that is down or refuses is asked again, with growing
 * pauses; the batch stays where it is, in the spool. A click that the database refuses for what is in it
 * is found by halving the batch, put aside in spool_quarantine, and counted; the others go on. A batch that
 * takes longer than a query may is halved as well.
 */
#ifndef TRACEPOOL_EDGE_SHIP_H
#define TRACEPOOL_EDGE_SHIP_H

#include "common/pg/conn.h"
#include "edge/spool.h"

#include <stdint.h>
#include <uv.h>

struct ship;

struct ship_options {
    uv_loop_t *loop;
    struct spool *spool;     /* must outlive it, up to its own on_closed: a read may be under way */
    struct pg *pg;           /* with the queries of edge/queries.h */
    const char *incarnation; /* borrowed; named in spool_quarantine */
    size_t batch;            /* clicks in one statement */
    int64_t
        yield_bytes; /* while less is unshipped, shipping leaves the processor to clicks most of the time */
};

struct ship *ship_create(const struct ship_options *options);
/* Goes on if there is something to do: after an append, when orphans came, when the database is back. */
void ship_kick(struct ship *ship);
/* The spool went back to what was committed (spool_meet_server): whatever is under way does not count. */
void ship_again(struct ship *ship);
/* Stops; what was not committed stays in the spool. After it no callback touches the spool. */
void ship_stop(struct ship *ship);
/* When spool and connection are destroyed. */
void ship_free(struct ship *ship);

/* Age of the oldest click that is not committed, by its own clock; 0 when there is none. */
int64_t ship_age_ms(const struct ship *ship, int64_t wall_ms);

#endif
