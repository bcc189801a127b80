/*
 * sandbox.c - the order of giving things up. See sandbox.h; the walls are sandbox_files.c and
 * sandbox_calls.c.
 */
#include "common/sandbox_internal.h"

#include "common/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const char *const names[SANDBOX_PROFILES] = {
    [SANDBOX_PARENT] = "parent",
    [SANDBOX_EDGE] = "edge",
    [SANDBOX_WORKER] = "worker",
    [SANDBOX_MONITOR] = "monitor",
};

const char *sandbox_profile_name(enum sandbox_profile profile)
{
    return names[profile];
}

static void keep(struct sandbox_paths *p, const char *path, bool is_written)
{
    if (!path || !path[0] || p->n == SANDBOX_MAX_PATHS)
        return;
    p->text[p->n] = strdup(path);
    if (!p->text[p->n])
        abort();
    p->is_written[p->n++] = is_written;
}

void sandbox_may_read(struct sandbox_paths *p, const char *path)
{
    keep(p, path, false);
}

void sandbox_may_write(struct sandbox_paths *p, const char *path)
{
    keep(p, path, true);
}

void sandbox_paths_finish(struct sandbox_paths *p)
{
    for (int i = 0; i < p->n; i++)
        free(p->text[i]);
    p->n = 0;
}

static bool is_off(const char *mode)
{
    return strcmp(mode, "off") == 0;
}

/* Both: a core_pattern that is a pipe does not ask for the limit. */
void sandbox_hide_memory(const char *mode)
{
    const struct rlimit none = {0, 0};

    if (is_off(mode))
        return;
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

static void tell(enum sandbox_profile profile, int failure, int landlock)
{
    bool is_whole = !failure && (landlock || profile == SANDBOX_PARENT);
    const char *seccomp = failure ? strerror(failure) : "yes";

    if (is_whole)
        log_info("sandbox.on", kv("profile", names[profile]), kv("seccomp", seccomp),
                 kv("landlock", landlock));
    else
        log_warn("sandbox.on", kv("profile", names[profile]), kv("seccomp", seccomp),
                 kv("landlock", landlock),
                 kv("advice", "a newer kernel, or a container with fewer limits, has all of it"));
}

bool sandbox_enter(enum sandbox_profile profile, const char *mode, const struct sandbox_paths *paths,
                   struct err *err)
{
    int landlock = 0, failure;

    if (is_off(mode)) {
        log_warn("sandbox.off", kv("profile", sandbox_profile_name(profile)),
                 kv("advice", "for looking at a fault; set sandbox.mode = auto again"));
        return true;
    }
    setenv("UV_USE_IO_URING", "0", 1); /* a libuv that would use it asks first */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (profile != SANDBOX_PARENT)
        landlock = sandbox_restrict_files(paths);
    failure = sandbox_filter_calls(profile);
    if (strcmp(mode, "on") == 0 && failure)
        return err_set(err, ERR_IO, "sandbox.mode = on: seccomp: %s", strerror(failure));
    if (strcmp(mode, "on") == 0 && !landlock && profile != SANDBOX_PARENT)
        return err_set(err, ERR_IO, "sandbox.mode = on: this kernel has no Landlock");
    tell(profile, failure, landlock);
    return true;
}
