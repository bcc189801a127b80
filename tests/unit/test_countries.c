/*
 * test_countries.c - which countries a worker works for: those that were meant, or it does not start.
 */
#include "tests/unit/test.h"

#include "worker/countries.h"

#include <string.h>

static void they_are_an_array_or_all(void **state)
{
    static const struct {
        const char *list, *array;
    } cases[] = {{" us , DE,", "{\"us\",\"de\"}"}, {"", NULL}, {" , ", NULL}};
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED(char) array = NULL;

        assert_true(countries_read(cases[i].list, &array, &err));
        if (cases[i].array)
            assert_string_equal(array, cases[i].array);
        else
            assert_null(array);
    }
}

/* It would be work for all countries, or for none. */
static void what_is_none_is_refused(void **state)
{
    static const char *const bad[][2] = {
        {"\"us\"", "\"us\""}, {"us;de", "us;de"}, {"de, u s", "u s"}, {"de\\", "de\\"}};
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *array = NULL;

        assert_false(countries_read(bad[i][0], &array, &err));
        assert_null(array);
        assert_int_equal(err.code, ERR_BAD_SETTING);
        assert_non_null(strstr(err.detail, "worker.countries"));
        assert_non_null(strstr(err.detail, bad[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_an_array_or_all),
        cmocka_unit_test(what_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
