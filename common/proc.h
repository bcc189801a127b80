/*
 * proc.h - a parent that keeps its children alive, and does nothing else that can fail.
 *
 * The parent forks and re-execs the same program (so that every child has a fresh address space),
 * restarts what died with backoff, drains on SIGTERM or SIGINT (a second one, or the deadline: SIGKILL),
 * and on SIGHUP replaces its children one by one: the new one is ready before the old one drains.
 * A program whose children end three times in a row with status 2 (bad settings) before any of them
 * serves is not tried for ever: the parent ends with that status.
 *
 * Listening sockets are opened by the parent and inherited, so a queued connection survives both.
 *
 * A child learns what it is from proc_child(): its slot, its incarnation (a name never used again), the
 * inherited descriptors and a control pipe. The pipe's end of file means that the parent is gone: drain.
 * A line "dead INCARNATION\n" on it names a sibling that died: exactly one living child, or the
 * replacement if none lives, is told.
 */
#ifndef TRACEPOOL_COMMON_PROC_H
#define TRACEPOOL_COMMON_PROC_H

#include "common/err.h"

#include <stdint.h>
#include <uv.h>

enum { PROC_MAX_FDS = 8 };

struct proc_options {
    const char *program; /* "edge": log lines are proc=edge (parent), edge.0, edge.1 (children) */
    int children;
    char **argv;           /* the program's own, as given to main; re-used for each exec */
    int fds[PROC_MAX_FDS]; /* inherited by every child at the same index */
    int nfds;
    int64_t drain_ms; /* from SIGTERM to SIGKILL */
};

/* Runs the parent until the last child is gone. Returns the program's exit status (0 after a drain). */
NODISCARD int proc_run_parent(const struct proc_options *options);

struct proc_child {
    bool is_child;
    int slot;                /* 0 .. children-1; a replacement has its predecessor's */
    const char *incarnation; /* HOST.PID.MS since 1970: never used twice */
    int control_fd;          /* read end, non-blocking */
    int fds[PROC_MAX_FDS];
    int nfds;
};

/*
 * What this process is. Takes the environment entries the parent left (TRACEPOOL_PROC_*), so that they
 * are inherited no further; is_child is false in a process that was started by hand. Call once, first.
 */
struct proc_child proc_child(void);

/* A child that runs on a loop: told when the parent is gone and who died. */
struct proc_control {
    uv_pipe_t pipe;
    char line[256];
    size_t len;
    void (*on_parent_gone)(void *arg);
    void (*on_sibling_dead)(void *arg, const char *incarnation);
    void *arg;
};
void proc_control_start(struct proc_control *c, uv_loop_t *loop, const struct proc_child *child);
void proc_control_stop(struct proc_control *c);
/*
 * Tells the parent that this child serves now. Every child must: a SIGHUP reload waits for it (30 s)
 * before it drains the old one, and one that never comes is given up together with the reload.
 */
void proc_child_ready(const struct proc_child *child);

#endif
