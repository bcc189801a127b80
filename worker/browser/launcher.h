/*
 * launcher.h - a tiny process that starts Chromium, forked before any thread, sandbox or database exists.
 *
 * The worker child talks to it over a socket pair: "start" answers with the two ends of the debugging pipe
 * (SCM_RIGHTS) and the process group; "kill" ends that group. When the child is gone (end of file), the
 * launcher kills what it started, removes its profile folders and ends: no process is left behind. Folders of
 * one that was killed go with the next start (folder.h). Started by root, it first becomes the user that it
 * is told (Chromium refuses root with its sandbox on).
 */
#ifndef TRACEPOOL_WORKER_BROWSER_LAUNCHER_H
#define TRACEPOOL_WORKER_BROWSER_LAUNCHER_H

#include "common/err.h"

#include <sys/types.h>

struct launcher;

/* Whether there is such a user, when we are root and would become it. ERR_BAD_SETTING names browser.user. */
NODISCARD bool launcher_check_user(const char *name, struct err *err);
/*
 * Forks the launcher. user: whom to become when we are root ("nobody"). ca_file: further authorities for
 * Chromium ("": none), read here; what is wrong with it is told by launcher_start. The child process of this
 * fork never returns. ERR_IO or ERR_BAD_SETTING (no such user).
 */
NODISCARD bool launcher_fork(const char *user, const char *ca_file, struct launcher **out, struct err *err);
/* Closes the socket: the launcher cleans up and ends; it is waited for. Accepts NULL. */
void launcher_destroy(struct launcher *l);

struct launched {
    pid_t pid;    /* of Chromium, and its process group */
    int write_fd; /* commands to Chromium's descriptor 3; non-blocking, owned by the caller */
    int read_fd;  /* answers from its descriptor 4; non-blocking, owned by the caller */
};

/*
 * Starts Chromium with these arguments behind its own (the profile folder and the debugging pipe are
 * added). Takes a few milliseconds: it waits for the launcher's fork, not for Chromium. (The first one after
 * launcher_fork with a ca_file of many authorities waits until these are made known.) ERR_MODE_UNAVAILABLE:
 * no Chromium, or a ca_file that can't be made known to it; ERR_BROWSER_START.
 */
NODISCARD bool launcher_start(struct launcher *l, const char *program, const char *const *arguments,
                              struct launched *out, struct err *err);
/*
 * Whether the launcher has ended, as launcher_start found it. It can't be had again: that takes a new
 * process.
 */
bool launcher_is_gone(const struct launcher *l);
/* Kills that process group and removes its profile. Safe to call twice. */
void launcher_kill(struct launcher *l, pid_t pid);

#endif
