/*
 * verb_args.h - what the arguments of the verbs `trace` and `vast` have in common: the shape of an option,
 * the proxy, a time. Which options there are is each verb's own table.
 *
 * Every function that can fail says ERR_BAD_INPUT (ERR_TOO_BIG: the arena is full) and names the argument,
 * its value and what would be allowed, and no credentials.
 */
#ifndef TRACEPOOL_WORKER_VERB_ARGS_H
#define TRACEPOOL_WORKER_VERB_ARGS_H

#include "common/arena.h"
#include "common/err.h"
#include "worker/chain/request.h"

/* Is the word the option of that name: --name, or --name=VALUE? */
bool verb_is_option(const char *name, const char *word);

/*
 * The value of the option argv[0]: what follows its `=`, or else the next word, of which left - 1 are there;
 * NULL where it has none. *used counts the words that this takes.
 */
NODISCARD bool verb_option_value(const char *name, bool has_value, char **argv, int left, int *used,
                                 char **value, struct err *err);

/* For a word that is none of the options; always false. */
bool verb_no_option(const char *word, struct err *err);

/*
 * --proxy: a copy in the arena. The value is overwritten in argv: the process list shows that to everybody.
 */
NODISCARD bool verb_take_proxy(struct arena *a, char *value, struct str *out, struct err *err);

/* --proxy-file. */
NODISCARD bool verb_take_proxy_file(struct arena *a, const char *path, struct str *out, struct err *err);

/*
 * What was taken, or else the environment's TRACEPOOL_PROXY, as a proxy; *out stays as it is without either.
 */
NODISCARD bool verb_read_proxy(struct arena *a, struct str taken, struct trace_proxy *out, struct err *err);

/* --timeout: seconds from 0.1 to 600, as milliseconds. */
NODISCARD bool verb_take_timeout(const char *value, int64_t *ms, struct err *err);

#endif
