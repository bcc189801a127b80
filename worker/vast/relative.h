/*
 * relative.h - tracking URLs that are not absolute, against the URL of the document that they came in.
 *
 * VAST says nothing of them; a browser's player would resolve them so (WHATWG URL), and a tracker that is
 * lost for a missing host helps nobody. Macros may stand anywhere and must reach the expander untouched, so
 * this is done on text, before they are expanded: "/i", "//h/i", "?i", "i", "../i". What begins with a macro
 * may be absolute once it is expanded, and is left as it is.
 */
#ifndef TRACEPOOL_WORKER_VAST_RELATIVE_H
#define TRACEPOOL_WORKER_VAST_RELATIVE_H

#include "common/url.h"
#include "worker/vast/vast.h"

/* Says of every tracking and error URL of the document that it came from there. base may be NULL. */
void vast_set_base(struct vast_doc *doc, const struct url *base);

/* The URL as one that needs no base; itself when it is absolute, begins with a macro, or base is NULL. */
struct str vast_absolute(struct arena *a, struct str url, const struct url *base);

#endif
