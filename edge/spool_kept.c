/*
 * spool_kept.c - committed segments that stay for a while, and the database that has them.
 *
 * They end by age and by size. When the database turns out to be another one than the one that has them (a
 * standby was promoted, a backup restored), they become segments to be shipped again. Which one it was is a
 * line in the file SERVER beside them, so that an edge which was not running at that moment finds out as
 * well.
 */
#include "edge/spool_dir.h"

#include "common/log.h"
#include "common/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER "server"

struct kept {
    char *path;
    int64_t at_ms; /* of the last record, or of its end */
    int64_t size;
};

static int by_age(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

static bool read_kept(const char *dir, const char *name, struct kept *out)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (!str_ends_nocase(str_from(name), STR(SPOOL_SUFFIX SPOOL_KEPT)) || stat(path, &st) != 0)
        return false;
    *out = (struct kept){.path = strdup(path), .at_ms = (int64_t)st.st_mtime * 1000, .size = st.st_size};
    if (!out->path)
        abort();
    return true;
}

static size_t list_kept(const char *dir, struct kept **list)
{
    DIR *stream = opendir(dir);
    size_t n = 0, cap = 0;

    *list = NULL;
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (n == cap) {
            cap = cap ? 2 * cap : 8;
            *list = reallocarray(*list, cap, sizeof(**list));
            if (!*list)
                abort();
        }
        n += read_kept(dir, entry->d_name, &(*list)[n]);
    }
    if (stream)
        closedir(stream);
    if (n)
        qsort(*list, n, sizeof(**list), by_age);
    return n;
}

int64_t spool_dir_expire(const char *dir, int64_t keep_ms, int64_t max_bytes)
{
    struct kept *list;
    size_t n = list_kept(dir, &list);
    int64_t bytes = 0, now = loop_wall_ms();

    for (size_t i = 0; i < n; i++)
        bytes += list[i].size;
    for (size_t i = 0; i < n; i++) {
        if ((now - list[i].at_ms >= keep_ms || bytes > max_bytes) && unlink(list[i].path) == 0)
            bytes -= list[i].size;
        free(list[i].path);
    }
    free(list);
    return bytes;
}

/* ---- the database that has them ---- */

void spool_dir_known_server(const char *dir, char out[SPOOL_SERVER_SIZE])
{
    char path[PATH_MAX];
    ssize_t got = -1;

    snprintf(path, sizeof(path), "%s/" SERVER, dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        got = read(fd, out, SPOOL_SERVER_SIZE - 1);
        close(fd);
    }
    out[got > 0 ? got : 0] = '\0';
}

/* Beside it, then over it: a crash leaves the old line or the new one. */
static bool write_server(const char *dir, const char *server)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    bool ok;

    snprintf(path, sizeof(path), "%s/" SERVER, dir);
    snprintf(fresh, sizeof(fresh), "%s/" SERVER ".%d", dir, (int)getpid());
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    ok = write(fd, server, strlen(server)) == (ssize_t)strlen(server) && fsync(fd) == 0;
    close(fd);
    return ok && rename(fresh, path) == 0 && spool_dir_sync(dir);
}

static size_t bring_back(const char *dir)
{
    struct kept *list;
    size_t n = list_kept(dir, &list), back = 0;
    char path[PATH_MAX];

    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%.*s", (int)(strlen(list[i].path) - strlen(SPOOL_KEPT)), list[i].path);
        back += rename(list[i].path, path) == 0;
        free(list[i].path);
    }
    free(list);
    return back;
}

size_t spool_dir_meet_server(const char *dir, const char *server)
{
    char known[SPOOL_SERVER_SIZE];
    size_t n = 0;

    spool_dir_known_server(dir, known);
    if (strcmp(known, server) == 0)
        return 0;
    if (*known)
        n = bring_back(dir);
    if (!write_server(dir, server))
        log_warn("spool.server", kv("folder", dir), kv("reason", (const char *)strerror(errno)));
    return n;
}
