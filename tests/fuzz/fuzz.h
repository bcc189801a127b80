/*
 * fuzz.h - what harnesses share: the entry point, EXPECT, and what is expected of text that goes outside.
 */
#ifndef TRACEPOOL_TESTS_FUZZ_H
#define TRACEPOOL_TESTS_FUZZ_H

#include "common/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

enum { FUZZ_TEXT_BYTES = 16 * 1024 * 1024 };

/* Stands for a password: where it shows up it must not be shown. */
#define FUZZ_SECRET "s3cr3t"

static inline bool fuzz_has(struct str text, struct str part)
{
    return text.len && memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static inline void fuzz_expect_visible_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        EXPECT(s.ptr[i] > ' ' && s.ptr[i] < 0x7f);
}

/* No byte that ends a line or that a terminal obeys. */
static inline void fuzz_expect_one_line(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        EXPECT((unsigned char)s.ptr[i] >= ' ' && s.ptr[i] != 0x7f);
}

/* UTF-8 without NUL: what jsonb takes. */
static inline void fuzz_expect_utf8(struct str s)
{
    struct buf clean = {.max = FUZZ_TEXT_BYTES};

    json_clean_utf8(s, &clean);
    EXPECT(clean.is_full || str_equal(buf_str(&clean), s));
    buf_finish(&clean);
}

/* The part of *rest before the next line break, and *rest moves behind it; empty when nothing is left. */
static inline struct str fuzz_line(struct str *rest)
{
    struct str line = {"", 0};

    if (rest->ptr)
        str_cut(rest, '\n', &line);
    return line;
}

#endif
