/*
 * buf.h - growing bytes with a ceiling.
 *
 * Appending past the ceiling changes nothing, marks the buffer `is_full` and returns false, so a
 * writer may append freely and ask once at the end. Running out of memory ends the process.
 */
#ifndef TRACEPOOL_COMMON_BUF_H
#define TRACEPOOL_COMMON_BUF_H

#include "common/scope.h"
#include "common/str.h"

#include <stdarg.h>
#include <string.h>

struct buf {
    char *data; /* owned; NUL-terminated whenever it is not NULL */
    size_t len;
    size_t cap;
    size_t max; /* the ceiling: len never exceeds it */
    bool is_full;
};

/* An empty buffer that may grow to max bytes. Nothing is allocated yet. */
void buf_init(struct buf *b, size_t max);
/* Frees the bytes; accepts a zeroed buffer; the buffer may be initialised again. */
void buf_finish(struct buf *b);
/* Empties it and forgets is_full; keeps the memory. */
void buf_clear(struct buf *b);

/* Room for len more bytes; the caller writes them at data + len and adds to len itself. */
bool buf_reserve(struct buf *b, size_t len);

static inline bool buf_append(struct buf *b, const void *bytes, size_t len)
{
    bool has_room = b->len + len < b->cap && !b->is_full; /* cap never exceeds max + 1 */

    if (!has_room && !buf_reserve(b, len))
        return false;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

static inline bool buf_append_str(struct buf *b, struct str s)
{
    return buf_append(b, s.ptr, s.len);
}

static inline bool buf_append_char(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first len bytes. */
void buf_consume(struct buf *b, size_t len);

/* The bytes as a C string (never NULL; an empty buffer gives ""). Valid until the next change. */
static inline const char *buf_cstr(const struct buf *b)
{
    return b->data ? b->data : "";
}

/* A view of what is in it, valid until the next change. Never NULL inside. */
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){buf_cstr(b), b->len};
}

DEFINE_SCOPED(buf, struct buf, buf_finish)

#endif
