/*
 * limit.h - how many traces a child may hold at once now, and what says so.
 *
 * Pure: is told what is seen, and decides; pace.c looks, asks and logs. At most `slots`; fewer while the
 * database is slow or this machine at its end (halved, then grown step by step). Of traces that will need the
 * browser, by the share of late ones that did, as many as find a place there or are next: others would only
 * keep IPs from being used.
 */
#ifndef TRACEPOOL_WORKER_LIMIT_H
#define TRACEPOOL_WORKER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
/*    limit     name             what it means, weakest first */
#define LIMITS(X)                                                                      \
    X(NONE,     "none",          "whatever is due is claimed")                         \
    X(SLOTS,    "slots",         "more is due than worker.slots and children allow")   \
    X(FREE_IPS, "free_ips",      "something is due in a country that has no IP free")  \
    X(BROWSER,  "browser_slots", "traces wait for browser.contexts; others go on")     \
    X(DATABASE, "database",      "claims and results take longer than worker.slow_database_ms, or get no answer") \
    X(HOST,     "host",          "this machine ran out of local ports, descriptors or memory for connections")
/* clang-format on */

enum limit_by {
#define LIMIT_ENUM(ident, name, meaning) LIMIT_##ident,
    LIMITS(LIMIT_ENUM)
#undef LIMIT_ENUM
        LIMIT_COUNT
};

struct limit {
    int slots;
    int64_t slow_us;
    double target;        /* traces at once, as database and machine bear them: 1 to slots */
    enum limit_by cut_by; /* what made target less than slots */
    double browser_share; /* of late traces, those that needed the browser */
    int64_t cut_ms, raised_ms;
    int rest_looks; /* nothing is claimed for so many more */
    unsigned seen;  /* since the last look, a bit each */
    enum limit_by by;
    int stronger, weaker; /* looks in a row that saw something stronger, or weaker, than by */
};

void limit_init(struct limit *l, int slots, int64_t slow_ms);
const char *limit_name(enum limit_by by);

/* A statement took so long, or has been under way for so long. */
void limit_database_took(struct limit *l, int64_t us, int64_t now_ms);

/*
 * A trace found this machine without a port or the like. Nothing is claimed for a moment, so that a full port
 * table is not asked a thousand times a second; then half as many traces as before.
 */
void limit_host_exhausted(struct limit *l, int64_t now_ms);

/* A trace ended, and needed the browser or not. */
void limit_trace_ended(struct limit *l, bool needed_browser);

/* The browser: traces at once in it, of these those that run, and those that wait. Zeroed without one. */
struct limit_browser {
    int places, open, waiting;
};

/* Traces that may be claimed while so many are held. *by is what makes it 0, and LIMIT_NONE otherwise. */
int limit_room(const struct limit *l, int running, struct limit_browser browser, enum limit_by *by);

/*
 * The same for traces that will not need the browser: none when those that wait for it take more than half of
 * the slots.
 */
int limit_room_around(const struct limit *l, int running, struct limit_browser browser);

/* Seen since the last look: work was held back by this. */
void limit_note(struct limit *l, enum limit_by by);
/*
 * At regular times: true when l->by has changed. The strongest limit that was seen counts, when it was seen
 * twice in a row; a weaker one has to last longer, so that a farm at the edge of two says one.
 */
bool limit_look(struct limit *l);

#endif
