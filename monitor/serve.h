/*
 * serve.h - the monitor as a server: from the first connection to the drain.
 */
#ifndef TRACEPOOL_MONITOR_SERVE_H
#define TRACEPOOL_MONITOR_SERVE_H

#include "common/conf.h"

/* Serves until SIGTERM or SIGINT. The program's exit status: 0 after a drain, 2 when it cannot listen. */
NODISCARD int serve_run(const struct conf *conf);

#endif
