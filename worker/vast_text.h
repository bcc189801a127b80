/*
 * vast_text.h - a document, its ads and its problems for a person to read. Prints to standard output.
 */
#ifndef TRACEPOOL_WORKER_VAST_TEXT_H
#define TRACEPOOL_WORKER_VAST_TEXT_H

#include "worker/vast/lint.h"
#include "worker/vast/wrapper.h"

/* doc: NULL when there is none. resolved: what its wrappers led to, or NULL when they were not followed. */
NODISCARD bool vast_text_print(struct arena *a, const struct vast_doc *doc,
                               const struct vast_resolver *resolved, const struct vast_findings *findings,
                               struct err *err);

#endif
