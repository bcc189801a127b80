/*
 * access.h - one line for each answer to a click, with the id of its row.
 *
 * Into the program's log, or into a file of JSON lines that is written once a second or when there is much,
 * by libuv's pool: the loop never waits for it. No line holds an address, a parameter or a click id. A file
 * that can't be written loses lines, says so once a minute, and stops nothing.
 */
#ifndef TRACEPOOL_EDGE_ACCESS_H
#define TRACEPOOL_EDGE_ACCESS_H

#include "common/err.h"
#include "common/str.h"
#include "common/uuid.h"

#include <stdint.h>
#include <uv.h>

struct access;

struct access_line {
    int status;
    const struct uuid *id; /* NULL: no row */
    struct str offer;      /* as asked for */
    const char *method;
    const char *path;
    const char *reason; /* why it is skipped, or no click, or refused; NULL: it is traced */
    int64_t us;         /* from the first byte to the answer */
};

/*
 * to is "" (nowhere: *out is NULL), "log", or a path. ERR_IO: the file can't be opened. A reload opens it
 * again, so it may be renamed first.
 */
NODISCARD bool access_create(uv_loop_t *loop, const char *to, struct access **out, struct err *err);
/* Accepts NULL, as all of these. */
void access_write(struct access *access, const struct access_line *line);
/* Writes what is left. It waits for the disk. */
void access_stop(struct access *access);
/* When the loop has ended. */
void access_free(struct access *access);

#endif
