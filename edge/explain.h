/*
 * explain.h - why a click is answered as it is, as JSON for the operator. Pure.
 */
#ifndef TRACEPOOL_EDGE_EXPLAIN_H
#define TRACEPOOL_EDGE_EXPLAIN_H

#include "common/buf.h"
#include "common/httpd.h"
#include "edge/decide.h"
#include "edge/visit.h"

/*
 * Whether the operator asks: `debug` in the query, and the token as a Bearer's. For all others `debug` is a
 * parameter as any; without a token nobody asks.
 */
bool explain_is_asked(const struct httpd_head *head, struct str token);
/* Appends one JSON object. not_a_click: of purpose.h. */
void explain_write(const struct decision *d, const struct visit *visit, const char *not_a_click,
                   struct buf *out);

#endif
