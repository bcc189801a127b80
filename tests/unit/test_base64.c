/*
 * test_base64.c - the vectors of RFC 4648, both ways; and what is no base64.
 */
#include "tests/unit/test.h"

#include "common/base64.h"

static const struct {
    const char *bytes, *text;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xff\xfe?>", "//4/Pg=="},
};

static void both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        SCOPED_VALUE(buf) text = {.max = 100};
        SCOPED_VALUE(buf) bytes = {.max = 100};

        base64_put(&text, str_from(vectors[i].bytes));
        assert_string_equal(buf_cstr(&text), vectors[i].text);
        assert_true(base64_take(str_from(vectors[i].text), &bytes));
        assert_string_equal(buf_cstr(&bytes), vectors[i].bytes);
    }
}

static void padding_may_be_missing_and_nothing_else(void **state)
{
    static const char *const bad[] = {"Zm9v Yg", "Zm=v", "Zm9-", "Zm9\xff"};
    SCOPED_VALUE(buf) out = {.max = 3};
    (void)state;

    assert_true(base64_take(STR("Zm8"), &out));
    assert_str(buf_str(&out), "fo");
    assert_false(base64_take(STR("Zm9v"), &out)); /* there is no room */
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_clear(&out);
        assert_false(base64_take(str_from(bad[i]), &out));
    }
}

/* RFC 7617, section 2; and without either of the two */
static void user_and_password_as_basic_credentials(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 100};
    (void)state;

    base64_put_basic(&out, STR("Aladdin"), STR("open sesame"));
    assert_string_equal(buf_cstr(&out), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    buf_clear(&out);
    base64_put_basic(&out, STR(""), STR(""));
    assert_string_equal(buf_cstr(&out), "Basic Og==");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(padding_may_be_missing_and_nothing_else),
        cmocka_unit_test(user_and_password_as_basic_credentials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
