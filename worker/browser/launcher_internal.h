/*
 * launcher_internal.h - what the worker's side and the launcher process say to each other.
 *
 * One message is one packet of a SOCK_SEQPACKET pair: this head, then for START the program and its
 * arguments, each ended by a NUL. START is answered by the same head with the process group's id (or an
 * errno as `failure`) and two descriptors; KILL is not answered.
 */
#ifndef TRACEPOOL_WORKER_BROWSER_LAUNCHER_INTERNAL_H
#define TRACEPOOL_WORKER_BROWSER_LAUNCHER_INTERNAL_H

#include "common/str.h"

#include <stdint.h>
#include <sys/types.h>

enum {
    LAUNCHER_MESSAGE_MAX = 16 * 1024,
    LAUNCHER_WORDS_MAX = 60,
};

enum launcher_word { LAUNCHER_START = 1, LAUNCHER_KILL = 2 };

struct launcher_head {
    uint32_t word;
    uint32_t serial; /* a late answer is told from the one that is waited for */
    int32_t pid;
    int32_t failure;
};

/*
 * The launcher process: serves the socket until its other end is gone. uid 0: stay who we are. authorities:
 * PEM, further ones that Chromium is to know; when that can't be done, START fails with ENOKEY.
 */
_Noreturn void launcher_serve(int socket, uid_t uid, gid_t gid, struct str authorities);

#endif
