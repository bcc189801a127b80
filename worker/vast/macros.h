/*
 * macros.h - expand [NAME] and ${NAME} in a URL (VAST 4.2, section 6).
 *
 * One pass from left to right: what was put in is never looked at again. A name begins with a letter and
 * goes on with letters, digits and '_'; case matters. Values are raw and are percent-encoded once, to the
 * unreserved characters of RFC 3986; the items of a list are joined by a bare comma.
 */
#ifndef TRACEPOOL_WORKER_VAST_MACROS_H
#define TRACEPOOL_WORKER_VAST_MACROS_H

#include "common/buf.h"

#include <stdint.h>

/* What becomes of a known name without a value. An unknown name is always left as it stands. */
enum vast_macro_mode {
    VAST_MACRO_LEAVE, /* left as it stands */
    VAST_MACRO_IAB,   /* -1 (unknown), or -2 (known, but withheld); ERRORCODE becomes 900 */
};

struct vast_macro {
    struct str name;
    const struct str *values; /* one, or the items of a list */
    int nvalues;
    bool is_withheld;
};

/* Which spellings are macros. */
enum vast_macro_formats {
    VAST_MACRO_BOTH,
    VAST_MACRO_BRACKETS /* [NAME] */,
    VAST_MACRO_DOLLARS /* ${NAME} */
};

struct vast_macros {
    const struct vast_macro *items;
    int n;
    enum vast_macro_formats formats;
    /* CACHEBUSTING and TIMESTAMP are made anew for each use unless items give them. */
    int64_t (*wall_ms)(void *arg); /* milliseconds since 1970; NULL: neither is made */
    uint32_t (*random)(void *arg); /* NULL: CACHEBUSTING is not made */
    void *arg;
};

/* Appends the expanded template to out. False when out is full. */
NODISCARD bool vast_macro_expand(struct str url_template, const struct vast_macros *macros,
                                 enum vast_macro_mode mode, struct buf *out);

/* Whether the IAB lists a macro of that name (59 names, repository vast at ec2a7ce). */
bool vast_macro_is_known(struct str name);

/*
 * The next macro at or after *at: its name, and *at moved behind it. False when there is none. For lint and
 * for whoever wants to know which values a template asks for.
 */
bool vast_macro_next(struct str url_template, size_t *at, struct str *name);

#endif
