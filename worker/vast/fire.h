/*
 * fire.h - sends tracking requests. The only code of tracepool that does.
 *
 * Every URL, and the target of every redirect, passes allow.h right before it goes on the wire; the address
 * guard judges each connection. Nothing goes through a proxy, nothing claims to come from a viewer, and the
 * User-Agent says what this is.
 *
 * A billing request gets a connection of its own and is never sent twice: as soon as a byte may have left,
 * an end without an answer is UNKNOWN. The others share a pool of connections that stay open between the
 * events of a view; libcurl sends such a request once more on a new connection when a kept one turns out dead
 * before the answer's first byte.
 *
 * Which requests are due, and what is done after an outcome, is the caller's. A library: clock, verdict on
 * what happened and counting are callbacks; no SQL, no settings, no log.
 */
#ifndef TRACEPOOL_WORKER_VAST_FIRE_H
#define TRACEPOOL_WORKER_VAST_FIRE_H

#include "worker/vast/allow.h"

#include <stdint.h>
#include <uv.h>

/* clang-format off */
/*    outcome    name       what it means */
#define FIRE_OUTCOMES(X)                                                                                  \
    X(TRACKED,   "tracked") /* answered 2xx or 304 */                                                     \
    X(FAILED,    "failed")  /* answered otherwise, or broken in a way that stays */                       \
    X(UNKNOWN,   "unknown") /* billing: it may have arrived, and nobody said so */                        \
    X(BLOCKED,   "blocked") /* the URL or a redirect leads where nothing may be sent */                   \
    X(RETRY,     "retry")   /* worth another attempt; of a billing request: and not a byte has left */    \
    X(HELD,      "held")    /* stopped before anything was sent */

/*    count                 what is counted, by pool */
#define FIRE_COUNTS(X)                                                                                    \
    X(OPENED)  /* a connection was made */                                                                \
    X(REUSED)  /* a request went out on a kept connection */                                              \
    X(DIED)    /* a kept connection was dead, and the request went out once more on another */
/* clang-format on */

#define FIRE_ENUM_OUTCOME(code, name) FIRE_##code,
#define FIRE_ENUM_COUNT(code) FIRE_##code,
enum fire_outcome { FIRE_OUTCOMES(FIRE_ENUM_OUTCOME) FIRE_OUTCOME_COUNT };
enum fire_count { FIRE_COUNTS(FIRE_ENUM_COUNT) FIRE_COUNT_COUNT };
#undef FIRE_ENUM_OUTCOME
#undef FIRE_ENUM_COUNT

/* "tracked", ... as finish_tracking_events reads them. */
const char *fire_outcome_name(enum fire_outcome outcome);

struct fire_result {
    enum fire_outcome outcome;
    const char *phase;   /* resolve, connect, tls, sent, answered: how far it came */
    int status;          /* of the last answer; 0: none */
    struct err err;      /* ERR_OK when it was tracked */
    int64_t response_ms; /* from its start to the last answer's end; -1 without an answer */
    int64_t pause_ms;    /* the receiver asked to wait that long (Retry-After); 0: it did not */
    bool is_reused;
    char remote[64]; /* address of the last connection; "" for none */
};

struct fire_options {
    uv_loop_t *loop;
    const char *user_agent; /* borrowed, as ca_file */
    const char *ca_file;    /* "" for the system's authorities only */
    bool allow_private;
    int64_t connect_timeout_ms;
    int64_t timeout_ms;  /* one request, to the end of its answer; a redirect is another one */
    int64_t keepalive_s; /* connections that rested for longer are not used again */
    int max_connections, kept_connections;
    int host_concurrency; /* requests at once to one host */
    int host_rate;        /* and per second */
    int breaker_failures; /* so many failures in a row close a host */
    int64_t breaker_ms;   /* for so long */
    int64_t (*now_ms)(void *arg);
    void (*count)(void *arg, enum fire_count what, bool is_billing);
    /* Never called from within fire_send. `owner` is fire_send's; the request is over. */
    void (*done)(void *arg, void *owner, const struct fire_result *result);
    void *arg;
};

struct fire;

struct fire *fire_create(const struct fire_options *options);
/* Ends what runs without a word. on_closed (may be NULL) when the last handle is gone. Accepts NULL. */
void fire_destroy(struct fire *f, void (*on_closed)(void *arg), void *arg);

/* The hosts that may be called from now on, also by redirects of what is under way. Copied. */
void fire_set_allowed(struct fire *f, const struct allow_list *list);
/* What allow.h and the guard say of a URL, with that list. */
NODISCARD bool fire_allows(const struct fire *f, const struct url *url, struct err *err);
/* While stopped nothing begins: what has not sent a byte yet is HELD, no redirect is followed. */
void fire_set_stopped(struct fire *f, bool is_stopped);

/*
 * How long a request to that host has to wait: 0 when it may go now, which takes its place in the host's rate
 * and concurrency (fire_send, or fire_give_up, must follow). -1: until one of its requests has ended.
 */
int64_t fire_room(struct fire *f, struct str host);
void fire_give_up(struct fire *f, struct str host);

/* Sends it; exactly one done follows. url as parsed from the expanded text; copied. */
void fire_send(struct fire *f, const struct url *url, bool is_billing, void *owner);

#endif
