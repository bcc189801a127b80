/*
 * spool_read.c - what is committed, what is to be shipped next, what may be deleted.
 *
 * Reads, checkpoints, deletions and the search for orphans are one job at a time in libuv's pool; the
 * job has a copy of all it needs.
 */
#include "edge/spool_internal.h"

#include "common/metrics.h"

#include <assert.h>
#include <stdio.h>

enum { READ_MAX = SEGMENT_MAX_PAYLOAD + SEGMENT_RECORD_HEAD };

/* Moves segments that are complete and committed to the list of what the next job deletes. */
static void sort_out_finished(struct spool *s)
{
    for (struct spool_segment **at = &s->first; *at;) {
        struct spool_segment *seg = *at;

        if (!seg->is_complete || seg->at < seg->end || (s->batch && s->batch->segment == seg) ||
            s->job.reading == seg || s->job.noting == seg) {
            at = &seg->next;
            continue;
        }
        *at = seg->next;
        seg->next = s->finished;
        s->finished = seg;
    }
}

static void run_job(uv_work_t *work)
{
    struct spool_job *job = container_of(work, struct spool_job, work);
    struct spool *s = container_of(job, struct spool, job); /* only what never changes */

    if (job->noting)
        spool_file_checkpoint(&job->noting->file, job->note);
    for (struct spool_segment *seg = job->finished; seg; seg = seg->next)
        spool_file_retire(&seg->file, spool_fate_of(s, seg));
    if (job->reading)
        job->is_read = spool_file_read(&job->reading->file, job->from, job->want, job->into, &job->err);
    if (job->is_meeting)
        job->nback = spool_dir_meet_server(s->dir, job->server);
    if (job->is_adopting) {
        job->norphans = spool_dir_adopt(s->dir, &job->orphans);
        job->kept_bytes = spool_dir_expire(s->dir, s->keep_ms, s->max_bytes / 2);
    }
}

static void add_item(struct spool_batch *b, const struct segment_record *record, uint64_t end)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 64;
        b->items = reallocarray(b->items, b->cap, sizeof(*b->items));
        if (!b->items)
            abort();
    }
    b->items[b->n++] = (struct spool_item){record->payload, record->at_ms, end};
}

static void note_damage(const struct spool_segment *seg, const struct segment_damage *now)
{
    uint64_t records = now->records - seg->damage.records, torn = now->torn - seg->damage.torn;

    metrics_add(METRIC_SPOOL_DAMAGED, (int64_t)records);
    metrics_add(METRIC_SPOOL_TORN, (int64_t)torn);
    if (records)
        log_error("spool.damaged", kv("file", seg->file.path), kv("records", records),
                  kv("bytes", now->bytes - seg->damage.bytes),
                  kv("advice", "kept beside the others as NAME.damaged"));
    else if (torn)
        log_warn("spool.torn", kv("file", seg->file.path), kv("bytes", now->bytes - seg->damage.bytes));
}

/* All of the batch is in the database, and what had to be passed over is behind us. */
static void finish_batch(struct spool *s, const struct spool_batch *batch)
{
    struct spool_segment *seg = batch->segment;

    seg->at = batch->end;
    note_damage(seg, &batch->damage);
    seg->damage = batch->damage;
    spool_show_bytes(s);
}

/* What was read becomes the batch; false: a record is longer than that, or nothing but damage was there. */
static bool take_records(struct spool *s, struct spool_segment *seg, uint64_t from)
{
    struct spool_batch *b = s->batch;
    bool is_end = from + b->bytes.len >= seg->end;
    struct segment_record record;
    size_t at = 0;

    b->segment = seg;
    b->damage = seg->damage;
    b->n = 0;
    while (b->n < s->batch_max && segment_next(buf_str(&b->bytes), is_end, &at, &record, &b->damage))
        add_item(b, &record, from + at);
    b->end = from + at;
    if (b->n)
        return true;
    if (at == 0)
        s->read_bytes = READ_MAX;
    finish_batch(s, b);
    return false;
}

static void finish_read(struct spool *s)
{
    s->read_bytes = SPOOL_READ_BYTES;
    s->batch = NULL;
    s->read_done(s->read_arg);
}

static void take_read(struct spool *s, struct spool_job *job)
{
    struct spool_segment *seg = TAKE(job->reading);

    if (seg->at != job->from) /* rewound meanwhile: read once more, from there */
        return;
    if (!job->is_read || s->batch->bytes.len == 0) {
        log_error("spool.unreadable", kv("file", seg->file.path),
                  kv("reason", job->is_read ? "shorter than it was" : job->err.detail));
        metrics_add(METRIC_SPOOL_DAMAGED, 1);
        seg->damage.records++;
        seg->at = seg->end;
    } else if (take_records(s, seg, job->from)) {
        finish_read(s);
    }
}

/* Those with nothing to ship are only there to be deleted. */
static void take_orphans(struct spool *s, struct spool_job *job)
{
    int64_t bytes = 0, n = 0;

    job->is_adopting = false;
    s->kept_bytes = job->kept_bytes;
    for (size_t i = 0; i < job->norphans; i++) {
        struct spool_orphan *o = &job->orphans[i];
        struct spool_segment *seg = spool_add_segment(s, o->file, o->start, o->file.size);

        seg->is_complete = true;
        n += seg->at < seg->end;
        bytes += (int64_t)(seg->end - seg->at);
    }
    free(job->orphans);
    job->orphans = NULL;
    job->norphans = 0;
    if (n == 0)
        return;
    metrics_add(METRIC_SPOOL_ADOPTED, n);
    log_info("spool.adopted", kv("segments", n), kv("unshipped_bytes", bytes));
    if (!s->is_closing)
        s->on_more(s->arg);
}

static void drop_finished(struct spool *s, struct spool_job *job)
{
    for (struct spool_segment *seg = TAKE(job->finished), *next; seg; seg = next) {
        next = seg->next;
        s->own_bytes -= (int64_t)seg->file.size;
        s->kept_bytes += spool_fate_of(s, seg) == SPOOL_KEEP ? (int64_t)seg->file.size : 0;
        free(seg);
    }
}

static void take_meeting(struct spool *s, struct spool_job *job)
{
    if (job->nback) {
        metrics_add(METRIC_SPOOL_AGAIN, (int64_t)job->nback);
        log_info("spool.again", kv("segments", job->nback));
        s->wants_orphans = true;
    }
    job->is_meeting = false;
    job->nback = 0;
}

/*
 * Busy until all of it is taken: who hears of it may ask for the next job, which must not mix with this one.
 */
static void on_job_done(uv_work_t *work, int status)
{
    struct spool *s = container_of(container_of(work, struct spool_job, work), struct spool, job);

    (void)status;
    s->job.noting = NULL;
    drop_finished(s, &s->job);
    if (s->job.is_meeting)
        take_meeting(s, &s->job);
    if (s->job.is_adopting)
        take_orphans(s, &s->job);
    if (s->job.reading && !s->is_closing)
        take_read(s, &s->job);
    spool_show_bytes(s);
    s->is_busy = false;
    if (s->is_closing)
        spool_close(s);
    else
        spool_start_job(s);
}

/* The oldest segment with records that are not committed. */
static struct spool_segment *first_unread(struct spool *s)
{
    for (struct spool_segment *seg = s->first; seg; seg = seg->next)
        if (seg->at < seg->end)
            return seg;
    return NULL;
}

static void plan_read(struct spool *s, struct spool_job *job)
{
    struct spool_segment *seg = s->batch ? first_unread(s) : NULL;
    uint64_t left;

    if (!seg)
        return;
    left = seg->end - seg->at;
    job->reading = seg;
    job->from = seg->at;
    job->want = left < s->read_bytes ? (size_t)left : s->read_bytes;
    job->into = &s->batch->bytes;
    s->batch->segment = NULL;
    buf_clear(job->into);
}

static bool needs_note(const struct spool_segment *seg)
{
    return seg->is_rewound || seg->noted != seg->at;
}

/*
 * What was rewound comes first: until the files say so, the folder must not say that we know the new
 * database.
 */
static void plan_note(struct spool *s, struct spool_job *job)
{
    for (struct spool_segment *seg = s->first; seg; seg = seg->next)
        if (needs_note(seg) && (!job->noting || (seg->is_rewound && !job->noting->is_rewound)))
            job->noting = seg;
    if (!job->noting)
        return;
    job->note = job->noting->noted = job->noting->at;
    job->noting->is_rewound = false;
}

static void plan_meeting(struct spool *s, struct spool_job *job)
{
    for (const struct spool_segment *seg = s->first; seg; seg = seg->next)
        if (seg->is_rewound)
            return;
    job->is_meeting = s->wants_meeting;
    s->wants_meeting = false;
    snprintf(job->server, sizeof(job->server), "%s", s->server);
}

void spool_start_job(struct spool *s)
{
    struct spool_job *job = &s->job;

    if (s->is_busy || s->is_closing)
        return;
    sort_out_finished(s);
    job->finished = TAKE(s->finished);
    job->is_adopting = s->wants_orphans;
    s->wants_orphans = false;
    plan_note(s, job);
    if (s->wants_meeting)
        plan_meeting(s, job);
    plan_read(s, job);
    if (s->batch && !job->reading) {
        s->batch->n = 0;
        finish_read(s);
    }
    if (!job->finished && !job->is_adopting && !job->is_meeting && !job->noting && !job->reading)
        return;
    s->is_busy = true;
    if (uv_queue_work(s->loop, &job->work, run_job, on_job_done) != 0)
        abort();
}

void spool_adopt(struct spool *s)
{
    s->wants_orphans = true;
    spool_start_job(s);
}

void spool_read(struct spool *s, size_t max, struct spool_batch *batch, void (*done)(void *arg), void *arg)
{
    assert(!s->batch && max > 0);
    s->batch = batch;
    s->batch_max = max;
    s->read_done = done;
    s->read_arg = arg;
    if (!batch->bytes.max)
        buf_init(&batch->bytes, READ_MAX);
    spool_start_job(s);
}

void spool_commit(struct spool *s, const struct spool_batch *batch, size_t n)
{
    assert(n <= batch->n);
    if (n == batch->n)
        finish_batch(s, batch);
    else if (n > 0)
        batch->segment->at = batch->items[n - 1].end;
    if (spool_unshipped_bytes(s) == 0) /* else the next read writes the checkpoint, in the same job */
        spool_start_job(s);
}

void spool_batch_finish(struct spool_batch *batch)
{
    free(batch->items);
    buf_finish(&batch->bytes);
    *batch = (struct spool_batch){.n = 0};
}
