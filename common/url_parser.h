/*
 * url_parser.h - the parser at work, for the three files that it consists of.
 *
 * The WHATWG URL Standard describes a state machine that eats one character at a time. Here each of its
 * states that reads a part is a function that eats the whole part, and the serialised URL is written from
 * left to right into one buffer while the parts are noted as positions in it. Names in quotes ("relative
 * slash state") are the standard's.
 *
 *   url.c           the scheme, which decides how to go on; the result
 *   url_relative.c  what is resolved against a base, and file URLs
 *   url_parts.c     authority, path, query, fragment
 *
 * A function that parses reads on at `at` to the end of the input. False: `why` says why it is no URL.
 */
#ifndef TRACEPOOL_COMMON_URL_PARSER_H
#define TRACEPOOL_COMMON_URL_PARSER_H

#include "common/url_internal.h"

struct url_span {
    size_t from, to;
};

struct url_parser {
    struct str in;          /* stripped, valid UTF-8 */
    size_t at;              /* how much of it has been read */
    const struct url *base; /* or NULL */
    struct buf *href;       /* what has been written */
    struct url_span scheme, username, password, host, path, query, fragment;
    struct url_host host_value;
    int port, default_port;
    bool is_special, is_file;
    bool has_authority, has_opaque_path, has_query, has_fragment;
    const char *why;
};

static inline bool url_fail(struct url_parser *p, const char *why)
{
    p->why = why;
    return false;
}

/* The character at the reading position, or -1 at the end. */
static inline int url_peek(const struct url_parser *p)
{
    return p->at < p->in.len ? (unsigned char)p->in.ptr[p->at] : -1;
}

static inline struct str url_unread(const struct url_parser *p)
{
    return str_slice(p->in, p->at, p->in.len);
}

/* Special schemes take a backslash for a slash. */
static inline bool url_is_slash(const struct url_parser *p, int c)
{
    return c == '/' || (c == '\\' && p->is_special);
}

static inline struct url_span url_append(struct url_parser *p, struct str text)
{
    size_t from = p->href->len;

    buf_append_str(p->href, text);
    return (struct url_span){from, p->href->len};
}

static inline void url_truncate(struct url_parser *p, size_t len)
{
    p->href->len = len;
    p->href->data[len] = '\0';
}

/* Where a part of a URL lies in its href. */
static inline struct url_span url_span_of(const struct url *u, struct str part)
{
    size_t from = part.ptr ? (size_t)(part.ptr - u->href.ptr) : 0;

    return (struct url_span){from, from + part.len};
}

/* Where the part that begins at the reading position ends: at a slash, '?', '#' or the end. */
size_t url_part_end(const struct url_parser *p);

/* "?query#fragment", each of which may be missing. */
bool url_parse_tail(struct url_parser *p);

/* "C:" or "C|" and nothing else. */
bool url_is_drive_letter(struct str s);
/* "/C:" and nothing else. */
bool url_is_drive_path(struct str path);
/* Sets the path to the empty one, which begins here. */
void url_begin_path(struct url_parser *p);
/* "shorten a URL's path": without its last segment, unless that is the drive of a file URL. */
void url_shorten_path(struct url_parser *p);
/* "path state": the path may have been begun from a base; its next slash has been read. */
bool url_parse_segments(struct url_parser *p);
/* "path start state", behind an authority */
bool url_parse_path(struct url_parser *p);
/* "opaque path state" */
bool url_parse_opaque_path(struct url_parser *p);

/* Writes "//" and an empty host. */
void url_append_empty_host(struct url_parser *p);
/* Writes the host, which is not empty; on failure nothing that matters. */
bool url_append_host(struct url_parser *p, struct str raw);
/* "authority state" and what follows it; the slashes have been read. */
bool url_parse_authority(struct url_parser *p);
/* "special authority ignore slashes state" */
bool url_parse_authority_after_slashes(struct url_parser *p);

/* "relative state": the base's scheme has been written. */
bool url_parse_relative(struct url_parser *p);
/* The base with its query or fragment replaced; nothing, '?' or '#' comes next. */
bool url_parse_tail_on_base(struct url_parser *p);
/* "file state": "file:" has been written. */
bool url_parse_file(struct url_parser *p);

#endif
