/*
 * uuid.h - version 7 UUIDs (RFC 9562): the milliseconds of the wall clock, a counter, chance.
 *
 * Made where a thing is born (the edge, for a click), so that writing it down twice is the same row, and
 * rows that are born together lie together in an index.
 */
#ifndef TRACEPOOL_COMMON_UUID_H
#define TRACEPOOL_COMMON_UUID_H

#include "common/str.h"

#include <stdint.h>

enum { UUID_TEXT = 36 };

struct uuid {
    char text[UUID_TEXT + 1]; /* lower case, NUL-terminated */
};

/*
 * The next one of this process: greater than all before it, also when the clock stands still or is set
 * back. Not for threads at once. Aborts when the kernel gives no random bytes.
 */
struct uuid uuid7_next(int64_t wall_ms);

/* Whether s is a UUID as text (8-4-4-4-12 hexadecimal digits, either case). */
bool uuid_is_valid(struct str s);

#endif
