/*
 * service.h - what a service manager gives us and wants to hear: systemd's protocols, without its library.
 *
 * Sockets that it opened for us (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES), and words to it
 * (sd_notify(3): a datagram to NOTIFY_SOCKET; WATCHDOG_USEC says how often it wants to hear from us). Without
 * a service manager there are no sockets and every word goes nowhere. One process has one service manager, so
 * what is known about it is kept here and no handle is passed around.
 */
#ifndef TRACEPOOL_COMMON_SERVICE_H
#define TRACEPOOL_COMMON_SERVICE_H

#include "common/err.h"

#include <stdint.h>

/*
 * Reads the environment's entries and takes them out, so that children inherit neither. Once, before the
 * first child and the first thread; without it the other calls do nothing.
 */
void service_init(void);

/*
 * Takes a listening stream socket of that name out of those that were passed, non-blocking and closed on
 * exec; *fd is -1 when none was passed for it. A passed socket without a name of ours is the first name's, in
 * the order of the calls. ERR_BAD_SETTING when it is no listening stream socket.
 */
NODISCARD bool service_take_socket(const char *name, int *fd, struct err *err);
/* ERR_BAD_SETTING when sockets were passed that nobody took: they would swallow connections for ever. */
NODISCARD bool service_took_all_sockets(struct err *err);

/* Serves now, or again after a reload; status is for people, a sentence in `systemctl status`. */
void service_tell_ready(const char *status);
void service_tell_reloading(void);
void service_tell_stopping(void);
/* A sentence for people, and nothing else. */
void service_tell_status(const char *status);

/* How often to call service_tell_alive, in ms: half of what the manager waits for. 0: it does not wait. */
int64_t service_alive_ms(void);
void service_tell_alive(void);

#endif
