/*
 * clock.h - the time that clicks are stamped with and shipped at: the machine's, but without its jumps.
 *
 * What a row says of a click's moment is the database's clock less the click's age, and the age is a
 * difference of two readings of this clock. A machine whose clock is set while clicks are spooled would make
 * them hours old, or years; this one goes evenly (CLOCK_MONOTONIC) from where it was last settled.
 */
#ifndef TRACEPOOL_EDGE_CLOCK_H
#define TRACEPOOL_EDGE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970. */
int64_t clock_ms(void);
/* Takes on the machine's time: while nothing is spooled nobody notices. */
void clock_settle(void);

#endif
