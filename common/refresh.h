/*
 * refresh.h - the value of a Refresh header or of <meta http-equiv="refresh" content="...">.
 *
 * HTML Standard, "shared declarative refresh steps": what browsers obey, "0;url=/x" and every sloppier
 * spelling of it.
 */
#ifndef TRACEPOOL_COMMON_REFRESH_H
#define TRACEPOOL_COMMON_REFRESH_H

#include "common/str.h"

struct refresh {
    int delay_s; /* whole seconds; a fraction is dropped, more than INT_MAX is INT_MAX */
    struct str
        url; /* a view into the value, as url_parse takes it; ptr is NULL when the page reloads itself */
};

/*
 * Reads a value (of a content attribute: after its character references were decoded). False and *out
 * untouched when a browser would not act on it. Allocates nothing.
 */
bool refresh_parse(struct str value, struct refresh *out);

#endif
