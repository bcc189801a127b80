/*
 * test_arena.c - a job's memory: zeroed, aligned, refused past its ceiling, gone at once.
 */
#include "tests/unit/test.h"

#include "common/arena.h"

#include <string.h>

static void memory_is_zeroed_and_aligned(void **state)
{
    SCOPED_VALUE(arena) a;
    (void)state;

    arena_init(&a, 1 << 20);
    for (size_t size = 1; size < 20000; size = size * 3 + 1) {
        unsigned char *p = arena_alloc(&a, size);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
}

static void the_ceiling_refuses_for_good(void **state)
{
    SCOPED_VALUE(arena) a;
    (void)state;

    arena_init(&a, 100);
    assert_non_null(arena_alloc(&a, 60));
    assert_null(arena_alloc(&a, 41));
    assert_true(a.is_full);
    assert_null(arena_alloc(&a, 1));
    arena_finish(&a);
    assert_non_null(arena_alloc(&a, 100));
}

static void copies_outlive_their_source(void **state)
{
    SCOPED_VALUE(arena) a;
    char text[] = "hop";
    struct str copy;
    (void)state;

    arena_init(&a, 1000);
    copy = arena_copy(&a, str_from(text));
    memset(text, 'x', 3);
    assert_str(copy, "hop");
    assert_string_equal(arena_printf(&a, "%s %d", "n", 7), "n 7");
    assert_string_equal(arena_cstr(&a, STR("")), "");
}

static void a_cleared_arena_is_as_new(void **state)
{
    SCOPED_VALUE(arena) a;
    char *text;
    (void)state;

    arena_init(&a, 100000);
    for (int round = 0; round < 3; round++) {
        text = arena_alloc(&a, 100);
        for (int i = 0; i < 100; i++)
            assert_int_equal(text[i], 0);
        memset(text, 'x', 100);
        assert_non_null(arena_alloc(&a, 50000)); /* a block of its own */
        assert_null(arena_alloc(&a, 100000));
        assert_true(a.is_full);
        arena_clear(&a);
        assert_false(a.is_full);
        assert_int_equal(a.used, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(the_ceiling_refuses_for_good),
        cmocka_unit_test(copies_outlive_their_source),
        cmocka_unit_test(a_cleared_arena_is_as_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
