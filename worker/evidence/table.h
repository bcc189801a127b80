/*
 * table.h - a trace as a person likes to read it: one line a hop, what each added, and the verdict.
 */
#ifndef TRACEPOOL_WORKER_EVIDENCE_TABLE_H
#define TRACEPOOL_WORKER_EVIDENCE_TABLE_H

#include "common/buf.h"
#include "worker/chain/chain.h"

struct table_style {
    bool has_color;
    int width; /* columns of the terminal; 0: as wide as the text is */
};

/* Colour and width for standard output: plain in a pipe, and without colour when NO_COLOR is set. */
struct table_style table_style_of_stdout(void);

/*
 * Appends the table. expected are the names that were asked for; those that no hop had are named. Text
 * from outside is shown without control characters. False when out is full.
 */
bool table_write(struct buf *out, const struct trace_result *r, const struct str *expected, int nexpected,
                 const struct table_style *style);

/* Appends what was kept beyond the chain, as far as `wanted` (evidence.h) asks for it: cookies, console. */
bool table_write_kept(struct buf *out, const struct trace_result *r, unsigned wanted,
                      const struct table_style *style);

#endif
