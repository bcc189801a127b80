/*
 * spool_dir.c - files, locks and names of the spool.
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
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_TRIES = 5 };

bool spool_dir_prepare(const char *dir, struct err *err)
{
    struct stat st;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_IO, "edge.spool_dir: make %s: %s", dir, strerror(errno));
    if (stat(dir, &st) != 0)
        return err_set(err, ERR_IO, "edge.spool_dir: open %s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "edge.spool_dir: %s: not a folder", dir);
    if (access(dir, R_OK | W_OK | X_OK) != 0)
        return err_set(err, ERR_IO, "edge.spool_dir: write to %s: %s", dir, strerror(errno));
    return true;
}

bool spool_dir_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
    return ok;
}

/* Ours, and still the file of that name: between open and lock its owner may have deleted it. */
static bool lock(int fd)
{
    struct stat st;

    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0;
}

static bool put_header(int fd)
{
    SCOPED_VALUE(buf) head = {.max = SEGMENT_HEADER};

    segment_put_header(&head, loop_wall_ms());
    return pwrite(fd, head.data, head.len, 0) == (ssize_t)head.len;
}

/*
 * A new file and its lock. Between the two somebody looking for orphans may take it: then it is theirs to
 * delete, and we take the next number.
 */
static int make_locked(const char *dir, const char *owner, unsigned *number, char path[PATH_MAX])
{
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        int fd;

        snprintf(path, PATH_MAX, "%s/%s-%08u" SPOOL_SUFFIX, dir, owner, ++*number);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || lock(fd))
            return fd;
        close(fd);
    }
    return -1;
}

bool spool_dir_create(const char *dir, const char *owner, unsigned *number, bool is_synced,
                      struct spool_file *out, struct err *err)
{
    char path[PATH_MAX];
    int fd = make_locked(dir, owner, number, path);

    if (fd < 0)
        return err_set(err, ERR_IO, "make a segment in %s: %s", dir, strerror(errno));
    if (!put_header(fd) || (is_synced && !spool_dir_sync(dir))) {
        err_set(err, ERR_IO, "begin a segment in %s: %s", dir, strerror(errno));
        unlink(path);
        close(fd);
        return false;
    }
    *out = (struct spool_file){.fd = fd, .path = strdup(path), .size = SEGMENT_HEADER};
    if (!out->path)
        abort();
    return true;
}

bool spool_file_read(const struct spool_file *file, uint64_t offset, size_t len, struct buf *out,
                     struct err *err)
{
    ssize_t got;

    if (!buf_reserve(out, len))
        return err_set(err, ERR_TOO_BIG, "read %zu bytes of %s: buffer too small", len, file->path);
    while (len > 0) {
        got = pread(file->fd, out->data + out->len, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_IO, "read %s: %s", file->path, strerror(errno));
        if (got == 0)
            break;
        out->len += (size_t)got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    out->data[out->len] = '\0';
    return true;
}

void spool_file_checkpoint(const struct spool_file *file, uint64_t offset)
{
    char bytes[SEGMENT_CHECKPOINT];
    ssize_t written;

    segment_put_checkpoint(bytes, offset);
    written = pwrite(file->fd, bytes, sizeof(bytes), SEGMENT_CHECKPOINT_AT);
    (void)written; /* without it records are sent again, and are passed over there */
}

void spool_file_close(struct spool_file *file)
{
    close(file->fd);
    free(file->path);
    file->fd = -1;
    file->path = NULL;
}

void spool_file_retire(struct spool_file *file, enum spool_fate fate)
{
    char kept[PATH_MAX];

    snprintf(kept, sizeof(kept), "%s%s", file->path, fate == SPOOL_KEEP ? SPOOL_KEPT : ".damaged");
    if (fate == SPOOL_KEEP) /* whoever renames it back wants all of it shipped again */
        spool_file_checkpoint(file, SEGMENT_HEADER);
    if (fate == SPOOL_DELETE ? unlink(file->path) != 0 : rename(file->path, kept) != 0)
        log_warn("spool.keep", kv("file", file->path), kv("reason", (const char *)strerror(errno)));
    spool_file_close(file);
}

/* The same owner's files in the order of their numbers, owners in the order of their start. */
static int by_path(const void *a, const void *b)
{
    const struct spool_orphan *x = a, *y = b;

    return strcmp(x->file.path, y->file.path);
}

static bool read_start(struct spool_orphan *o)
{
    SCOPED_VALUE(buf) head = {.max = SEGMENT_HEADER};
    struct err err;
    struct stat st;

    if (fstat(o->file.fd, &st) != 0 || !spool_file_read(&o->file, 0, SEGMENT_HEADER, &head, &err)) {
        log_error("spool.unreadable", kv("file", o->file.path), kv("reason", (const char *)strerror(errno)));
        return false;
    }
    o->file.size = (uint64_t)st.st_size;
    if (segment_open(buf_str(&head), o->file.size, &o->start) != SEGMENT_NEWER)
        return true;
    log_error("spool.unknown_version", kv("file", o->file.path));
    return false;
}

static bool adopt(const char *dir, const char *name, struct spool_orphan *o)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    if (!lock(fd)) {
        close(fd);
        return false;
    }
    *o = (struct spool_orphan){.file = {.fd = fd, .path = strdup(path)}};
    if (!o->file.path)
        abort();
    if (read_start(o))
        return true;
    spool_file_close(&o->file);
    return false;
}

static bool is_segment(const struct dirent *entry)
{
    return str_ends_nocase(str_from(entry->d_name), STR(SPOOL_SUFFIX));
}

size_t spool_dir_adopt(const char *dir, struct spool_orphan **orphans)
{
    DIR *stream = opendir(dir);
    size_t n = 0, cap = 0;

    *orphans = NULL;
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (!is_segment(entry))
            continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 8;
            *orphans = reallocarray(*orphans, cap, sizeof(**orphans));
            if (!*orphans)
                abort();
        }
        n += adopt(dir, entry->d_name, &(*orphans)[n]);
    }
    if (stream)
        closedir(stream);
    if (n)
        qsort(*orphans, n, sizeof(**orphans), by_path);
    return n;
}
