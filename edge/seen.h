/*
 * seen.h - what the children of one host remember together: clicks of the last moments, and how fast an
 * address clicks.
 *
 * Shared memory of a fixed size, made by the parent and inherited, so it outlives every child. What does not
 * fit pushes out what is oldest; whoever is pushed out is forgotten, never confused. Keys are keyed hashes:
 * nobody outside can make two of them meet, and no address is kept.
 */
#ifndef TRACEPOOL_EDGE_SEEN_H
#define TRACEPOOL_EDGE_SEEN_H

#include "common/err.h"
#include "common/str.h"
#include "common/uuid.h"

#include <stdint.h>

struct seen;

/* The memory, as a descriptor for the children. ERR_IO. */
NODISCARD bool seen_create(int *fd, struct err *err);
NODISCARD bool seen_attach(int fd, struct seen **out, struct err *err);
/* Accepts NULL. */
void seen_detach(struct seen *seen);

/* A key for these texts, in this order; never 0. */
uint64_t seen_key(const struct seen *seen, const struct str *texts, size_t n);

/*
 * Whether a click of that key came within window_ms before now_ms (monotonic): then *first is its id. If not,
 * this click is the first from now on, under its own id; NULL only looks. A first click that seen_keep has
 * not confirmed within two seconds counts no longer: it was perhaps never answered.
 */
bool seen_before(struct seen *seen, uint64_t key, int64_t now_ms, int64_t window_ms, const struct uuid *id,
                 struct uuid *first);
/* The first click of that key and id is kept; or it is not, and is forgotten. */
void seen_keep(struct seen *seen, uint64_t key, const struct uuid *id, bool is_kept);

/*
 * A token bucket: whether one more is allowed at now_us, with one token each interval_us and at most burst of
 * them. With takes false it only looks.
 */
bool seen_allows(struct seen *seen, uint64_t key, int64_t now_us, int64_t interval_us, int64_t burst,
                 bool takes);

#endif
