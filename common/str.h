/*
 * str.h - views into bytes somebody else owns.
 *
 * A struct str is a pointer and a length, without a terminating NUL. It never owns its bytes: whoever
 * hands one out says in its header how long they live.
 */
#ifndef TRACEPOOL_COMMON_STR_H
#define TRACEPOOL_COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

/* A view of a string literal. */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/* printf: "%.*s" with STR_ARG(s). */
#define STR_ARG(s) (int)(s).len, (s).ptr

/*
 * A view of a C string; NULL becomes the empty view. (Here, as what every request does a hundred times is
 * inlined.)
 */
static inline struct str str_from(const char *cstr)
{
    return (struct str){cstr ? cstr : "", cstr ? strlen(cstr) : 0};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_same_nocase(const char *a, const char *b, size_t len);
/* ASCII case is ignored; every other byte must be the same. */
static inline bool str_equal_nocase(struct str a, struct str b)
{
    return a.len == b.len && str_same_nocase(a.ptr, b.ptr, a.len);
}

bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends_nocase(struct str s, struct str suffix);

/* Position of the first byte c at or after from; s.len when there is none. */
static inline size_t str_find(struct str s, size_t from, char c)
{
    const char *hit = from < s.len ? (const char *)memchr(s.ptr + from, c, s.len - from) : NULL;

    return hit ? (size_t)(hit - s.ptr) : s.len;
}

/* Bytes [from, to) of s; both are cut to s.len. */
static inline struct str str_slice(struct str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return (struct str){s.ptr ? s.ptr + from : NULL, to - from};
}

/* Without leading and trailing space, tab, CR, LF and FF. */
struct str str_trim(struct str s);
struct str str_trim_start(struct str s);

/*
 * Cuts the part of *rest before the first c off into *part and moves *rest behind that c.
 * Returns false when *rest is used up (its ptr is NULL then).
 *     for (struct str rest = list, part; str_cut(&rest, ',', &part);)
 */
bool str_cut(struct str *rest, char c, struct str *part);

/* A whole decimal number without sign or blanks, at most INT64_MAX. False and *out untouched otherwise. */
bool str_to_int(struct str s, int64_t *out);

/* Value of a hexadecimal digit, or -1. */
int str_hex_digit(char c);

/*
 * Compares in a time that depends on the lengths only, never on where the bytes differ. For secrets.
 */
bool str_equal_secret(struct str a, struct str b);

#endif
