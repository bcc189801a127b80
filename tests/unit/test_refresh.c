/*
 * test_refresh.c - a refresh value is obeyed exactly when a browser would obey it.
 */
#include "tests/unit/test.h"

#include "common/refresh.h"
#include "common/scope.h"

#include <limits.h>

enum { NEVER = -1 };

/* clang-format off */
static const struct { const char *value; int delay_s; const char *url; } CASES[] = {
    /* when */
    {"0", 0, NULL}, {"7", 7, NULL}, {" \t\r\n\f7 ", 7, NULL}, {"007", 7, NULL}, {"7.9", 7, NULL}, {".5", 0, NULL},
    {"7.", 7, NULL}, {"7..9.", 7, NULL}, {".", 0, NULL},
    {"2147483647", INT_MAX, NULL}, {"2147483648", INT_MAX, NULL}, {"99999999999999999999", INT_MAX, NULL},
    {"", NEVER, NULL}, {" ", NEVER, NULL}, {"x", NEVER, NULL}, {"+7", NEVER, NULL}, {"-7", NEVER, NULL},
    {";url=/a", NEVER, NULL}, {"url=/a", NEVER, NULL}, {"7x", NEVER, NULL}, {"7e1", NEVER, NULL},
    {"7s;url=/a", NEVER, NULL}, {"0x7", NEVER, NULL}, {"7/a", NEVER, NULL}, {"7'a'", NEVER, NULL},
    {"7\v;url=/a", NEVER, NULL},
    /* what separates it */
    {"7;url=/a", 7, "/a"}, {"7,url=/a", 7, "/a"}, {"7 url=/a", 7, "/a"}, {"7 ; url=/a", 7, "/a"},
    {"7\t,\nurl=/a", 7, "/a"}, {"7;;url=/a", 7, ";url=/a"}, {"7,;url=/a", 7, ";url=/a"}, {"7.5;url=/a", 7, "/a"},
    {"7;", 7, NULL}, {"7,", 7, NULL}, {"7 ; ", 7, NULL},
    /* its name, which may be missing */
    {"7;URL=/a", 7, "/a"}, {"7;uRl  =  /a", 7, "/a"}, {"7;/a", 7, "/a"}, {"7; /a", 7, "/a"},
    {"7;url /a", 7, "url /a"}, {"7;url", 7, "url"}, {"7;ur=/a", 7, "ur=/a"}, {"7;u", 7, "u"},
    {"7;urls=/a", 7, "urls=/a"}, {"7;uri=/a", 7, "uri=/a"}, {"7;url==/a", 7, "=/a"},
    {"7;url=", 7, ""}, {"7;url= ", 7, ""}, {"7;url=url=/a", 7, "url=/a"},
    /* quotes */
    {"7;url='/a'", 7, "/a"}, {"7;url=\"/a\"", 7, "/a"}, {"7;'/a'", 7, "/a"}, {"7;\"/a\"b", 7, "/a"},
    {"7;url='/a", 7, "/a"}, {"7;url='/a\"b'c", 7, "/a\"b"}, {"7;url=/a'b", 7, "/a'b"}, {"7;url=''", 7, ""},
    {"7;'url=/a'", 7, "url=/a"}, {"7;url=\"", 7, ""},
    /* what is left to the URL parser */
    {"7;url=/a b ", 7, "/a b "}, {"7;url=/\ta\n", 7, "/\ta\n"}, {"7;url=javascript:x", 7, "javascript:x"},
    {"7;url=https://shop.example/?a=1;b=2,c", 7, "https://shop.example/?a=1;b=2,c"},
};
/* clang-format on */

static void values_are_read_like_a_browser_reads_them(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct refresh r = {.delay_s = NEVER};
        bool ok = refresh_parse(str_from(CASES[i].value), &r);

        if (ok != (CASES[i].delay_s != NEVER) || r.delay_s != CASES[i].delay_s ||
            (r.url.ptr != NULL) != (CASES[i].url != NULL))
            fail_msg("\"%s\": %d s, url %s", CASES[i].value, r.delay_s, r.url.ptr ? "given" : "none");
        if (CASES[i].url)
            assert_str(r.url, CASES[i].url);
    }
}

static void a_value_needs_no_terminator(void **state)
{
    struct refresh r;
    (void)state;

    assert_true(refresh_parse(str_slice(STR("17;url=/ab"), 0, 1), &r));
    assert_int_equal(r.delay_s, 1);
    assert_true(refresh_parse(str_slice(STR("17;url='/ab'"), 0, 10), &r));
    assert_str(r.url, "/a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_like_a_browser_reads_them),
        cmocka_unit_test(a_value_needs_no_terminator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
