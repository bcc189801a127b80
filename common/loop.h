/*
 * loop.h - what libuv leaves to its users: the clock, one-shot deadlines, signals, the last close.
 */
#ifndef TRACEPOOL_COMMON_LOOP_H
#define TRACEPOOL_COMMON_LOOP_H

#include "common/err.h"

#include <stdint.h>
#include <uv.h>

/* Milliseconds of the monotonic clock, read now (uv_now is the start of the loop's turn). */
int64_t loop_now_ms(void);
/* Microseconds of the monotonic clock, read now. */
int64_t loop_now_us(void);
/* Milliseconds since 1970 of the wall clock. */
int64_t loop_wall_ms(void);

/*
 * Calls on_signal(arg, signum) on the loop for SIGTERM, SIGINT and SIGHUP (SIGPIPE is ignored). The
 * handles do not keep the loop alive. One call per loop; loop_signals_stop before closing the loop.
 */
struct loop_signals {
    uv_signal_t term, interrupt, hup;
    void (*on_signal)(void *arg, int signum);
    void *arg;
};
void loop_signals_start(struct loop_signals *s, uv_loop_t *loop, void (*on_signal)(void *, int), void *arg);
void loop_signals_stop(struct loop_signals *s);

/* uv_loop_init, or the end of this process with a word on stderr: without descriptors there is no loop. */
void loop_init(uv_loop_t *loop);
/* Runs until the closed handles' callbacks are done, then closes the loop; asserts that none is left. */
void loop_finish(uv_loop_t *loop);

/*
 * "HOST:PORT", "[V6]:PORT", ":PORT" or "unix:/path" as a bound, listening, non-blocking socket with
 * close-on-exec. ERR_BAD_SETTING or ERR_IO names the address. Host must be a literal address.
 */
NODISCARD bool loop_listen(const char *address, int backlog, int *fd, struct err *err);
/* Whether such an address can only be reached from this machine (loopback or unix socket). */
bool loop_is_local_address(const char *address);

#endif
