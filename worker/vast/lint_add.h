/*
 * lint_add.h - between lint.c and lint_urls.c.
 */
#ifndef TRACEPOOL_WORKER_VAST_LINT_ADD_H
#define TRACEPOOL_WORKER_VAST_LINT_ADD_H

#include "worker/vast/dom.h"
#include "worker/vast/lint.h"

struct lint {
    struct arena *arena;
    struct vast_findings *out;
    int version; /* 401 for 4.1; 0: unknown */
};

void lint_add(struct lint *l, enum vast_rule rule, int line, struct str what);
/* A URL that is to be requested: scheme, blanks, length, macros. */
void lint_url(struct lint *l, struct str url, int line);
void lint_urls(struct lint *l, const struct vast_urls *urls);
bool lint_has_macro(struct str url, struct str name);
/* Trackers of a creative of that duration (-1: unknown); wants_quartiles: a linear of an InLine. */
void lint_trackings(struct lint *l, const struct vast_trackings *trackings, int64_t duration_ms,
                    bool wants_quartiles);

#endif
