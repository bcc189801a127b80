/*
 * access.c - collects lines and hands them to the pool, one write at a time.
 */
#include "edge/access.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/loop.h"
#include "edge/click.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_MS = 1000, FLUSH_BYTES = 64 * 1024, LINES_MAX = 4 * 1024 * 1024 };

struct access {
    uv_loop_t *loop;
    int fd; /* -1: into the log */
    uv_timer_t timer;
    uv_work_t work;
    struct buf lines, writing;
    int64_t lost; /* lines */
    int error;    /* of the last write; 0: none */
    bool is_writing, is_stopped;
    struct log_gate gate;
};

static int write_all(int fd, const struct buf *bytes)
{
    for (size_t done = 0; done < bytes->len;) {
        ssize_t n = write(fd, bytes->data + done, bytes->len - done);

        if (n < 0 && errno != EINTR)
            return errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static void run_write(uv_work_t *work)
{
    struct access *a = container_of(work, struct access, work);

    a->error = write_all(a->fd, &a->writing);
}

static void on_written(uv_work_t *work, int status)
{
    struct access *a = container_of(work, struct access, work);

    (void)status;
    a->is_writing = false;
    buf_clear(&a->writing);
    if ((a->error || a->lost) && log_gate_opens(&a->gate))
        log_warn("access.lost", kv("error", (const char *)strerror(a->error)), kv("lines", a->lost),
                 kv("held_back", a->gate.held_back));
    a->lost = 0;
}

static void flush(struct access *a)
{
    struct buf empty = a->writing;

    if (a->is_writing || a->lines.len == 0)
        return;
    a->writing = a->lines;
    a->lines = empty;
    a->is_writing = true;
    if (uv_queue_work(a->loop, &a->work, run_write, on_written) != 0)
        abort();
}

static void on_timer(uv_timer_t *timer)
{
    flush(container_of(timer, struct access, timer));
}

static void put_line(struct buf *out, const struct access_line *l)
{
    buf_printf(out, "{\"at_ms\":%" PRId64 ",\"request_id\":", loop_wall_ms());
    if (l->id)
        click_put_string(out, str_from(l->id->text));
    else
        buf_append_str(out, STR("null"));
    buf_printf(out, ",\"status\":%d,\"method\":\"%s\",\"path\":\"%s\",\"offer\":", l->status, l->method,
               l->path);
    click_put_string(out, l->offer);
    if (l->reason)
        buf_printf(out, ",\"reason\":\"%s\"", l->reason);
    buf_printf(out, ",\"us\":%" PRId64 "}\n", l->us);
}

void access_write(struct access *a, const struct access_line *l)
{
    size_t before;

    if (!a)
        return;
    if (a->fd < 0) {
        log_info("click.answer", kv("trace", l->id ? l->id->text : ""), kv("status", l->status),
                 kv("method", l->method), kv("path", l->path), kv("offer", l->offer),
                 kv("reason", l->reason ? l->reason : ""), kv("us", l->us));
        return;
    }
    before = a->lines.len;
    put_line(&a->lines, l);
    if (a->lines.is_full) { /* the disk hangs: whole lines or none */
        a->lines.len = before;
        a->lines.is_full = false;
        a->lost++;
    }
    if (a->lines.len >= FLUSH_BYTES)
        flush(a);
}

bool access_create(uv_loop_t *loop, const char *to, struct access **out, struct err *err)
{
    struct access *a;
    int fd = -1;

    *out = NULL;
    if (!to[0])
        return true;
    if (strcmp(to, "log") != 0 && (fd = open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640)) < 0)
        return err_set(err, ERR_IO, "edge.access_log: open %s: %s", to, strerror(errno));
    a = calloc(1, sizeof(*a));
    if (!a || uv_timer_init(loop, &a->timer) != 0)
        abort();
    a->loop = loop;
    a->fd = fd;
    buf_init(&a->lines, LINES_MAX);
    buf_init(&a->writing, LINES_MAX);
    uv_timer_start(&a->timer, on_timer, FLUSH_MS, FLUSH_MS);
    uv_unref((uv_handle_t *)&a->timer);
    *out = a;
    return true;
}

void access_stop(struct access *a)
{
    if (!a || a->is_stopped)
        return;
    a->is_stopped = true;
    flush(a);
    uv_close((uv_handle_t *)&a->timer, NULL);
}

void access_free(struct access *a)
{
    if (!a)
        return;
    if (a->fd >= 0) {
        write_all(a->fd, &a->lines); /* what came while the last write was under way */
        close(a->fd);
    }
    buf_finish(&a->lines);
    buf_finish(&a->writing);
    free(a);
}
