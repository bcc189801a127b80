/*
 * tools_trace.h - the verb `trace`: trace one URL now, without a database.
 *
 *     tracepool-worker trace [OPTION]... URL    (the options: trace_args.c)
 *
 * Prints a table for a person, or with --json one object (trace_result_json). A proxy may also be given as
 * TRACEPOOL_PROXY; in the arguments its credentials are overwritten before anything else happens.
 */
#ifndef TRACEPOOL_WORKER_TOOLS_TRACE_H
#define TRACEPOOL_WORKER_TOOLS_TRACE_H

#include "common/conf.h"

/* argv[0] is the verb. Exit code: 0 the trace ended well, 1 in another outcome, 2 usage. */
int tool_trace(const struct conf *conf, int argc, char **argv);

#endif
