/*
 * sandbox.h - what a process gives up once it has started, so that a parser that is taken over gains little.
 *
 * Two walls, each by itself: seccomp says which system calls a process may make (sandbox_table.h, by
 * profile), Landlock which files it may open. Both hold for the process, its later threads and whatever it
 * would start, for ever. A forbidden call that no program of ours or library under it makes (execve, ptrace,
 * mount, memory that is written and executed, ...) kills the process; its parent starts another one. One that
 * nobody missed here is refused with ENOSYS, as an older kernel would: libc falls back. The core file of a
 * killed process is none.
 *
 * What each profile permits, and why, is told to operators in deploy/SECURITY.md.
 */
#ifndef TRACEPOOL_COMMON_SANDBOX_H
#define TRACEPOOL_COMMON_SANDBOX_H

#include "common/err.h"

enum sandbox_profile {
    SANDBOX_PARENT, /* forks and execs children that have profiles of their own, and a launcher of Chromium */
    SANDBOX_EDGE,   /* a child of the edge: reads requests, writes the spool */
    SANDBOX_WORKER, /* a child of the worker: reads what the web sends, writes no file */
    SANDBOX_MONITOR, /* the monitor while it serves: writes no file */
    SANDBOX_PROFILES
};

enum { SANDBOX_MAX_PATHS = 32 };

/* Files and folders beyond the system's own (libraries, authorities, resolver), which all may read. */
struct sandbox_paths {
    char *text[SANDBOX_MAX_PATHS]; /* owned */
    bool is_written[SANDBOX_MAX_PATHS];
    int n;
};

/* A file, or a folder with all in it. NULL, "", and a path too many are passed over. */
void sandbox_may_read(struct sandbox_paths *p, const char *path);
/*
 * A folder whose files may be made, written, renamed and deleted; or a file, whose folder it is if it is not
 * there.
 */
void sandbox_may_write(struct sandbox_paths *p, const char *path);
void sandbox_paths_finish(struct sandbox_paths *p);

/*
 * mode is the setting sandbox.mode. No core file, and nobody but root may look into this process's memory and
 * environment; not for mode "off". As early as the setting is known.
 */
void sandbox_hide_memory(const char *mode);

/*
 * Puts this process behind both walls: in a process that has one thread, after it has forked what must stay
 * outside (the browser's launcher). "off" does nothing but warn; "auto" takes what the kernel has and logs
 * it; "on" is ERR_IO when one of the walls is missing. paths may be NULL; the parent has no Landlock, since
 * its children may get new settings, and with them other folders.
 */
NODISCARD bool sandbox_enter(enum sandbox_profile profile, const char *mode,
                             const struct sandbox_paths *paths, struct err *err);

/* "parent", "edge", "worker", "monitor". */
const char *sandbox_profile_name(enum sandbox_profile profile);

DEFINE_SCOPED(sandbox_paths, struct sandbox_paths, sandbox_paths_finish)

#endif
