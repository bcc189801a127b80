/*
 * turns.h - when a child may claim again, and whether it then looks everywhere or goes on at its cursors.
 *
 * A claim that came back short is followed by a full scan, because the missing work may lie behind a cursor
 * or in a new country. Slow ones may take a twentieth of the time at most, however slow they have become, and
 * so may claims around offers. Plain moments of the loop's clock: timers and questions are claims.c's.
 */
#ifndef TRACEPOOL_WORKER_TURNS_H
#define TRACEPOOL_WORKER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

struct turns {
    bool wants_full;                   /* the last claim came back short: look everywhere */
    int64_t full_from_ms, full_due_ms; /* a full scan may, and must, be made from then on */
    int64_t around_from_ms;            /* no claim around offers before */
    int64_t rests_until_ms;            /* no claim before, unless for a batch */
};

/* Whether the next claim should be a full scan. */
bool turns_want_full(const struct turns *t);
/* Milliseconds until a full scan may be made; zero or less: now. */
int64_t turns_until_full(const struct turns *t);
/* A full scan took so long; without being asked for, the next is due in full_scan_s. */
void turns_note_full(struct turns *t, int64_t took_ms, int64_t full_scan_s);

bool turns_may_go_around(const struct turns *t);
/* A claim around offers took so long, and came back short. */
void turns_note_around(struct turns *t, int64_t took_ms);

/*
 * Begins a rest of gather_ms at most, and returns how long it will be: half of that at least, so that
 * children which one NOTIFY woke together do not stay in step.
 */
int64_t turns_rest(struct turns *t, int64_t gather_ms);
/* Milliseconds that are left of the rest; zero or less: it is over. */
int64_t turns_until_rested(const struct turns *t);

#endif
