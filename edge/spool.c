/*
 * spool.c - the loop's side of the spool: appending, and what each round of the writer changed.
 *
 * Leaves reading, committing and deleting to spool_read.c, and every wait for the disk to the writer's
 * thread or to libuv's pool.
 */
#include "edge/spool_internal.h"

#include "common/loop.h"
#include "common/metrics.h"
#include "common/uuid.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_MS = 1000 };

void spool_show_bytes(struct spool *s)
{
    metrics_set(METRIC_SPOOL_BYTES, s->own_bytes);
    metrics_set(METRIC_SPOOL_UNSHIPPED_BYTES, spool_unshipped_bytes(s));
}

int64_t spool_unshipped_bytes(const struct spool *s)
{
    uint64_t bytes = 0;

    for (const struct spool_segment *seg = s->first; seg; seg = seg->next)
        bytes += seg->end - seg->at;
    return (int64_t)bytes;
}

/* The other children's share; asked for at most once a second, as asking is not free. */
static int64_t bytes_of_others(struct spool *s)
{
    int64_t now = loop_now_ms();

    if (now - s->other_ms >= RETRY_MS) {
        s->other_ms = now;
        s->other_bytes = metrics_value(METRIC_SPOOL_BYTES) - s->own_bytes;
    }
    return s->other_bytes;
}

static void insert(struct spool *s, struct spool_segment *seg)
{
    struct spool_segment **at = &s->first;

    while (*at && strcmp((*at)->file.path, seg->file.path) < 0)
        at = &(*at)->next;
    seg->next = *at;
    *at = seg;
}

struct spool_segment *spool_add_segment(struct spool *s, struct spool_file file, uint64_t at, uint64_t end)
{
    struct spool_segment *seg = calloc(1, sizeof(*seg));

    if (!seg)
        abort();
    *seg = (struct spool_segment){.file = file, .at = at, .noted = at, .end = end};
    s->own_bytes += (int64_t)file.size;
    insert(s, seg);
    return seg;
}

enum spool_fate spool_fate_of(const struct spool *s, const struct spool_segment *seg)
{
    if (seg->damage.records > 0)
        return SPOOL_DAMAGED;
    return s->keep_ms && seg->end > SEGMENT_HEADER ? SPOOL_KEEP : SPOOL_DELETE;
}

static void on_retry(uv_timer_t *timer)
{
    struct spool *s = container_of(timer, struct spool, retry);

    writer_probe(s->writer);
}

static void note_failure(struct spool *s, const struct writer_result *r)
{
    metrics_add(METRIC_SPOOL_FAILED, (int64_t)r->nentries);
    if (log_gate_opens(&s->failed_gate))
        log_error("spool.failed", kv_err(&r->err), kv("clicks", r->nentries),
                  kv("held_back", s->failed_gate.held_back),
                  kv("advice", "clicks go straight to the database until the spool can be written again"));
    s->is_failing = true;
    if (!s->is_closing)
        uv_timer_start(&s->retry, on_retry, RETRY_MS, 0);
}

static void note_success(struct spool *s, const struct writer_result *r)
{
    if (r->nentries) {
        metrics_add(METRIC_SPOOL_APPENDED, (int64_t)r->nentries);
        metrics_add(METRIC_SPOOL_SYNCS, 1);
        metrics_observe_us(METRIC_SPOOL_SYNC_SECONDS, r->sync_us);
    }
    if (s->is_failing)
        log_info("spool.recovered");
    s->failed_gate = (struct log_gate){.next_ms = 0};
    s->is_failing = false;
    uv_timer_stop(&s->retry);
}

static void place(struct spool *s, const struct writer_result *r)
{
    if ((r->is_new_file || r->file.fd < 0) && s->active) {
        s->active->is_complete = true;
        s->active = NULL;
    }
    if (r->is_new_file)
        s->active = spool_add_segment(s, r->file, SEGMENT_HEADER, SEGMENT_HEADER);
    s->queued_bytes -= (int64_t)r->nbytes;
    if (s->active && r->ok) {
        s->own_bytes += (int64_t)r->end - (int64_t)s->active->file.size;
        s->active->end = r->end;
        s->active->file.size = r->end;
    }
    if (s->active && r->is_given_up) {
        s->active->is_complete = true;
        s->active = NULL;
    }
}

static void on_result(void *arg, struct writer_result *r)
{
    struct spool *s = arg;

    place(s, r);
    if (r->ok)
        note_success(s, r);
    else
        note_failure(s, r);
    for (struct spool_entry *e = r->entries, *next; e; e = next) {
        next = e->next;
        s->waiting--;
        e->done(e, r->ok);
    }
    spool_show_bytes(s);
    if (r->ok && r->nentries && !s->is_closing)
        s->on_more(s->arg);
}

static void rewind_all(struct spool *s)
{
    for (struct spool_segment *seg = s->first; seg; seg = seg->next) {
        seg->is_rewound = seg->at > SEGMENT_HEADER;
        seg->at = SEGMENT_HEADER;
        seg->damage = (struct segment_damage){.records = 0};
    }
}

bool spool_meet_server(struct spool *s, struct str server)
{
    bool is_other = s->server[0] != '\0';

    if (!s->keep_ms || server.len >= sizeof(s->server) || str_equal(server, str_from(s->server)))
        return false;
    if (is_other) {
        log_warn("spool.other_server", kv("was", s->server), kv_str("is", server),
                 kv("advice", "a standby was promoted or a backup restored: kept clicks are shipped again"));
        rewind_all(s);
    }
    snprintf(s->server, sizeof(s->server), "%.*s", STR_ARG(server));
    s->wants_meeting = true;
    spool_start_job(s);
    spool_show_bytes(s);
    return is_other;
}

bool spool_append(struct spool *s, int64_t at_ms, struct str payload, struct spool_entry *entry)
{
    static struct log_gate gate;
    int64_t size = SEGMENT_RECORD_HEAD + (int64_t)payload.len;

    if (s->own_bytes + s->queued_bytes + s->kept_bytes + bytes_of_others(s) + size > s->max_bytes ||
        !writer_append(s->writer, at_ms, payload, entry)) {
        metrics_add(METRIC_SPOOL_FAILED, 1);
        if (log_gate_opens(&gate))
            log_error("spool.full", kv("bytes", s->own_bytes + s->other_bytes), kv("max_bytes", s->max_bytes),
                      kv("held_back", gate.held_back),
                      kv("advice", "is the database down? raise edge.spool_max_bytes if the disk has room"));
        return false;
    }
    s->queued_bytes += size;
    s->waiting++;
    return true;
}

bool spool_is_writable(const struct spool *s)
{
    return !s->is_failing && s->active;
}

size_t spool_waiting(const struct spool *s)
{
    return s->waiting;
}

bool spool_create(const struct spool_options *o, struct spool **out, struct err *err)
{
    struct uuid owner = uuid7_next(loop_wall_ms());
    struct spool *s;

    if (!spool_dir_prepare(o->dir, err))
        return false;
    s = calloc(1, sizeof(*s));
    if (!s || !(s->dir = strdup(o->dir)))
        abort();
    s->loop = o->loop;
    s->max_bytes = o->max_bytes;
    s->keep_ms = o->keep_ms;
    s->read_bytes = SPOOL_READ_BYTES;
    spool_dir_known_server(o->dir, s->server);
    s->arg = o->arg;
    s->on_more = o->on_more;
    s->other_ms = INT64_MIN / 2;
    s->writer = writer_create(&(struct writer_options){.loop = o->loop,
                                                       .dir = o->dir,
                                                       .owner = owner.text,
                                                       .segment_bytes = o->segment_bytes,
                                                       .is_synced = o->is_synced,
                                                       .sync = o->sync ? o->sync : fdatasync,
                                                       .arg = s,
                                                       .on_result = on_result});
    if (uv_timer_init(o->loop, &s->retry) != 0)
        abort();
    uv_unref((uv_handle_t *)&s->retry);
    writer_probe(s->writer);
    spool_adopt(s);
    *out = s;
    return true;
}

static void leave_segments(struct spool *s)
{
    for (struct spool_segment *seg = s->first, *next; seg; seg = next) {
        next = seg->next;
        if (seg->at == seg->end) {
            spool_file_retire(&seg->file, spool_fate_of(s, seg));
        } else {
            spool_file_checkpoint(&seg->file, seg->at);
            spool_file_close(&seg->file);
        }
        free(seg);
    }
    s->first = s->active = NULL;
}

static void on_handle_closed(void *arg)
{
    struct spool *s = arg;
    void (*on_closed)(void *) = s->on_closed;
    void *closed_arg = s->closed_arg;

    if (--s->open_handles > 0)
        return;
    free(s->dir);
    free(s);
    if (on_closed)
        on_closed(closed_arg);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of((uv_timer_t *)handle, struct spool, retry));
}

void spool_close(struct spool *s)
{
    writer_stop(s->writer);
    leave_segments(s);
    metrics_set(METRIC_SPOOL_BYTES, 0);
    metrics_set(METRIC_SPOOL_UNSHIPPED_BYTES, 0);
    s->open_handles = 2;
    writer_destroy(s->writer, on_handle_closed, s);
    uv_close((uv_handle_t *)&s->retry, on_timer_closed);
}

void spool_destroy(struct spool *s, void (*on_closed)(void *arg), void *arg)
{
    s->is_closing = true;
    s->on_closed = on_closed;
    s->closed_arg = arg;
    s->batch = NULL;
    if (!s->is_busy)
        spool_close(s);
}
