/*
 * test_str.c - views: cutting, trimming, numbers, comparing.
 */
#include "tests/unit/test.h"

static void cut_gives_every_part(void **state)
{
    struct str rest = STR("a,,b"), part;
    (void)state;

    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, "a");
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, "");
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, "b");
    assert_false(str_cut(&rest, ',', &part));
}

static void slices_are_cut_to_the_view(void **state)
{
    (void)state;
    assert_str(str_slice(STR("hop"), 1, 99), "op");
    assert_str(str_slice(STR("hop"), 7, 9), "");
    assert_str(str_slice(STR("hop"), 2, 1), "");
    assert_str(str_trim(STR(" \t\r\n\fx y\n ")), "x y");
    assert_str(str_trim(STR("  ")), "");
}

static void numbers_are_whole_or_refused(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},    {"007", true, 7}, {"9223372036854775807", true, INT64_MAX},
        {"", false, 0},    {"-1", false, 0}, {"9223372036854775808", false, 0},
        {"1 ", false, 0},  {"+1", false, 0}, {"99999999999999999999", false, 0},
        {"0x1", false, 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 0;

        assert_int_equal(str_to_int(str_from(cases[i].text), &value), cases[i].ok);
        assert_int_equal(value, cases[i].value);
    }
}

static void comparing_ignores_case_only_where_said(void **state)
{
    (void)state;
    assert_false(str_equal(STR("Host"), STR("host")));
    assert_true(str_equal_nocase(STR("Host"), STR("hOST")));
    assert_false(str_equal_nocase(STR("[ost"), STR("{ost")));
    assert_true(str_starts_nocase(STR("HTTPS://x"), STR("https:")));
    assert_false(str_starts(STR("ht"), STR("http")));
    assert_true(str_ends_nocase(STR("a.Example"), STR(".example")));
    assert_false(str_ends_nocase(STR("e"), STR("example")));
}

static void secrets_compare_whole(void **state)
{
    (void)state;
    assert_true(str_equal_secret(STR("abc"), STR("abc")));
    assert_false(str_equal_secret(STR("abd"), STR("abc")));
    assert_false(str_equal_secret(STR("ab"), STR("abc")));
    assert_false(str_equal_secret(STR(""), STR("abc")));
    assert_false(str_equal_secret(STR("abcabc"), STR("abc")));
    assert_false(str_equal_secret(STR("abc"), STR("abcabc")));
    assert_true(str_equal_secret(STR(""), STR("")));
}

static void hex_digits(void **state)
{
    (void)state;
    assert_int_equal(str_hex_digit('0'), 0);
    assert_int_equal(str_hex_digit('f'), 15);
    assert_int_equal(str_hex_digit('A'), 10);
    assert_int_equal(str_hex_digit('g'), -1);
    assert_int_equal(str_hex_digit('/'), -1);
    assert_int_equal(str_hex_digit('\0'), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_gives_every_part),
        cmocka_unit_test(slices_are_cut_to_the_view),
        cmocka_unit_test(numbers_are_whole_or_refused),
        cmocka_unit_test(comparing_ignores_case_only_where_said),
        cmocka_unit_test(secrets_compare_whole),
        cmocka_unit_test(hex_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
