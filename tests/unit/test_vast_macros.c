/*
 * test_vast_macros.c - one pass, encoded once, unknown names left.
 */
#include "tests/unit/test.h"

#include "worker/vast/macros.h"

static int64_t a_moment(void *arg)
{
    (void)arg;
    return 1453032907127; /* 2016-01-17T12:15:07.127 UTC */
}

static uint32_t a_number(void *arg)
{
    (void)arg;
    return 4200000123u;
}

static const struct str categories[] = {{"IAB1-6", 6}, {"a,b", 3}};
static const struct str one[] = {{"1", 1}}, reserved[] = {{"http://a.b/c?d=e&f g", 20}},
                        nested[] = {{"[A]${A}", 7}}, accented[] = {{"\xc3\xa9", 2}},
                        quarter[] = {{"00:00:05.250", 12}};
static const struct vast_macro items[] = {
    {.name = {"A", 1}, .values = one, .nvalues = 1},
    {.name = {"ASSETURI", 8}, .values = reserved, .nvalues = 1},
    {.name = {"N", 1}, .values = nested, .nvalues = 1},
    {.name = {"E", 1}, .values = accented, .nvalues = 1},
    {.name = {"ADPLAYHEAD", 10}, .values = quarter, .nvalues = 1},
    {.name = {"BLOCKEDADCATEGORIES", 19}, .values = categories, .nvalues = 2},
    {.name = {"DEVICEIP", 8}, .is_withheld = true},
    {.name = {"EMPTY", 5}},
};

static void expands_as_the_specification_says(void **state)
{
    static const struct {
        const char *text, *leave, *iab;
    } cases[] = {
        {"", "", ""},
        {"http://t.test/i?a=[A]&b=${A}", "http://t.test/i?a=1&b=1", NULL},
        {"x=[NOPE]${NOPE}", "x=[NOPE]${NOPE}", NULL},
        {"u=[ASSETURI]", "u=http%3A%2F%2Fa.b%2Fc%3Fd%3De%26f%20g", NULL},
        {"u=[N]", "u=%5BA%5D%24%7BA%7D", NULL},
        {"u=[E]", "u=%C3%A9", NULL},
        {"p=[ADPLAYHEAD]", "p=00%3A00%3A05.250", NULL},
        {"c=[BLOCKEDADCATEGORIES]", "c=IAB1-6,a%2Cb", NULL},
        {"a[0]=1&b=[[A]]", "a[0]=1&b=[1]", NULL},
        {"[A", "[A", NULL},
        {"${A", "${A", NULL},
        {"${}[]$[A]", "${}[]$1", NULL},
        {"[A}${A]", "[A}${A]", NULL},
        {"%%A%%", "%%A%%", NULL},
        {"[a]", "[a]", NULL},
        {"[EMPTY]", "", NULL},
        {"d=[DEVICEIP]", "d=[DEVICEIP]", "d=-2"},
        {"g=[GPPSTRING]", "g=[GPPSTRING]", "g=-1"},
        {"e=[ERRORCODE]", "e=[ERRORCODE]", "e=900"},
        {"t=[TIMESTAMP]", "t=2016-01-17T12%3A15%3A07.127%2B00", NULL},
        {"cb=[CACHEBUSTING]", "cb=00000123", NULL},
    };
    struct vast_macros macros = {
        .items = items, .n = ARRAY_LEN(items), .wall_ms = a_moment, .random = a_number};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int mode = 0; mode < 2; mode++) {
            SCOPED_VALUE(buf) out;

            buf_init(&out, 1000);
            assert_true(
                vast_macro_expand(str_from(cases[i].text), &macros, (enum vast_macro_mode)mode, &out));
            assert_str(buf_str(&out), mode == VAST_MACRO_IAB && cases[i].iab ? cases[i].iab : cases[i].leave);
        }
    }
}

static void an_expansion_past_its_limit_is_refused(void **state)
{
    struct vast_macros macros = {.items = items, .n = ARRAY_LEN(items)};
    SCOPED_VALUE(buf) out;
    (void)state;

    buf_init(&out, 10);
    assert_false(vast_macro_expand(STR("[ASSETURI]"), &macros, VAST_MACRO_LEAVE, &out));
}

static void a_template_tells_what_it_asks_for(void **state)
{
    struct str name;
    size_t at = 0;
    (void)state;

    assert_true(vast_macro_next(STR("x[A]y[0]${B}[C"), &at, &name));
    assert_str(name, "A");
    assert_true(vast_macro_next(STR("x[A]y[0]${B}[C"), &at, &name));
    assert_str(name, "B");
    assert_false(vast_macro_next(STR("x[A]y[0]${B}[C"), &at, &name));
    assert_true(vast_macro_is_known(STR("CACHEBUSTING")));
    assert_false(vast_macro_is_known(STR("cachebusting")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands_as_the_specification_says),
        cmocka_unit_test(an_expansion_past_its_limit_is_refused),
        cmocka_unit_test(a_template_tells_what_it_asks_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
