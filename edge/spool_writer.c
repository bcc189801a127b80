/*
 * spool_writer.c - swap the waiting buffer, write, sync, tell the loop; and again.
 */
#include "edge/spool_writer.h"

#include "common/loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { WAITING_MAX = 64 * 1024 * 1024, KEPT_MAX = 1024 * 1024 };

struct queue {
    struct buf bytes;
    struct spool_entry *first;
    struct spool_entry **last;
    size_t n;
    bool is_probe;
};

struct writer {
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards waiting, results, is_ending */
    uv_cond_t wake;
    uv_async_t finished;
    struct queue waiting;
    struct writer_result *results;
    struct writer_result **results_end;
    bool is_ending;

    /* The thread's own. */
    struct queue taken;
    struct spool_file file; /* fd -1: none; the loop owns the descriptor and the path */
    unsigned number;

    char *dir;
    char *owner;
    struct writer_options options;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

static void queue_clear(struct queue *q)
{
    if (q->bytes.cap > KEPT_MAX)
        buf_finish(&q->bytes);
    buf_clear(&q->bytes);
    q->first = NULL;
    q->last = &q->first;
    q->n = 0;
    q->is_probe = false;
}

static bool write_all(int fd, const char *bytes, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static bool is_file_used_up(const struct writer *w, size_t more)
{
    return w->file.fd < 0 ||
           (w->file.size > SEGMENT_HEADER && w->file.size + more > (uint64_t)w->options.segment_bytes);
}

static bool open_file(struct writer *w, struct writer_result *r)
{
    if (!is_file_used_up(w, w->taken.bytes.len))
        return true;
    w->file.fd = -1;
    if (!spool_dir_create(w->dir, w->owner, &w->number, w->options.is_synced, &w->file, &r->err))
        return false;
    r->is_new_file = true;
    return true;
}

/* A write that failed half-way is cut off again, so that its space is free; the file is left for good. */
static bool write_records(struct writer *w, struct writer_result *r)
{
    const struct buf *bytes = &w->taken.bytes;
    int64_t started = loop_now_us();

    if (!write_all(w->file.fd, buf_cstr(bytes), bytes->len, w->file.size)) {
        err_set(&r->err, ERR_IO, "write to the spool: %s", strerror(errno));
        if (ftruncate(w->file.fd, (off_t)w->file.size) != 0)
            return false; /* what is there of it is a torn tail, which the reader passes over */
        return false;
    }
    if (w->options.is_synced && w->options.sync(w->file.fd) != 0)
        return err_set(&r->err, ERR_IO, "sync the spool: %s", strerror(errno));
    w->file.size += bytes->len;
    r->sync_us = loop_now_us() - started;
    return true;
}

static struct writer_result *process(struct writer *w)
{
    struct writer_result *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->ok = open_file(w, r) && write_records(w, r);
    r->file = w->file;
    r->end = w->file.size;
    r->entries = w->taken.first;
    r->nentries = w->taken.n;
    r->nbytes = w->taken.bytes.len;
    if (!r->ok && w->file.fd >= 0) {
        r->is_given_up = true;
        w->file.fd = -1;
    }
    return r;
}

static void give(struct writer *w, struct writer_result *r)
{
    *w->results_end = r;
    w->results_end = &r->next;
    uv_async_send(&w->finished);
}

static void run(void *arg)
{
    struct writer *w = arg;

    uv_mutex_lock(&w->mutex);
    for (;;) {
        struct queue empty = w->taken;
        struct writer_result *r;

        while (w->waiting.n == 0 && !w->waiting.is_probe && !w->is_ending)
            uv_cond_wait(&w->wake, &w->mutex);
        if (w->waiting.n == 0 && !w->waiting.is_probe)
            break;
        w->taken = w->waiting;
        w->waiting = empty;
        queue_clear(&w->waiting);
        uv_mutex_unlock(&w->mutex);
        r = process(w);
        queue_clear(&w->taken);
        uv_mutex_lock(&w->mutex);
        give(w, r);
    }
    uv_mutex_unlock(&w->mutex);
}

static void hand_out(struct writer *w)
{
    struct writer_result *list;

    uv_mutex_lock(&w->mutex);
    list = w->results;
    w->results = NULL;
    w->results_end = &w->results;
    uv_mutex_unlock(&w->mutex);
    while (list) {
        struct writer_result *r = list;

        list = r->next;
        w->options.on_result(w->options.arg, r);
        free(r);
    }
}

static void on_finished(uv_async_t *async)
{
    hand_out(container_of(async, struct writer, finished));
}

static char *copy(const char *text)
{
    char *c = strdup(text);

    if (!c)
        abort();
    return c;
}

struct writer *writer_create(const struct writer_options *options)
{
    struct writer *w = calloc(1, sizeof(*w));

    if (!w)
        abort();
    w->options = *options;
    w->dir = copy(options->dir);
    w->owner = copy(options->owner);
    w->file.fd = -1;
    w->results_end = &w->results;
    buf_init(&w->waiting.bytes, WAITING_MAX);
    buf_init(&w->taken.bytes, WAITING_MAX);
    queue_clear(&w->waiting);
    queue_clear(&w->taken);
    if (uv_mutex_init(&w->mutex) != 0 || uv_cond_init(&w->wake) != 0 ||
        uv_async_init(options->loop, &w->finished, on_finished) != 0 ||
        uv_thread_create(&w->thread, run, w) != 0)
        abort();
    uv_unref((uv_handle_t *)&w->finished);
    return w;
}

void writer_stop(struct writer *w)
{
    uv_mutex_lock(&w->mutex);
    w->is_ending = true;
    uv_cond_signal(&w->wake);
    uv_mutex_unlock(&w->mutex);
    uv_thread_join(&w->thread);
    hand_out(w);
}

static void on_close(uv_handle_t *handle)
{
    struct writer *w = container_of((uv_async_t *)handle, struct writer, finished);
    void (*on_closed)(void *arg) = w->on_closed;
    void *arg = w->closed_arg;

    uv_cond_destroy(&w->wake);
    uv_mutex_destroy(&w->mutex);
    buf_finish(&w->waiting.bytes);
    buf_finish(&w->taken.bytes);
    free(w->dir);
    free(w->owner);
    free(w);
    if (on_closed)
        on_closed(arg);
}

void writer_destroy(struct writer *w, void (*on_closed)(void *arg), void *arg)
{
    w->on_closed = on_closed;
    w->closed_arg = arg;
    uv_close((uv_handle_t *)&w->finished, on_close);
}

bool writer_append(struct writer *w, int64_t at_ms, struct str payload, struct spool_entry *entry)
{
    bool fits;

    uv_mutex_lock(&w->mutex);
    fits = payload.len <= SEGMENT_MAX_PAYLOAD &&
           buf_reserve(&w->waiting.bytes, SEGMENT_RECORD_HEAD + payload.len);
    if (fits) {
        segment_put_record(&w->waiting.bytes, at_ms, payload);
        entry->next = NULL;
        *w->waiting.last = entry;
        w->waiting.last = &entry->next;
        w->waiting.n++;
        uv_cond_signal(&w->wake);
    }
    w->waiting.bytes.is_full = false;
    uv_mutex_unlock(&w->mutex);
    return fits;
}

void writer_probe(struct writer *w)
{
    uv_mutex_lock(&w->mutex);
    w->waiting.is_probe = true;
    uv_cond_signal(&w->wake);
    uv_mutex_unlock(&w->mutex);
}
