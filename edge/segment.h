/*
 * segment.h - the format of a spool file, and how to read one that has suffered. Pure: bytes in, records out.
 *
 *     segment  = header record*
 *     header   = "tpspool" version(1) | created ms (8) | zero (12) | crc32c of these 28 (4)        32 bytes
 *                checkpoint: offset (8) | its complement (8)                                       16 bytes
 *     record   = mark (4) | payload length (4) | wall clock ms (8) | crc32c of the payload (4)
 *                | crc32c of these 20 (4) | payload
 *
 * Numbers are little endian. The mark begins with byte 0xff, which UTF-8 text never holds, so a reader
 * that has lost its way finds the next record. A record's head has a checksum of its own: a flipped bit in
 * a payload costs that record and no other, and a length is believed only when its head is whole.
 *
 * The checkpoint is the offset up to which the records are in the database. It is written after the
 * commit and never synced: an older one, or none, only means that records are sent again.
 */
#ifndef TRACEPOOL_EDGE_SEGMENT_H
#define TRACEPOOL_EDGE_SEGMENT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <stdint.h>

enum {
    SEGMENT_VERSION = 1,
    SEGMENT_HEADER = 48,
    SEGMENT_CHECKPOINT_AT = 32,
    SEGMENT_CHECKPOINT = 16,
    SEGMENT_RECORD_HEAD = 24,
    SEGMENT_MAX_PAYLOAD = 1024 * 1024,
};

/* CRC-32C (Castagnoli), by the processor where it can. */
uint32_t crc32c(const void *bytes, size_t len);

/* Appends a header with a checkpoint behind itself: nothing is in the database. */
void segment_put_header(struct buf *out, int64_t created_ms);
void segment_put_checkpoint(char out[SEGMENT_CHECKPOINT], uint64_t offset);
/* Appends one record; payload is at most SEGMENT_MAX_PAYLOAD long. */
void segment_put_record(struct buf *out, int64_t at_ms, struct str payload);

enum segment_kind {
    SEGMENT_OURS,    /* *start is where to go on reading: the checkpoint, or the first record */
    SEGMENT_DAMAGED, /* the header is no header: *start is 0, and the reader finds what is left */
    SEGMENT_NEWER,   /* another version's: leave it alone */
};
/* Looks at a file's first SEGMENT_HEADER bytes (fewer: DAMAGED). */
enum segment_kind segment_open(struct str head, uint64_t size, uint64_t *start);

struct segment_record {
    int64_t at_ms;
    struct str payload; /* into the bytes read */
};

/* What a reader had to pass over. Zero it before the first call on a segment. */
struct segment_damage {
    uint64_t records; /* runs of bytes, or single records, that were damaged and had good ones behind them */
    uint64_t torn;    /* 1: the end of the segment is not a whole record */
    uint64_t bytes;   /* of both */
    bool is_lost;     /* inside a run that is not counted yet */
};

/*
 * The next whole record at or behind *at; *at moves behind it. False: there is none in these bytes; *at
 * is where to go on when more follow (is_end false), and bytes.len otherwise.
 */
bool segment_next(struct str bytes, bool is_end, size_t *at, struct segment_record *record,
                  struct segment_damage *damage);

#endif
