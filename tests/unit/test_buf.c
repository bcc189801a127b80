/*
 * test_buf.c - growing bytes: the ceiling holds, and a full buffer says so once and for all.
 */
#include "tests/unit/test.h"

#include "common/buf.h"

#include <string.h>

static void grows_and_stays_terminated(void **state)
{
    SCOPED_VALUE(buf) b;
    (void)state;

    buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++)
        assert_true(buf_printf(&b, "%d,", i % 10));
    assert_int_equal(b.len, 20000);
    assert_int_equal(strlen(buf_cstr(&b)), 20000);
    buf_consume(&b, 19998);
    assert_str(buf_str(&b), "9,");
}

static void the_ceiling_holds(void **state)
{
    SCOPED_VALUE(buf) b;
    (void)state;

    buf_init(&b, 5);
    assert_true(buf_append_str(&b, STR("12345")));
    assert_false(buf_append_char(&b, '6'));
    assert_true(b.is_full);
    assert_str(buf_str(&b), "12345");
    assert_false(buf_append_str(&b, STR("")));
    buf_clear(&b);
    assert_false(b.is_full);
    assert_false(buf_append_str(&b, STR("123456")));
    assert_str(buf_str(&b), "");
}

static void an_untouched_buffer_reads_as_empty(void **state)
{
    SCOPED_VALUE(buf) b;
    (void)state;

    buf_init(&b, 10);
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(buf_str(&b).len, 0);
    buf_consume(&b, 0);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(the_ceiling_holds),
        cmocka_unit_test(an_untouched_buffer_reads_as_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
