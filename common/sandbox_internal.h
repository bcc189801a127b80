/*
 * sandbox_internal.h - the two walls, for sandbox.c alone.
 */
#ifndef TRACEPOOL_COMMON_SANDBOX_INTERNAL_H
#define TRACEPOOL_COMMON_SANDBOX_INTERNAL_H

#include "common/sandbox.h"

/* Sanitizers look at the process from a clone of their own at its end; coverage writes files then. */
#ifndef TRACEPOOL_INSTRUMENTED
#define TRACEPOOL_INSTRUMENTED 0
#endif

/* 0, or an errno: the filter of system calls is in force for this thread and what comes of it. */
int sandbox_filter_calls(enum sandbox_profile profile);

/* The version of Landlock that is in force now; 0: none, this kernel has it not, or not switched on. */
int sandbox_restrict_files(const struct sandbox_paths *paths);

#endif
