/*
 * html.h - what a page says about where to go next, without running its scripts. Pure: bytes in, facts out.
 */
#ifndef TRACEPOOL_WORKER_TRACER_HTML_H
#define TRACEPOOL_WORKER_TRACER_HTML_H

#include "worker/chain/chain.h"

#include <stdint.h>

/* A meta refresh that counts: not in a comment, template, textarea, noscript or script. */
struct page_refresh {
    int delay_s;
    struct str url;  /* as written, character references decoded; ptr NULL: the page reloads itself */
    struct str base; /* the base href in force at that place; ptr NULL: the page's own URL */
};

struct page {
    const char *charset; /* iconv's name of the encoding that it was read in */
    bool has_refresh;
    struct page_refresh
        refresh;             /* the one with the shortest delay; of two alike the later (Chromium's rule) */
    struct page_signs signs; /* is_html is set */
};

/*
 * Reads an HTML page in its encoding (byte order mark, charset of content_type, meta). Any bytes are a
 * page; takes time in proportion to their number. False when the arena is full.
 */
NODISCARD bool page_read(struct arena *a, struct str body, struct str content_type, struct page *out);

/* Whether a body without a Content-Type is an HTML page (WHATWG MIME Sniffing 7.1). */
bool page_is_html(struct str body);

#endif
