/*
 * keep.h - a click is kept before it is answered: on disk, or else in the database, or else not at all.
 *
 * The spool comes first. A click that it refuses or loses, or holds for longer than a sync may take, is
 * committed to the database before it is answered; several at once in one statement. One that the database
 * refuses for what is in it is put aside in spool_quarantine, and that is kept too. It has its id, so a
 * click that reaches the database both ways is one row. When neither has it in time, nobody knows what became
 * of it, and the caller is told so.
 */
#ifndef TRACEPOOL_EDGE_KEEP_H
#define TRACEPOOL_EDGE_KEEP_H

#include "common/pg/conn.h"
#include "edge/spool.h"

#include <stdint.h>
#include <uv.h>

enum {
    KEEP_STALL_MS = 80,      /* for a sync; then the database is asked too */
    KEEP_REFUSED_MS = 150,   /* in all, for a click that the spool does not have */
    KEEP_PATIENCE_MS = 1000, /* in all, for one that the spool may still sync */
};

struct keep;

/* A click under way; embedded in whatever waits for it. */
struct keep_click {
    /* Set by the caller before keep_add. */
    int64_t at_ms;      /* wall clock */
    struct str payload; /* must last until release */
    /* Once, on the loop: whether it is kept. False: it may be and may not be. */
    void (*done)(struct keep_click *click, bool is_kept);
    /* Last, behind done: nobody looks at the click any more. */
    void (*release)(struct keep_click *click);
    /* The rest is keep.c's. */
    struct spool_entry entry;
    struct keep *keep;
    struct keep_list *list; /* the one it stands in, or NULL */
    struct keep_click *before, *after;
    int64_t since_ms;
    bool is_spooling; /* the spool will still tell */
    bool is_answered;
};

/*
 * spool, pg (with the queries of edge/queries.h) and incarnation (named in spool_quarantine) must outlive it.
 */
struct keep *keep_create(uv_loop_t *loop, struct spool *spool, struct pg *pg, const char *incarnation);
void keep_add(struct keep *keep, struct keep_click *click);
/* Answers what waits. After it spool and connection may be destroyed. */
void keep_stop(struct keep *keep);
/* When the loop has ended. */
void keep_free(struct keep *keep);

#endif
