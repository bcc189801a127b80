/*
 * spool_writer.h - the thread that puts records on disk, so that the loop never waits for one.
 *
 * All records that arrive while one write and sync are under way share the next: the busier it is, the
 * fewer syncs a click costs. A file whose write or sync failed is given up: after a failed fdatasync
 * nobody knows what is on disk, and the kernel forgets the error once told, so it is never synced again.
 */
#ifndef TRACEPOOL_EDGE_SPOOL_WRITER_H
#define TRACEPOOL_EDGE_SPOOL_WRITER_H

#include "common/buf.h"
#include "common/err.h"
#include "edge/spool_dir.h"

#include <stdint.h>
#include <uv.h>

/* One record under way; embedded in whatever waits for it. */
struct spool_entry {
    struct spool_entry *next;
    /* Once, on the loop: it is on disk, or it may be and may not be. */
    void (*done)(struct spool_entry *entry, bool is_durable);
};

/* What one round of the thread did. */
struct writer_result {
    struct writer_result *next;
    struct spool_entry *entries;
    size_t nentries;
    size_t nbytes;
    struct spool_file file; /* where they are; fd -1 when none could be made */
    bool is_new_file; /* the file belongs to the receiver from now on; what came before it is complete */
    bool is_given_up; /* nothing more will be written to the file */
    bool ok;
    uint64_t end; /* of the last durable record in the file */
    int64_t sync_us;
    struct err err; /* if not ok */
};

struct writer_options {
    uv_loop_t *loop;
    const char *dir;   /* copied */
    const char *owner; /* a UUIDv7; copied */
    int64_t segment_bytes;
    bool is_synced;
    int (*sync)(int fd); /* fdatasync; tests have others */
    void *arg;
    /* On the loop, in order. Takes over what the result holds, but not the result itself. */
    void (*on_result)(void *arg, struct writer_result *result);
};

struct writer;

struct writer *writer_create(const struct writer_options *options);
/* Ends after writing what waits; the last results are given before it returns. It waits for the disk. */
void writer_stop(struct writer *w);
/* After writer_stop. */
void writer_destroy(struct writer *w, void (*on_closed)(void *arg), void *arg);

/* Queues a record. False: too much is waiting already (the disk does not keep up). */
NODISCARD bool writer_append(struct writer *w, int64_t at_ms, struct str payload, struct spool_entry *entry);
/* Has the thread make sure that there is a file to write to; its result has no entries. */
void writer_probe(struct writer *w);

#endif
