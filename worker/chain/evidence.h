/*
 * evidence.h - what may be kept of a trace beyond its chain, and what was. Plain data.
 *
 * Evidence never costs a trace its result: what does not fit into the trace's memory, or does not come in
 * time, is left out. Text is as the target sent it; whoever writes it down makes it valid UTF-8.
 */
#ifndef TRACEPOOL_WORKER_CHAIN_EVIDENCE_H
#define TRACEPOOL_WORKER_CHAIN_EVIDENCE_H

#include "common/arena.h"

#include <stdint.h>

/* clang-format off */
/*    kind         name          browser  what it is */
#define EVIDENCE_MAP(X)                                                                                    \
    X(HAR,         "har",        false)   /* the whole trace as HAR 1.2 */                                 \
    X(SCREENSHOT,  "screenshot", true)    /* what a visitor would see of the last page */                  \
    X(COOKIES,     "cookies",    false)   /* what the trace's cookie jar held in the end */                \
    X(CONSOLE,     "console",    true)    /* errors and warnings of the pages' scripts, and of the browser */
/* clang-format on */

#define EVIDENCE_ENUM(code, name, browser) EVIDENCE_##code,
enum evidence { EVIDENCE_MAP(EVIDENCE_ENUM) EVIDENCE_COUNT };
#undef EVIDENCE_ENUM

/* A set of kinds. */
static inline unsigned evidence_bit(enum evidence kind)
{
    return 1u << kind;
}

static inline bool evidence_has(unsigned set, enum evidence kind)
{
    return set & evidence_bit(kind);
}

const char *evidence_name(enum evidence kind);
/* Whether something in the set is to be had from a browser alone. */
bool evidence_needs_browser(unsigned set);

struct kept_cookie {
    struct str name, value;
    struct str domain; /* without a leading dot */
    struct str path;
    struct str same_site; /* "Strict", "Lax", "None"; empty: unknown, or not said */
    int64_t expires_s;    /* since 1970; 0: with the session */
    bool is_host_only;    /* the domain alone, no host below it */
    bool is_secure, is_http_only;
};

struct kept_message {
    struct str kind; /* "exception", "error", "warning" */
    struct str text;
    struct str source;    /* URL of the script or resource; empty: unknown */
    int64_t line, column; /* from 1; 0: unknown */
    int hop;              /* during which it came, from 0 */
};

struct kept {
    struct str screenshot;      /* base64; empty: none */
    struct str screenshot_type; /* "image/png", "image/jpeg" */
    struct kept_cookie *cookies;
    int ncookies, cookies_left_out;
    struct kept_message *messages;
    int nmessages, messages_left_out;
};

/* Whether the trace can spare so much of its memory for evidence. */
bool kept_has_room(const struct arena *a, size_t bytes);
/* Copies what it is given, as far as there is room; what is left out is counted. */
void kept_add_cookie(struct arena *a, struct kept *k, const struct kept_cookie *cookie);
void kept_add_message(struct arena *a, struct kept *k, const struct kept_message *message);

#endif
