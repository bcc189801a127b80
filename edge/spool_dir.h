/*
 * spool_dir.h - the folder of spool files: making one, finding those that nobody owns any more.
 *
 * A file belongs to the process that holds its flock, which the kernel drops when that process ends,
 * however it ends. Every call here may wait for the disk: none is made on a loop.
 */
#ifndef TRACEPOOL_EDGE_SPOOL_DIR_H
#define TRACEPOOL_EDGE_SPOOL_DIR_H

#include "common/err.h"
#include "edge/segment.h"

#include <stdint.h>

#define SPOOL_SUFFIX ".spool"
#define SPOOL_KEPT ".kept"

enum { SPOOL_SERVER_SIZE = 128 };

/* A segment on disk, open and locked by us. */
struct spool_file {
    int fd;
    char *path; /* owned */
    uint64_t size;
};

/* Its entries are on disk. */
NODISCARD bool spool_dir_sync(const char *dir);

/* Makes the folder if it is missing, readable by us alone. ERR_IO when it can't be used. */
NODISCARD bool spool_dir_prepare(const char *dir, struct err *err);

/*
 * A new, locked segment that holds its header. Names sort in the order of owner (a UUIDv7), then number;
 * *number is the last one used, and grows. With is_synced the folder's entry is on disk before it returns.
 */
NODISCARD bool spool_dir_create(const char *dir, const char *owner, unsigned *number, bool is_synced,
                                struct spool_file *out, struct err *err);

struct spool_orphan {
    struct spool_file file;
    uint64_t start; /* where the records begin that the database may lack */
};
/*
 * Takes over every segment that nobody holds, sorted by name; *orphans is malloc'ed (NULL if none).
 * What can't be read is left where it is, and logged.
 */
size_t spool_dir_adopt(const char *dir, struct spool_orphan **orphans);

enum spool_fate {
    SPOOL_DELETE,
    SPOOL_KEEP,    /* as NAME.kept, so that it can be shipped again: rename it back */
    SPOOL_DAMAGED, /* as NAME.damaged, for a person to look at */
};
/* Ends a segment whose records are all in the database. Closes and frees; size stays readable. */
void spool_file_retire(struct spool_file *file, enum spool_fate fate);
/*
 * Deletes kept segments that are older than keep_ms, and the oldest ones while all together are larger than
 * max_bytes. Returns the bytes of those that stay.
 */
int64_t spool_dir_expire(const char *dir, int64_t keep_ms, int64_t max_bytes);
/* The line that tells which database the kept segments are in; "" when none was ever noted. */
void spool_dir_known_server(const char *dir, char out[SPOOL_SERVER_SIZE]);
/*
 * The database is `server` now. When the folder names another one, its kept segments become segments to be
 * shipped; returns how many. Whichever child comes first does it for all.
 */
size_t spool_dir_meet_server(const char *dir, const char *server);
/* Closes and frees; the file stays for the next owner. */
void spool_file_close(struct spool_file *file);
/* Notes in the file that everything before offset is in the database. Not synced. */
void spool_file_checkpoint(const struct spool_file *file, uint64_t offset);
/* Reads up to len bytes at offset to the end of out; out grows by what came. */
NODISCARD bool spool_file_read(const struct spool_file *file, uint64_t offset, size_t len, struct buf *out,
                               struct err *err);

#endif
