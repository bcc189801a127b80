/*
 * proc_internal.h - what the parent's parts share: proc.c decides, proc_member.c starts and tells.
 */
#ifndef TRACEPOOL_COMMON_PROC_INTERNAL_H
#define TRACEPOOL_COMMON_PROC_INTERNAL_H

#include "common/buf.h"
#include "common/proc.h"

#include <signal.h>
#include <sys/types.h>

enum { PROC_INCARNATION_MAX = 64 };

/* The environment entries by which a child learns what it is; proc_child() takes them. */
#define PROC_ENV_SLOT "TRACEPOOL_PROC_SLOT"
#define PROC_ENV_INCARNATION "TRACEPOOL_PROC_INCARNATION"
#define PROC_ENV_CONTROL "TRACEPOOL_PROC_CONTROL"
#define PROC_ENV_FDS "TRACEPOOL_PROC_FDS"

/* One child process, from fork to its reaping. */
struct member {
    struct member *next;
    pid_t pid;
    int slot;
    int control; /* our end; -1 when the child has closed its own */
    char incarnation[PROC_INCARNATION_MAX];
    int64_t started_ms;
    int64_t kill_at_ms; /* 0: not asked to leave */
    bool is_ready;
    bool is_candidate; /* started by a reload, and its predecessor still serves */
    struct buf told;   /* names of the dead given to it: they are passed on if it dies too */
};

struct proc_members {
    const struct proc_options *options;
    struct member *first;
    struct buf orphans; /* "dead NAME" lines for which nobody lives */
    sigset_t child_mask;
};

/* What the service manager has been told of us (common/service.h), and when it wants to hear again. */
struct proc_report {
    bool is_ready;
    int serving;
    int64_t alive_at_ms; /* 0: it does not wait */
};

/* Tells it what is new: all children serve for the first time, or another number of them. */
void proc_report_news(struct proc_report *r, const struct proc_members *all);
void proc_report_reload(struct proc_report *r);
void proc_report_reload_end(struct proc_report *r, bool is_done);
/* Tells it that the parent's loop turns, when that is due. */
void proc_report_alive(struct proc_report *r, int64_t now);

/* Forks and execs a child for that slot; NULL when the system refused (it is logged). */
struct member *proc_spawn(struct proc_members *all, int slot);
/* Takes a reaped child out of the list; the caller frees it with proc_free. */
void proc_remove(struct proc_members *all, struct member *m);
void proc_free(struct member *m);
struct member *proc_find(struct proc_members *all, pid_t pid);
/* Tells one living child that m died, and whom m itself was to bury. m is no longer in the list. */
void proc_tell_death(struct proc_members *all, const struct member *m);
/* Reads what the child says: "ready", or its end of the pipe. */
void proc_hear(struct member *m);
/* HOST.PID.MS; host is cut so that the whole fits an application_name. */
void proc_make_incarnation(char *out, size_t size, pid_t pid, int64_t wall_ms);

#endif
