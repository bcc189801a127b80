/*
 * tools_vast.h - the verbs `vast` and `macro`: look at an ad, or at one URL of it. They send no tracking
 * request.
 */
#ifndef TRACEPOOL_WORKER_TOOLS_VAST_H
#define TRACEPOOL_WORKER_TOOLS_VAST_H

#include "common/conf.h"

/*
 * argv[0] is the verb. Exit status: 0 the document is readable VAST, and --resolve found an ad in it unless
 * it has none (`macro`: expanded); 1 otherwise; 2 usage, or a file that can't be read.
 */
int tool_vast(const struct conf *conf, int argc, char **argv);
int tool_macro(int argc, char **argv);

#endif
