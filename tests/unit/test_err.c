/*
 * test_err.c - the error table: complete, distinct names, and the rules that hang on it.
 */
#include "tests/unit/test.h"

#include "common/err.h"

#include <string.h>

static void names_are_distinct_and_plain(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        const char *name = err_name((enum err_code)i);

        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, err_name((enum err_code)k));
    }
}

static void every_proxy_error_blames_the_proxy_and_is_retried(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        if (err_blame((enum err_code)i) != BLAME_PROXY)
            continue;
        assert_memory_equal(err_name((enum err_code)i), "proxy_", 6);
        assert_true(err_is_retryable((enum err_code)i));
    }
    assert_int_equal(err_blame(ERR_PROXY_UNKNOWN), BLAME_US); /* a provider we have not set up costs no IP */
}

static void a_long_detail_is_cut(void **state)
{
    struct err err;
    char text[1000];
    (void)state;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(err_set(&err, ERR_IO, "open %s", text));
    assert_int_equal(strlen(err.detail), sizeof(err.detail) - 1);
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err_blame_name(err_blame(err.code)), "us");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_distinct_and_plain),
        cmocka_unit_test(every_proxy_error_blames_the_proxy_and_is_retried),
        cmocka_unit_test(a_long_detail_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
