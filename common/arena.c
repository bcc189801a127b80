/*
 * arena.c - a list of blocks; the newest is filled from its start to its end.
 */
#include "common/arena.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 8 * 1024, KEPT_HEAP = 1024 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a, size_t ceiling)
{
    *a = (struct arena){.ceiling = ceiling};
}

void arena_finish(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;

        free(a->blocks);
        a->blocks = next;
    }
    a->used = 0;
    a->is_full = false;
}

/* A large block is not worth keeping. */
void arena_clear(struct arena *a)
{
    struct arena_block *kept = NULL;

    while (a->blocks) {
        struct arena_block *block = a->blocks;

        a->blocks = block->next;
        if (kept || block->size != BLOCK) {
            free(block);
            continue;
        }
        block->used = 0;
        kept = block;
    }
    if (kept)
        kept->next = NULL;
    a->blocks = kept;
    a->used = 0;
    a->is_full = false;
}

static struct arena_block *add_block(struct arena *a, size_t size)
{
    struct arena_block *block = malloc(sizeof(*block) + size);

    if (!block)
        abort();
    block->size = size;
    block->used = 0;
    block->next = a->blocks;
    a->blocks = block;
    return block;
}

char *arena_bytes(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    struct arena_block *block = a->blocks;
    size_t room;

    if (a->is_full || size > a->ceiling - a->used) {
        a->is_full = true;
        return NULL;
    }
    a->used += size;
    room = (size + align - 1) / align * align;
    if (!block || block->size - block->used < room)
        block = add_block(a, room > BLOCK ? room : BLOCK);
    block->used += room;
    return block->bytes + block->used - room;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *memory = arena_bytes(a, size);

    return memory ? memset(memory, 0, size) : NULL;
}

char *arena_cstr(struct arena *a, struct str s)
{
    char *copy = arena_bytes(a, s.len + 1);

    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

struct str arena_copy(struct arena *a, struct str s)
{
    char *copy = arena_cstr(a, s);

    return (struct str){copy, copy ? s.len : 0};
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    char most[256]; /* are shorter, and need be written but once */
    char *text;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(most, sizeof(most), format, again);
    va_end(again);
    text = len < 0 ? NULL : arena_bytes(a, (size_t)len + 1);
    if (text && (size_t)len < sizeof(most))
        memcpy(text, most, (size_t)len + 1);
    else if (text)
        vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

void arena_huge_heaps_for_children(void)
{
    setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0);
}

void arena_keep_heap(void)
{
    mallopt(M_TRIM_THRESHOLD, KEPT_HEAP);
}
