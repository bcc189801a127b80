/*
 * cursors.h - where to go on in each country's queue and pool.
 *
 * Dead index entries gather at the left end of a queue; a claim that starts where the last one stopped does
 * not wade through them. Positions are timestamps that PostgreSQL gave and only it reads, so they are text
 * here. They are a hint: what lies behind them is found by the full scans.
 */
#ifndef TRACEPOOL_WORKER_CURSORS_H
#define TRACEPOOL_WORKER_CURSORS_H

#include "common/buf.h"

enum { CURSORS_MAX = 256, CURSOR_COUNTRY_MAX = 16, CURSOR_TEXT_MAX = 40 };

struct cursor {
    char country[CURSOR_COUNTRY_MAX];
    char request[CURSOR_TEXT_MAX], ip[CURSOR_TEXT_MAX]; /* "" is -infinity */
};

struct cursors {
    struct cursor all[CURSORS_MAX];
    int n;
};

/*
 * Remembers the positions of a country. A country that is no plain word or one too many is left out:
 * full scans serve it. Empty positions keep what is known.
 */
void cursors_put(struct cursors *c, struct str country, struct str request, struct str ip);

/* As three text literals of PostgreSQL arrays, in the same order. The buffers are emptied first. */
void cursors_write(const struct cursors *c, struct buf *countries, struct buf *requests, struct buf *ips);

#endif
