/*
 * decide.h - what a click is answered, and what is to be traced for it. Pure: query in, decision out.
 *
 * Leaves to hit.c what depends on the request around the query: method, prefetch, the spool.
 */
#ifndef TRACEPOOL_EDGE_DECIDE_H
#define TRACEPOOL_EDGE_DECIDE_H

#include "common/arena.h"
#include "common/buf.h"
#include "edge/inbound.h"
#include "edge/offers.h"

/* clang-format off */
/*    outcome        status  skip_reason (with a fallback)  message for the caller */
#define DECIDE_OUTCOMES(X)                                                                                                         \
    X(REDIRECT,      302,    NULL,             "")                                                                                 \
    X(NO_OFFER,      400,    NULL,             "parameter offer is missing: .../track-hit-instant?offer=NAME")                     \
    X(UNREADABLE,    400,    NULL,             "the query has too many parameters")                                                \
    X(TOO_LONG,      400,    NULL,             "the redirect's Location would be longer than 8192 bytes; send fewer parameters")   \
    X(UNKNOWN,       404,    "offer_unknown",  "no offer of that name")                                                            \
    X(INACTIVE,      404,    "offer_inactive", "this offer is not active")                                                         \
    X(BROKEN,        500,    "offer_broken",   "this offer has no usable URL; the edge's log says why")                            \
    X(NOT_LOADED,    503,    NULL,             "offers are not loaded yet: no database and no snapshot so far")
/* clang-format on */

enum decide_outcome {
#define DECIDE_ENUM(name, status, reason, message) DECIDE_##name,
    DECIDE_OUTCOMES(DECIDE_ENUM)
#undef DECIDE_ENUM
        DECIDE_OUTCOME_COUNT
};

enum decide_visible { DECIDE_VISIBLE_NONE, DECIDE_VISIBLE_FOLLOWED, DECIDE_VISIBLE_REFUSED };

/* What a decision depends on besides the query. */
struct decide_env {
    const struct offers *offers; /* NULL: none were ever loaded */
    struct str redirect_param;   /* the visible target's name where the offer names none; empty: off */
    struct str fallback;         /* serialised URL, or empty */
    struct str header_country;   /* from a trusted proxy, or empty */
    uint32_t chance;             /* random: picks among the offer's URLs */
    bool is_debug;               /* the parameter debug is for us */
};

/*
 * location is not empty exactly when the answer is a 302, and then the click is recorded: outcome
 * REDIRECT to be traced, any other one with its skip_reason.
 */
struct decision {
    enum decide_outcome outcome;
    enum decide_visible visible;
    const struct offer *offer; /* NULL: unknown */
    struct str offer_name;     /* as asked for */
    struct inbound inbound;
    struct str country;
    struct buf location; /* owned */
    struct buf traced;   /* owned: what the row's tracking_url becomes */
};

void decision_init(struct decision *d);
void decision_finish(struct decision *d);

/* Views in the decision live as long as query, arena and offers. */
void decide(const struct decide_env *env, struct arena *a, struct str query, struct decision *out);

/* "redirect", "no_offer", ... */
const char *decide_outcome_name(enum decide_outcome outcome);
int decide_status(enum decide_outcome outcome);
const char *decide_skip_reason(enum decide_outcome outcome);
const char *decide_message(enum decide_outcome outcome);

#endif
