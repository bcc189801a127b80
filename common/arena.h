/*
 * arena.h - memory that lives and dies with one job, with a ceiling.
 *
 * Everything taken from an arena is freed by arena_finish at once. Nothing is freed singly. Passing
 * the ceiling is that job's failure (ERR_TOO_BIG), not trouble for its neighbours.
 */
#ifndef TRACEPOOL_COMMON_ARENA_H
#define TRACEPOOL_COMMON_ARENA_H

#include "common/scope.h"
#include "common/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned */
    size_t used;                /* bytes handed out */
    size_t ceiling;
    bool is_full; /* a request was refused */
};

void arena_init(struct arena *a, size_t ceiling);
/* Accepts a zeroed arena. */
void arena_finish(struct arena *a);

/* Forgets everything in it, and keeps a block for the next job. */
void arena_clear(struct arena *a);

/* Zeroed memory, aligned for anything; NULL (and is_full) when it would pass the ceiling. */
NODISCARD void *arena_alloc(struct arena *a, size_t size);
/* The same, not zeroed: for bytes that the caller writes at once. */
NODISCARD char *arena_bytes(struct arena *a, size_t size);
/* A copy that lives as long as the arena, with a NUL behind it; ptr is NULL past the ceiling. */
NODISCARD struct str arena_copy(struct arena *a, struct str s);
/* The same as a C string; NULL past the ceiling. */
NODISCARD char *arena_cstr(struct arena *a, struct str s);
NODISCARD char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * For processes whose jobs come and go: malloc keeps up to 1 MiB of what was freed at the heap's end, where
 * it would give it back to the system after each job and fault it in again, page by page, for the next. Once.
 */
void arena_keep_heap(void);

/*
 * In a parent whose children are executed: their heaps shall lie in huge pages, where the system leaves that
 * to programs (glibc's tunable malloc.hugetlb; with another C library nothing happens). Hundreds of jobs at
 * once touch a few lines each, on pages all over the heap, and finding those pages is a twentieth of their
 * time. The heap then grows by 2 MiB at a time. What the operator set in GLIBC_TUNABLES stands instead.
 */
void arena_huge_heaps_for_children(void);

DEFINE_SCOPED(arena, struct arena, arena_finish)

#endif
