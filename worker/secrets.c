/*
 * secrets.c - see secrets.h. Small files on a local disk, read at most once a second each.
 */
#include "worker/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FRESH_MS = 1000 };

static void forget(struct secret *s)
{
    if (s->value)
        explicit_bzero(s->value, s->len);
    free(s->value);
    *s = (struct secret){0};
}

void secrets_init(struct secrets *s, const char *dir)
{
    *s = (struct secrets){.dir = dir};
}

void secrets_finish(struct secrets *s)
{
    for (size_t i = 0; i < SECRETS_CACHED; i++)
        forget(&s->cached[i]);
}

/* A name can't leave the folder. */
static bool is_name(struct str name)
{
    if (name.len == 0 || name.len > SECRET_NAME_MAX || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!is_word && !(c == '_' || c == '-' || c == '.'))
            return false;
    }
    return true;
}

static struct secret *find(struct secrets *s, struct str name)
{
    for (size_t i = 0; i < SECRETS_CACHED; i++) {
        if (s->cached[i].name[0] && str_equal(str_from(s->cached[i].name), name))
            return &s->cached[i];
    }
    return NULL;
}

/* A free place, or that of the secret that was used longest ago. */
static struct secret *make_room(struct secrets *s)
{
    struct secret *oldest = &s->cached[0];

    for (size_t i = 0; i < SECRETS_CACHED; i++) {
        if (!s->cached[i].name[0])
            return &s->cached[i];
        if (s->cached[i].used_ms < oldest->used_ms)
            oldest = &s->cached[i];
    }
    forget(oldest);
    return oldest;
}

static bool is_same_file(const struct secret *s, const struct stat *file)
{
    return s->ino == file->st_ino && s->size == file->st_size && s->changed.tv_sec == file->st_mtim.tv_sec &&
           s->changed.tv_nsec == file->st_mtim.tv_nsec;
}

/* The whole file into text; its length without the trailing newline, or -1 with errno. */
static ssize_t read_whole(int fd, char *text, size_t size)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = read(fd, text + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
        if (len == size) {
            errno = EFBIG;
            return -1;
        }
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return (ssize_t)len;
}

static bool read_secret(int fd, const struct stat *file, struct secret *out, struct err *err)
{
    char text[SECRET_MAX_BYTES + 2];
    ssize_t len = read_whole(fd, text, sizeof(text));
    char *value;

    if (len < 0)
        return err_set(err, ERR_PROXY_UNKNOWN, "secret %s: %s", out->name, strerror(errno));
    if (len == 0)
        return err_set(err, ERR_PROXY_UNKNOWN, "secret %s: its file is empty", out->name);
    value = malloc((size_t)len);
    if (!value)
        abort();
    memcpy(value, text, (size_t)len);
    explicit_bzero(text, sizeof(text));
    if (out->value)
        explicit_bzero(out->value, out->len);
    free(out->value);
    out->value = value;
    out->len = (size_t)len;
    out->ino = file->st_ino;
    out->size = file->st_size;
    out->changed = file->st_mtim;
    return true;
}

/* Brings a cached or new secret up to date with its file. */
static bool look(struct secrets *s, struct secret *secret, struct err *err)
{
    char path[4096];
    struct stat file;
    bool is_read;
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s", s->dir, secret->name) >= (int)sizeof(path))
        return err_set(err, ERR_PROXY_UNKNOWN, "secret %s: the path is too long", secret->name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, ERR_PROXY_UNKNOWN, "secret %s in worker.secrets_dir: %s", secret->name,
                       strerror(errno));
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode))
        is_read = err_set(err, ERR_PROXY_UNKNOWN, "secret %s: not a plain file", secret->name);
    else
        is_read = (secret->value && is_same_file(secret, &file)) || read_secret(fd, &file, secret, err);
    close(fd);
    return is_read;
}

bool secrets_get(struct secrets *s, struct str name, int64_t now_ms, struct arena *a, struct str *out,
                 struct err *err)
{
    struct secret *secret;
    struct str copy;

    if (!is_name(name))
        return err_set(err, ERR_PROXY_UNKNOWN, "a secret's name has letters, digits, '_', '-' and '.' only");
    secret = find(s, name);
    if (!secret) {
        secret = make_room(s);
        memcpy(secret->name, name.ptr, name.len);
        secret->name[name.len] = '\0';
    }
    if (!secret->value || now_ms - secret->checked_ms >= FRESH_MS) {
        if (!look(s, secret, err)) {
            forget(secret);
            return false;
        }
        secret->checked_ms = now_ms;
    }
    secret->used_ms = now_ms;
    copy = arena_copy(a, (struct str){secret->value, secret->len});
    if (!copy.ptr)
        return err_set(err, ERR_TOO_BIG, "no room for the proxy's secret");
    *out = copy;
    return true;
}
