/*
 * files.c - see files.h.
 */
#include "common/pg/files.h"

#include "common/pg/target.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void add_of_home(struct sandbox_paths *paths)
{
    static const char *const files[] = {".pgpass", ".pg_service.conf", ".postgresql"};
    const struct passwd *user = getenv("HOME") ? NULL : getpwuid(geteuid());
    const char *home = user ? user->pw_dir : getenv("HOME");
    char path[PATH_MAX];

    for (size_t i = 0; home && home[0] && i < ARRAY_LEN(files); i++)
        if (snprintf(path, sizeof(path), "%s/%s", home, files[i]) < (int)sizeof(path) &&
            access(path, F_OK) == 0)
            sandbox_may_read(paths, path);
}

void pg_may_read_files(const char *url, struct sandbox_paths *paths)
{
    static const char *const named[] = {"passfile", "sslrootcert", "sslcert",
                                        "sslkey",   "sslcrl",      "sslcrldir"};
    struct pg_target target = {0};
    struct err err;

    if (!url[0] || !pg_target_init(&target, url, &err))
        return;
    for (const PQconninfoOption *o = target.options; o && o->keyword; o++)
        for (size_t i = 0; i < ARRAY_LEN(named); i++)
            if (strcmp(o->keyword, named[i]) == 0 && o->val && o->val[0] == '/')
                sandbox_may_read(paths, o->val);
    pg_target_finish(&target);
    sandbox_may_read(paths, getenv("PGSERVICEFILE"));
    sandbox_may_read(paths, getenv("PGSYSCONFDIR"));
    add_of_home(paths);
}
