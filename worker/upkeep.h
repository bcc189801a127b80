/*
 * upkeep.h - what a child does so that the farm heals: heartbeats, giving back the leases of the dead,
 * and letting go of its own when the database has not heard of it for too long.
 */
#ifndef TRACEPOOL_WORKER_UPKEEP_H
#define TRACEPOOL_WORKER_UPKEEP_H

#include "common/pg/conn.h"
#include "common/str.h"

enum { UPKEEP_DEAD = 64, UPKEEP_NAME_MAX = 160 };

struct child;

/* A sibling that died. */
struct dead_worker {
    char name[UPKEEP_NAME_MAX]; /* its incarnation */
    int64_t due_ms;             /* when to give back what it held, again */
    int rounds;                 /* done so far */
    bool was_gone;              /* at the last round PostgreSQL had no backend of it any more */
};

struct upkeep {
    struct child *child;
    uv_timer_t beat;
    uv_timer_t retry; /* for the dead, while the database does not answer */
    int64_t started_ms;
    int64_t sent_ms;                 /* when the heartbeat on its way was sent */
    int64_t heard_ms;                /* when the last heartbeat that arrived was sent */
    int64_t rescue_ms, providers_ms; /* when these were last looked at */
    int64_t unsure_until_ms;         /* PostgreSQL may hold leases for us that we don't know */
    bool is_beating;
    struct dead_worker dead[UPKEEP_DEAD];
    int ndead;
    int releasing; /* which of them is being asked for; -1 for none */
};

void upkeep_start(struct upkeep *u, struct child *child);
void upkeep_close(struct upkeep *u);

/* The database is there (again): a heartbeat at once, and what waited for it. */
void upkeep_wake(struct upkeep *u);
/* A sibling died: give back what it held, however long it takes to reach the database. */
void upkeep_sibling_dead(struct upkeep *u, const char *incarnation);
/* A claim got no answer: compare what PostgreSQL holds for us with what we know. */
void upkeep_claim_lost(struct upkeep *u);

#endif
