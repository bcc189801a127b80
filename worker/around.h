/*
 * around.h - which offers a child goes around while its browser has enough to do.
 *
 * Pure: is told which traces needed the browser, and names the offers that lately did; claims then take what
 * is due of the others. Requests without an offer count as one.
 */
#ifndef TRACEPOOL_WORKER_AROUND_H
#define TRACEPOOL_WORKER_AROUND_H

#include "common/str.h"

enum {
    AROUND_MAX = 64, /* offers known at once; of more, the one that needs the browser least is forgotten */
    AROUND_ID_MAX = 40,
    AROUND_TEXT_MAX = AROUND_MAX * (AROUND_ID_MAX + 1) + 3,
};

struct around {
    struct around_offer {
        char id[AROUND_ID_MAX];
        double share; /* of its late traces, those that needed the browser */
    } offers[AROUND_MAX];
    int n;
    char text[AROUND_TEXT_MAX];
};

/* A trace of the offer (a UUID; empty: of none) was found to need the browser, or ended without it. */
void around_note(struct around *a, struct str offer_id, bool needed_browser);

/* The offers to go around as an array literal for PostgreSQL, until the next call; NULL: there are none. */
const char *around_offers(struct around *a);

#endif
