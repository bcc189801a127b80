/*
 * trace_files.h - the files that the verb `trace` writes its evidence to.
 */
#ifndef TRACEPOOL_WORKER_TRACE_FILES_H
#define TRACEPOOL_WORKER_TRACE_FILES_H

#include "worker/trace_args.h"

#include <stdio.h>

struct trace_files {
    FILE *har, *screenshot; /* NULL: not asked for */
};

/*
 * Opens those that were asked for: before the trace, so that nobody waits for one that can't be kept. False
 * when one can't be opened, which has been said on standard error.
 */
NODISCARD bool trace_files_open(struct trace_files *files, const struct trace_args *args);

/*
 * Writes and closes them. False when something is missing in the end, which has been said on standard error.
 */
NODISCARD bool trace_files_write(struct trace_files *files, const struct trace_args *args,
                                 const struct trace_result *result);

#endif
