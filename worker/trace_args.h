/*
 * trace_args.h - the arguments of the verb `trace`.
 */
#ifndef TRACEPOOL_WORKER_TRACE_ARGS_H
#define TRACEPOOL_WORKER_TRACE_ARGS_H

#include "common/conf.h"
#include "worker/chain/request.h"

enum { TRACE_EXPECTED_MAX = 100 };

struct trace_args {
    struct trace_request request; /* its views: argv, the settings, the arena */
    struct str expected[TRACE_EXPECTED_MAX];
    struct str proxy_text;
    bool is_json;
    const char *har_file, *screenshot_file; /* NULL: none */
    struct arena *arena;
};

extern const char trace_args_usage[];

/*
 * Reads argv, argv[0] being the verb, over the settings. A proxy's URL is overwritten in argv as soon as it
 * is met. ERR_BAD_INPUT names the argument, its value and what would be allowed, and no credentials. args
 * must stay where it is: the request points into it.
 */
NODISCARD bool trace_args_read(struct trace_args *args, const struct conf *conf, struct arena *a, int argc,
                               char **argv, struct err *err);

#endif
