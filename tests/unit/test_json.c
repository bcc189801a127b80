/*
 * test_json.c - any bytes become a string that jsonb accepts; reading never trips over a type.
 */
#include "tests/unit/test.h"

#include "common/err.h"
#include "common/json.h"

#include <string.h>

static void bytes_become_valid_utf8(void **state)
{
    static const struct {
        struct str in;
        const char *out;
    } cases[] = {
        {{"plain", 5}, "plain"},
        {{"a\0b", 3},
         "a\xef\xbf\xbd"
         "b"},
        {{"\xff\xfe", 2}, "\xef\xbf\xbd\xef\xbf\xbd"},
        {{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9}, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {{"\xed\xa0\x80", 3}, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* a lone surrogate */
        {{"\xc0\x80", 2}, "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* an overlong NUL */
        {{"\xe2\x82", 2}, "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* cut in the middle */
        {{"\xf4\x90\x80\x80", 4}, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* above U+10FFFF */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED(json_t) value = json_from_str(cases[i].in);

        assert_string_equal(json_string_value(value), cases[i].out);
    }
}

static void reading_gives_the_fallback_for_another_type(void **state)
{
    struct err err;
    SCOPED(json_t) o = json_parse(STR("{\"s\":\"x\",\"n\":7,\"b\":true}"), &err);
    (void)state;

    assert_str(json_get_str(o, "s", STR("-")), "x");
    assert_str(json_get_str(o, "n", STR("-")), "-");
    assert_int_equal(json_get_int(o, "n", 1), 7);
    assert_int_equal(json_get_int(o, "absent", 1), 1);
    assert_true(json_get_bool(o, "b", false));
    assert_false(json_get_bool(o, "s", false));
}

static void bad_json_says_where(void **state)
{
    struct err err;
    (void)state;

    assert_null(json_parse(STR("{\"a\":1,\n \"a\":2}"), &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_non_null(strstr(err.detail, "line 2"));
    assert_null(json_parse((struct str){NULL, 0}, &err));
}

static void writing_is_compact(void **state)
{
    SCOPED(json_t) o = json_object();
    SCOPED_VALUE(buf) out;
    (void)state;

    buf_init(&out, 1000);
    json_put_int(o, "n", 3);
    json_put_str(o, "none", (struct str){NULL, 0});
    json_put_str(o, "s", STR("\"\n"));
    json_write(o, &out);
    assert_string_equal(buf_cstr(&out), "{\"n\":3,\"none\":null,\"s\":\"\\\"\\n\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_valid_utf8),
        cmocka_unit_test(reading_gives_the_fallback_for_another_type),
        cmocka_unit_test(bad_json_says_where),
        cmocka_unit_test(writing_is_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
