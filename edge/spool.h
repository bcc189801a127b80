/*
 * spool.h - every click on disk before it is answered, and kept there until the database has it.
 *
 * One spool for each child, in a folder that all children of a host share. It appends to a segment of its
 * own (spool_writer.h), takes over the segments of processes that are gone, and gives what is not in the
 * database yet out again, from the file and in order, to whoever ships it. A segment is deleted when all
 * of it is committed. Starting is recovering: what a killed process left is an orphan like any other.
 */
#ifndef TRACEPOOL_EDGE_SPOOL_H
#define TRACEPOOL_EDGE_SPOOL_H

#include "common/err.h"
#include "edge/segment.h"
#include "edge/spool_writer.h"

#include <stdint.h>
#include <uv.h>

struct spool;

struct spool_options {
    uv_loop_t *loop;
    const char *dir;       /* copied */
    int64_t segment_bytes; /* a segment is left for the next one at about this size */
    int64_t max_bytes;     /* of all spools in the folder, by the metric SPOOL_BYTES */
    int64_t keep_ms;       /* that a committed segment stays as NAME.kept; 0: it is deleted */
    bool is_synced;        /* fdatasync before an append counts as durable; else write alone */
    int (*sync)(int fd);   /* NULL: fdatasync */
    void *arg;
    void (*on_more)(void *arg); /* there may be something to ship again */
};

/* Starts the writer, makes its first segment and looks for orphans. ERR_IO when the folder can't be used. */
NODISCARD bool spool_create(const struct spool_options *options, struct spool **out, struct err *err);
/*
 * Writes what waits, notes what is committed, deletes what is finished and leaves the rest to the next
 * owner. Not while an append waits for its answer. on_closed when the last handle is gone.
 */
void spool_destroy(struct spool *spool, void (*on_closed)(void *arg), void *arg);

/*
 * Queues one click; entry->done tells when it is on disk, never from within this call. False: the spool
 * is full, or the disk does not keep up; nothing was queued.
 */
NODISCARD bool spool_append(struct spool *spool, int64_t at_ms, struct str payload,
                            struct spool_entry *entry);

/* Whether the last write worked (the first segment counts as one). Tried again every second while not. */
bool spool_is_writable(const struct spool *spool);
/* Bytes that are durable and not committed. */
int64_t spool_unshipped_bytes(const struct spool *spool);
/* Appends that were not answered yet. */
size_t spool_waiting(const struct spool *spool);

/*
 * Looks for segments that nobody owns any more; on_more if there are. And deletes kept ones that are old, or
 * that take more than half of max_bytes.
 */
void spool_adopt(struct spool *spool);

/*
 * The database at the other end calls itself `server`. When that is another one than what is committed is in,
 * all that is still here of it, kept segments included, is to be shipped again: true, and the caller forgets
 * the batch it may hold. What is there already is passed over there. Does nothing when keep_ms is 0.
 */
NODISCARD bool spool_meet_server(struct spool *spool, struct str server);

struct spool_item {
    struct str payload;
    int64_t at_ms;
    uint64_t end; /* its end in the segment */
};

struct spool_segment;

/* Records of one segment, in order. Zero it before the first use; its memory is used again and again. */
struct spool_batch {
    struct spool_item *items;
    size_t n;
    size_t cap;
    struct buf bytes;
    struct spool_segment *segment;
    uint64_t end; /* in the segment, behind what had to be passed over */
    struct segment_damage damage;
};

/*
 * Fills batch with the oldest records that are not committed, at most max of them; then calls done on the
 * loop. batch->n is 0 when there was nothing left but damage. Only while spool_unshipped_bytes is not 0, one
 * read at a time, and none while a batch is not committed whole. The batch's memory must last until done,
 * or until on_closed of spool_destroy.
 */
void spool_read(struct spool *spool, size_t max, struct spool_batch *batch, void (*done)(void *arg),
                void *arg);
/* The first n records of the batch are in the database now. With n == batch->n it is done with. */
void spool_commit(struct spool *spool, const struct spool_batch *batch, size_t n);
void spool_batch_finish(struct spool_batch *batch);

#endif
