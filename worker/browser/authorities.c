/*
 * authorities.c - see authorities.h.
 */
#include "worker/browser/authorities.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 128 };

bool authorities_read(const char *file, struct buf *pem, struct err *err)
{
    FILE *from = fopen(file, "re");
    char piece[4096];
    size_t n;

    if (!from)
        return err_set(err, ERR_MODE_UNAVAILABLE, "http.ca_file %s: %s", file, strerror(errno));
    while ((n = fread(piece, 1, sizeof(piece), from)) > 0)
        if (!buf_append(pem, piece, n))
            break;
    fclose(from);
    if (!pem->len)
        return err_set(err, ERR_MODE_UNAVAILABLE, "http.ca_file %s has no certificate", file);
    if (pem->is_full)
        return err_set(err, ERR_MODE_UNAVAILABLE, "http.ca_file %s: more than %d bytes", file,
                       AUTHORITIES_MAX_BYTES);
    return true;
}

/* --- the launcher's side --------------------------------------------------------------------------- */

/* The next certificate of *rest, its first and last line included. */
static bool next_certificate(struct str *rest, struct str *out)
{
    static const struct str begin = STR("-----BEGIN CERTIFICATE-----"),
                            end = STR("-----END CERTIFICATE-----");
    const char *from = memmem(rest->ptr, rest->len, begin.ptr, begin.len), *to;

    if (!from)
        return false;
    *rest = str_slice(*rest, (size_t)(from - rest->ptr), rest->len);
    to = memmem(rest->ptr, rest->len, end.ptr, end.len);
    if (!to)
        return false;
    *out = str_slice(*rest, 0, (size_t)(to - rest->ptr) + end.len);
    *rest = str_slice(*rest, out->len, rest->len);
    return true;
}

static bool write_file(const char *path, struct str text)
{
    FILE *to = fopen(path, "we");
    bool is_written;

    if (!to)
        return false;
    is_written = fwrite(text.ptr, 1, text.len, to) == text.len;
    return fclose(to) == 0 && is_written;
}

static void path_of(char *path, const char *folder, int number)
{
    snprintf(path, PATH_BYTES, "%s/%d.pem", folder, number);
}

/* One file for each certificate, and a line about it in `orders`, as certutil -B takes them. */
static int write_certificates(const char *folder, struct str pem, struct buf *orders)
{
    char path[PATH_BYTES];
    struct str one;
    int n = 0;

    for (struct str rest = pem; next_certificate(&rest, &one);) {
        path_of(path, folder, ++n);
        if (!write_file(path, one) || !buf_printf(orders, "-A -a -n authority-%d -t C,, -i %s\n", n, path))
            return 0;
    }
    return n;
}

/* Nothing of the worker's environment reaches it, except where programs are found. */
static bool certutil(const char *const *words)
{
    const char *path = getenv("PATH");
    SCOPED_VALUE(buf) where = {.max = PATH_BYTES * 64};
    char *environment[2] = {NULL};
    pid_t pid;
    int status;

    if (path && buf_printf(&where, "PATH=%s", path))
        environment[0] = where.data;
    pid = fork();
    if (pid == 0) {
        execvpe(words[0], (char *const *)words, environment);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool fill(const char *database, const char *orders)
{
    const char *const create[] = {"certutil", "-N", "--empty-password", "-d", database, NULL};
    const char *const add[] = {"certutil", "-B", "-i", orders, "-d", database, NULL};

    return certutil(create) && certutil(add);
}

bool authorities_make(const char *folder, struct str pem)
{
    SCOPED_VALUE(buf) orders = {.max = AUTHORITIES_MAX_BYTES};
    char database[PATH_BYTES], path[PATH_BYTES];
    bool is_made;
    int n;

    snprintf(path, sizeof(path), "%s/nssdb", folder);
    snprintf(database, sizeof(database), "sql:%.100s", path);
    if (mkdir(path, 0700) != 0 || !(n = write_certificates(folder, pem, &orders)))
        return false;
    snprintf(path, sizeof(path), "%s/orders", folder);
    is_made = write_file(path, buf_str(&orders)) && fill(database, path);
    unlink(path);
    for (; n; n--) {
        path_of(path, folder, n);
        unlink(path);
    }
    return is_made;
}

bool authorities_show(const char *folder, const char *home)
{
    char link[PATH_BYTES];

    snprintf(link, sizeof(link), "%s/.pki", home);
    return symlink(folder, link) == 0;
}
