/*
 * explain.h - why a click is answered as it is, as JSON for the operator. Pure.
 */
#ifndef TRACEPOOL_EDGE_EXPLAIN_H
#define TRACEPOOL_EDGE_EXPLAIN_H

#include "common/buf.h"
#include "edge/decide.h"
#include "edge/visit.h"

/* Appends one JSON object. not_a_click: "head" or "prefetch", or NULL. */
void explain_write(const struct decision *d, const struct visit *visit, const char *not_a_click,
                   struct buf *out);

#endif
