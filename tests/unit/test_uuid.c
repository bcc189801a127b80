/*
 * test_uuid.c - UUIDv7: form, order, uniqueness.
 */
#include "tests/unit/test.h"

#include "common/uuid.h"

#include <string.h>

static void test_form(void **state)
{
    struct uuid id = uuid7_next(0x0123456789ab);

    (void)state;
    assert_int_equal(strlen(id.text), UUID_TEXT);
    assert_true(uuid_is_valid(str_from(id.text)));
    assert_memory_equal(id.text, "01234567-89ab-7", 15); /* 48 bits of time, then the version */
    assert_non_null(strchr("89ab", id.text[19]));        /* the variant */
}

static void test_order_within_a_millisecond(void **state)
{
    char last[UUID_TEXT + 1] = "";

    (void)state;
    for (int i = 0; i < 20000; i++) { /* more than the counter holds */
        struct uuid id = uuid7_next(0x0200000000000);

        assert_true(strcmp(last, id.text) < 0);
        memcpy(last, id.text, sizeof(last));
    }
}

static void test_order_when_the_clock_is_set_back(void **state)
{
    struct uuid before = uuid7_next(0x0300000000000), after = uuid7_next(0x0100000000000);

    (void)state;
    assert_true(strcmp(before.text, after.text) < 0);
}

static void test_validity(void **state)
{
    static const char *const good[] = {"00000000-0000-0000-0000-000000000000",
                                       "01A20040-30a5-73ab-a2b0-f6c913572aa8"};
    static const char *const bad[] = {
        "", "01a20040-30a5-73ab-a2b0-f6c913572aa", "01a20040-30a5-73ab-a2b0-f6c913572aa8 ",
        "01a2004030a573aba2b0f6c913572aa8----", "01a20040-30a5-73ab-a2b0-f6c913572ag8"};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_true(uuid_is_valid(str_from(good[i])));
    for (size_t i = 0; i < 5; i++)
        assert_false(uuid_is_valid(str_from(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_order_within_a_millisecond),
        cmocka_unit_test(test_order_when_the_clock_is_set_back),
        cmocka_unit_test(test_validity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
