/*
 * offers_feed.c - asks for offers, takes changed ones over, writes the snapshot.
 */
#include "edge/offers_feed.h"

#include "common/log.h"
#include "common/metrics.h"
#include "common/pg/row.h"
#include "edge/queries.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SNAPSHOT_MAX = 512 * 1024 * 1024 };

struct save {
    uv_work_t work;
    struct buf text;
    bool is_running;
    bool is_due; /* changed again meanwhile */
    struct err err;
    bool ok;
};

struct offers_feed {
    struct pg *pg;
    char path[PATH_MAX];
    uv_loop_t *loop;
    uv_timer_t poll;
    struct offers *offers;
    struct buf text; /* what offers was made of */
    bool is_asking;
    bool is_due; /* asked for again while asking */
    bool is_stopped;
    struct save save;
};

/* ---- the snapshot ---- */

static bool write_file(const char *path, struct str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0;

    while (ok && text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);

        ok = n > 0 || (n < 0 && errno == EINTR);
        if (n > 0)
            text = str_slice(text, (size_t)n, text.len);
    }
    ok = ok && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static void run_save(uv_work_t *work)
{
    struct save *save = container_of(work, struct save, work);
    struct offers_feed *feed = container_of(save, struct offers_feed, save);
    char fresh[PATH_MAX + 32];

    snprintf(fresh, sizeof(fresh), "%s.%ld", feed->path, (long)getpid());
    save->ok = write_file(fresh, buf_str(&save->text)) && rename(fresh, feed->path) == 0;
    if (save->ok)
        return;
    err_set(&save->err, ERR_IO, "write %s: %s", feed->path, strerror(errno));
    unlink(fresh);
}

static void start_save(struct offers_feed *feed);

static void on_saved(uv_work_t *work, int status)
{
    struct save *save = container_of(work, struct save, work);
    struct offers_feed *feed = container_of(save, struct offers_feed, save);

    (void)status;
    save->is_running = false;
    if (!save->ok)
        log_warn("offers.snapshot_failed", kv_err(&save->err));
    if (save->is_due && !feed->is_stopped)
        start_save(feed);
}

static void start_save(struct offers_feed *feed)
{
    struct save *save = &feed->save;

    save->is_due = save->is_running;
    if (save->is_running)
        return;
    buf_clear(&save->text);
    buf_append_str(&save->text, buf_str(&feed->text));
    save->is_running = true;
    if (uv_queue_work(feed->loop, &save->work, run_save, on_saved) != 0)
        abort();
}

static bool read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    while (fd >= 0 && buf_reserve(out, 64 * 1024) && (n = read(fd, out->data + out->len, 64 * 1024)) > 0) {
        out->len += (size_t)n;
        out->data[out->len] = '\0';
    }
    if (fd >= 0)
        close(fd);
    return n == 0;
}

/* ---- taking over ---- */

static void name_problems(const struct offers *offers)
{
    for (size_t i = 0; i < offers_count(offers); i++) {
        const struct offer *o = offers_at(offers, i);

        if (o->problem)
            log_warn("offer.problem", kv("offer", o->name), kv("problem", o->problem),
                     kv("urls_left", o->nurls));
    }
}

/* text is kept when it can be read. */
static bool take_over(struct offers_feed *feed, struct str text, const char *from)
{
    struct offers *fresh;
    struct err err;

    if (!offers_parse(text, &fresh, &err)) {
        log_error("offers.unreadable", kv("from", from), kv_err(&err));
        return false;
    }
    offers_destroy(feed->offers);
    feed->offers = fresh;
    metrics_add(METRIC_OFFERS_LOADS, 1);
    log_info("offers.loaded", kv("from", from), kv("offers", offers_count(fresh)));
    name_problems(fresh);
    return true;
}

static void on_answer(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    static struct log_gate gate;
    struct offers_feed *feed = arg;
    struct str text;

    feed->is_asking = false;
    if (feed->is_stopped)
        return;
    if (err->code != ERR_OK) {
        if (log_gate_opens(&gate))
            log_warn("offers.refresh_failed", kv("sqlstate", sqlstate), kv_err(err));
        return;
    }
    text = row_str(res, 0, row_column(res, "offers"));
    if (!feed->offers || !str_equal(text, buf_str(&feed->text))) {
        buf_clear(&feed->text);
        if (buf_append_str(&feed->text, text) && take_over(feed, text, "database"))
            start_save(feed);
    }
    if (feed->is_due)
        offers_feed_refresh(feed);
}

void offers_feed_refresh(struct offers_feed *feed)
{
    feed->is_due = feed->is_asking;
    if (feed->is_asking || feed->is_stopped || !pg_is_up(feed->pg))
        return;
    feed->is_asking = true;
    pg_send(feed->pg, Q_ACTIVE_OFFERS, NULL, 0, on_answer, feed);
}

const struct offers *offers_feed_get(const struct offers_feed *feed)
{
    return feed->offers;
}

/* ---- beginning and end ---- */

static void on_poll(uv_timer_t *timer)
{
    offers_feed_refresh(container_of(timer, struct offers_feed, poll));
}

struct offers_feed *offers_feed_create(uv_loop_t *loop, const char *dir, int64_t poll_ms)
{
    struct offers_feed *feed = calloc(1, sizeof(*feed));

    if (!feed || uv_timer_init(loop, &feed->poll) != 0)
        abort();
    feed->loop = loop;
    snprintf(feed->path, sizeof(feed->path), "%s/offers.json", dir);
    buf_init(&feed->text, SNAPSHOT_MAX);
    buf_init(&feed->save.text, SNAPSHOT_MAX);
    if (!read_file(feed->path, &feed->text) || !take_over(feed, buf_str(&feed->text), "snapshot"))
        buf_clear(&feed->text);
    uv_timer_start(&feed->poll, on_poll, (uint64_t)poll_ms, (uint64_t)poll_ms);
    uv_unref((uv_handle_t *)&feed->poll);
    return feed;
}

void offers_feed_connect(struct offers_feed *feed, struct pg *pg)
{
    feed->pg = pg;
}

void offers_feed_stop(struct offers_feed *feed)
{
    feed->is_stopped = true;
    if (!uv_is_closing((uv_handle_t *)&feed->poll))
        uv_close((uv_handle_t *)&feed->poll, NULL);
}

void offers_feed_free(struct offers_feed *feed)
{
    offers_destroy(feed->offers);
    buf_finish(&feed->text);
    buf_finish(&feed->save.text);
    free(feed);
}
