/*
 * serve.h - one child of the edge: a loop that serves clicks and ships them.
 */
#ifndef TRACEPOOL_EDGE_SERVE_H
#define TRACEPOOL_EDGE_SERVE_H

#include "common/conf.h"
#include "common/proc.h"

/* The descriptors a child inherits, by index. The admin listener is missing when the settings name none. */
enum serve_fd { SERVE_FD_METRICS, SERVE_FD_SEEN, SERVE_FD_PUBLIC, SERVE_FD_ADMIN };

/* Runs until SIGTERM or until the parent is gone, then drains. Returns the exit status. */
int serve_run(const struct conf *conf, const struct proc_child *child);

#endif
