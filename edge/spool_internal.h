/*
 * spool_internal.h - what spool.c (appending, beginning, end) and spool_read.c (reading, committing,
 * deleting) share, and nobody else sees.
 */
#ifndef TRACEPOOL_EDGE_SPOOL_INTERNAL_H
#define TRACEPOOL_EDGE_SPOOL_INTERNAL_H

#include "common/log.h"
#include "edge/spool.h"

enum { SPOOL_READ_BYTES = 256 * 1024 }; /* for one batch; more only for a longer record */

struct spool_segment {
    struct spool_segment *next;
    struct spool_file file; /* size is what we know to be on disk */
    uint64_t at;            /* everything before it is committed, or was passed over */
    uint64_t noted;         /* the checkpoint in the file */
    uint64_t end;           /* of the durable records */
    bool is_complete;       /* nothing will be added */
    bool is_rewound;        /* `at` went back to the start, and the file does not say so yet */
    struct segment_damage damage;
};

/* What the pool does for us; a copy of all it needs, so that it shares nothing with the loop. */
struct spool_job {
    uv_work_t work;
    struct spool_segment *finished; /* to be deleted */
    struct spool_segment *noting;   /* its checkpoint is to be written */
    uint64_t note;
    struct spool_segment *reading;
    uint64_t from;
    size_t want;
    struct buf *into;
    bool is_read;
    struct err err;
    bool is_meeting; /* kept segments are to be in the database `server` */
    char server[SPOOL_SERVER_SIZE];
    size_t nback; /* that came back to be shipped again */
    bool is_adopting;
    int64_t kept_bytes; /* of committed segments in the folder, after the search */
    struct spool_orphan *orphans;
    size_t norphans;
};

struct spool {
    uv_loop_t *loop;
    char *dir;
    struct writer *writer;
    struct spool_segment *first; /* oldest first; the one that is written to is `active` */
    struct spool_segment *active;
    struct spool_segment *finished;
    struct spool_job job;
    bool is_busy; /* the job runs */
    bool wants_orphans;
    bool wants_meeting;
    char server[SPOOL_SERVER_SIZE]; /* the database that has what is committed; "" unknown */

    struct spool_batch *batch; /* being filled, or NULL */
    size_t batch_max;
    size_t read_bytes;
    void (*read_done)(void *arg);
    void *read_arg;

    uv_timer_t retry;
    struct log_gate failed_gate;
    bool is_failing;
    size_t waiting;
    int64_t own_bytes;    /* on disk */
    int64_t queued_bytes; /* on the way there */
    int64_t other_bytes;  /* of the other spools in the folder, as of other_ms */
    int64_t other_ms;
    int64_t kept_bytes; /* of committed segments that are kept, whoever they were */
    int64_t max_bytes;
    int64_t keep_ms;

    void *arg;
    void (*on_more)(void *arg);
    bool is_closing;
    int open_handles;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/* What becomes of a segment whose records are all committed. */
enum spool_fate spool_fate_of(const struct spool *s, const struct spool_segment *seg);
/* A segment at its place in the list: sorted by name, so an owner's are in order. */
struct spool_segment *spool_add_segment(struct spool *s, struct spool_file file, uint64_t at, uint64_t end);
/* Starts whatever disk work is due, unless some is under way. */
void spool_start_job(struct spool *s);
void spool_show_bytes(struct spool *s);
/* The last steps of spool_destroy, when no job runs. */
void spool_close(struct spool *s);

#endif
