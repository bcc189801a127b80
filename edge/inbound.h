/*
 * inbound.h - the parameters that came with a click.
 *
 * Each is kept twice: as it was written, for the Location, and decoded, for names, placeholders and the
 * row. Order and duplicates stay.
 */
#ifndef TRACEPOOL_EDGE_INBOUND_H
#define TRACEPOOL_EDGE_INBOUND_H

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"

struct inbound_param {
    struct str raw;      /* as written, "name=value" or "name" */
    struct str raw_name; /* as written, up to '=' */
    struct str name;     /* decoded; any bytes */
    struct str value;    /* decoded; any bytes */
    bool is_click_id;
    bool is_own; /* meant for the edge (offer, the visible target): goes no further */
};

struct inbound {
    struct inbound_param *params; /* in the arena */
    size_t n;
};

/* Reads a raw query; what it gives lives in the query and the arena. ERR_TOO_BIG when the arena is full. */
NODISCARD bool inbound_read(struct arena *a, struct str query, struct inbound *out, struct err *err);

/*
 * The value of the first parameter of that name (ptr NULL: there is none), and all of that name are
 * marked as the edge's own. The first, because what is appended to a link must not change its meaning.
 */
struct str inbound_take(struct inbound *in, struct str name);

/* The last parameter of that name that is not the edge's own, or NULL. */
const struct inbound_param *inbound_last(const struct inbound *in, struct str name);

#endif
