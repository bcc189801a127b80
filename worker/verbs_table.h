/*
 * verbs_table.h - what tracepool-worker can be asked: --help, the manual page and completion come from here.
 */
#ifndef TRACEPOOL_WORKER_VERBS_TABLE_H
#define TRACEPOOL_WORKER_VERBS_TABLE_H

/* clang-format off */
/*     function        name         arguments                        what it does                                           exit status */
#define WORKER_VERBS_MAP(X)                                                                                                 \
    X(tool_trace,      "trace",     "[OPTION]... URL",               "trace one URL now, without a database",               \
      "0 the trace ended ok, 1 it ended in another outcome, 2 usage")                                                       \
    X(tool_vast,       "vast",      "[OPTION]... FILE|URL|-",        "read a VAST document and find fault with it",         \
      "0 readable, and an ad was found; 1 not, 2 usage")                                                                    \
    X(verb_macro,      "macro",     "[--set NAME=VALUE]... TEMPLATE", "expand the macros of a tracking URL",                \
      "0, 1 longer than a URL may be, 2 usage")                                                                             \
    X(verb_url,        "url",       "[--base URL] INPUT",            "read a URL as a browser would",                       \
      "0, 1 no URL, 2 usage")                                                                                               \
    X(verb_refresh,    "refresh",   "VALUE",                         "read the value of a Refresh header or meta refresh",  \
      "0, 1 no redirect, 2 usage")                                                                                          \
    X(tool_run_batch,  "run-batch", "BATCH_SIZE MAX_CONCURRENT",     "ask the farm for one batch and wait for its result",  \
      "0 all succeeded, 1 some failed, 2 usage, 3 no answer")
/* clang-format on */

#endif
