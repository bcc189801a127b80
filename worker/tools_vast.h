/*
 * tools_vast.h - the verbs `vast` and `macro`: look at an ad, or at one URL of it. They send nothing.
 */
#ifndef TRACEPOOL_WORKER_TOOLS_VAST_H
#define TRACEPOOL_WORKER_TOOLS_VAST_H

/*
 * argv[0] is the verb. Exit status: 0 the document is readable VAST (`macro`: expanded); 1 it is not;
 * 2 usage, or a file that can't be read.
 */
int tool_vast(int argc, char **argv);
int tool_macro(int argc, char **argv);

#endif
