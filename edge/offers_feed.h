/*
 * offers_feed.h - keeps the offers in memory as they are in the database.
 *
 * Asked for when the connection comes up, on NOTIFY tracepool_offers, and every edge.offers_poll_s. What
 * was taken over last is kept as offers.json in the spool's folder, so that an edge that starts while the
 * database is down serves what was known. That file is replaced as a whole, never half.
 */
#ifndef TRACEPOOL_EDGE_OFFERS_FEED_H
#define TRACEPOOL_EDGE_OFFERS_FEED_H

#include "common/pg/conn.h"
#include "edge/offers.h"

#include <stdint.h>
#include <uv.h>

struct offers_feed;

/* Reads the snapshot, if there is one. dir is borrowed. */
struct offers_feed *offers_feed_create(uv_loop_t *loop, const char *dir, int64_t poll_ms);
/* From now on asks over this connection. */
void offers_feed_connect(struct offers_feed *feed, struct pg *pg);
/* Asks now, or once more after the answer that is under way. Nothing happens while the database is down. */
void offers_feed_refresh(struct offers_feed *feed);
/* What is known; NULL before the first snapshot or answer. Valid until the loop's next turn. */
const struct offers *offers_feed_get(const struct offers_feed *feed);

/* Stops asking. */
void offers_feed_stop(struct offers_feed *feed);
/* When the loop has ended: a write of the snapshot may still run before. */
void offers_feed_free(struct offers_feed *feed);

#endif
