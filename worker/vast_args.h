/*
 * vast_args.h - the arguments of the verb `vast`.
 */
#ifndef TRACEPOOL_WORKER_VAST_ARGS_H
#define TRACEPOOL_WORKER_VAST_ARGS_H

#include "common/conf.h"
#include "worker/chain/request.h"
#include "worker/vast_rules.h"

struct vast_args {
    struct arena *arena;
    const char *source; /* a file, a URL, or "-"; NULL: the provider's own URL */
    bool is_json, is_resolve, allow_private;
    struct str proxy_text;
    struct trace_proxy proxy;
    struct vast_rules rules;
    struct vast_provider provider; /* without --provider: the settings */
    struct vast_param params[16];  /* further ones for the provider's URL */
    int nparams;
    const char *xsd_dir; /* NULL: no schema is asked */
    int max_wrappers;
    int64_t total_timeout_ms;
};

extern const char vast_args_usage[];

/*
 * Reads argv, argv[0] being the verb. A proxy's URL is overwritten in argv as soon as it is met.
 * ERR_BAD_INPUT names the argument, its value and what would be allowed, and no credentials.
 */
NODISCARD bool vast_args_read(struct vast_args *args, const struct conf *conf, struct arena *a, int argc,
                              char **argv, struct err *err);
/* Also after a failure. */
void vast_args_finish(struct vast_args *args);
DEFINE_SCOPED(vast_args, struct vast_args, vast_args_finish)

/* Appends all of a file, or of standard input for "-". ERR_IO, ERR_TOO_BIG. */
NODISCARD bool vast_args_read_file(const char *path, struct buf *out, struct err *err);

#endif
