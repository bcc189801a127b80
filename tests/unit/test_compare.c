/*
 * test_compare.c - what counts as the same find of two visits, and why two differ.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "worker/chain/compare.h"

#include <string.h>

enum { HOPS = 5, ARENA = 1 << 20 };

struct step {
    const char *url;
    enum via via;
    int status; /* 0: 200 */
};

#define GO                                                                                                   \
    {                                                                                                        \
        "http://go.test/?c=1", VIA_START, 302                                                                \
    }
#define SHOP                                                                                                 \
    {                                                                                                        \
        "http://shop.test/a?x=1", VIA_HTTP_302, 0                                                            \
    }

/* clang-format off */
static const struct {
    const char *why;
    struct step http[HOPS], browser[HOPS];
    enum difference want;
    const char *differs; /* of host url params hosts status, as letters h u p w s */
} cases[] = {
    {"the same chain",             {GO, SHOP}, {GO, SHOP}, DIFFERENCE_NONE, ""},
    {"other values",               {GO, SHOP}, {GO, {"http://shop.test/a?x=2#top", VIA_HTTP_302, 0}}, DIFFERENCE_NONE, ""},
    {"a click id in a path on the way",
                                   {GO, {"http://t.test/1", VIA_HTTP_302, 302}, SHOP},
                                   {GO, {"http://t.test/2", VIA_HTTP_302, 302}, SHOP}, DIFFERENCE_NONE, ""},
    {"a host twice on the way",    {GO, {"http://go.test/2", VIA_HTTP_302, 302}, SHOP}, {GO, SHOP}, DIFFERENCE_NONE, ""},
    {"a script goes on to a host", {GO, SHOP}, {GO, SHOP, {"http://end.test/", VIA_JS_LOCATION, 0}}, DIFFERENCE_MISSED, "huw"},
    {"and to one more parameter",  {GO, SHOP}, {GO, SHOP, {"http://shop.test/a?y=1", VIA_JS_LOCATION, 0}}, DIFFERENCE_MISSED, "up"},
    {"a script within the host",   {GO, SHOP}, {GO, SHOP, {"http://shop.test/b?x=1", VIA_JS_LOCATION, 0}}, DIFFERENCE_MISSED, "u"},
    {"a form sends itself",        {GO, SHOP}, {GO, SHOP, {"http://end.test/", VIA_FORM_POST, 0}}, DIFFERENCE_MISSED, "huw"},
    {"a script overtakes a refresh",
                                   {{"http://go.test/?c=1", VIA_START, 0}, {"http://no-script.test/", VIA_META_REFRESH, 0}},
                                   {{"http://go.test/?c=1", VIA_START, 0}, {"http://shop.test/", VIA_JS_LOCATION, 0}}, DIFFERENCE_MISSED, "huw"},
    {"behind a path that always differs",
                                   {GO, {"http://t.test/1", VIA_HTTP_302, 0}},
                                   {GO, {"http://t.test/2", VIA_HTTP_302, 0}, {"http://end.test/", VIA_JS_LOCATION, 0}}, DIFFERENCE_MISSED, "huw"},
    {"into an app",                {GO, SHOP}, {GO, SHOP, {"market://details?id=1", VIA_JS_LOCATION, 200}}, DIFFERENCE_MISSED, "hupw"},
    {"the server rotates hosts",   {GO, SHOP}, {GO, {"http://other.test/a?x=1", VIA_HTTP_302, 0}}, DIFFERENCE_SERVED, "huw"},
    {"the server rotates pages",   {GO, SHOP}, {GO, {"http://shop.test/b?x=1", VIA_HTTP_302, 0}}, DIFFERENCE_SERVED, "u"},
    {"and a script follows",       {GO, SHOP}, {GO, {"http://other.test/", VIA_HTTP_302, 0}, {"http://end.test/", VIA_JS_LOCATION, 0}},
                                   DIFFERENCE_SERVED, "hupw"},
    {"the server gives other parameters",
                                   {GO, SHOP}, {GO, {"http://shop.test/a?z=1", VIA_HTTP_302, 0}}, DIFFERENCE_SERVED, "up"},
    {"a second visit is refused",  {GO, SHOP}, {GO, {"http://shop.test/a?x=1", VIA_HTTP_302, 403}}, DIFFERENCE_SERVED, "s"},
    {"HTTP goes further",          {GO, SHOP, {"http://end.test/", VIA_META_REFRESH, 0}}, {GO, SHOP}, DIFFERENCE_SHORT, "huw"},
    {"another port is another host",
                                   {GO, SHOP}, {GO, {"http://shop.test:81/a?x=1", VIA_HTTP_302, 0}}, DIFFERENCE_SERVED, "huw"},
    {"a user's name is no host",   {GO, SHOP}, {GO, {"http://u:p@shop.test/a?x=1", VIA_HTTP_302, 0}}, DIFFERENCE_SERVED, "u"},
};
/* clang-format on */

static struct trace_result visit(struct arena *a, const struct step *steps)
{
    struct trace_result r = {.outcome = OUTCOME_OK};

    for (int i = 0; i < HOPS && steps[i].url; i++) {
        struct hop *hop = chain_add_hop(a, &r.chain);

        assert_non_null(hop);
        hop->url = str_from(steps[i].url);
        hop->via = steps[i].via;
        hop->status = steps[i].status ? steps[i].status : 200;
    }
    assert_true(trace_result_extract(a, &r));
    return r;
}

static const char *letters(const struct comparison *c)
{
    static char text[8];
    char *at = text;

    if (!c->is_same_host)
        *at++ = 'h';
    if (!c->is_same_url)
        *at++ = 'u';
    if (!c->is_same_params)
        *at++ = 'p';
    if (!c->is_same_hosts)
        *at++ = 'w';
    if (!c->is_same_status)
        *at++ = 's';
    *at = '\0';
    return text;
}

static void finds_are_compared_and_differences_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED_VALUE(arena) a;
        struct trace_result http, browser;
        struct comparison c;

        arena_init(&a, ARENA);
        http = visit(&a, cases[i].http);
        browser = visit(&a, cases[i].browser);
        c = compare_results(&http, &browser);
        if (c.difference != cases[i].want || strcmp(letters(&c), cases[i].differs) != 0)
            fail_msg("%s: %s, differs in \"%s\"", cases[i].why, difference_name(c.difference), letters(&c));
    }
}

static void a_trace_that_failed_is_compared_with_nothing(void **state)
{
    const enum outcome failures[] = {OUTCOME_TIMEOUT, OUTCOME_LOOP, OUTCOME_TOO_MANY_HOPS, OUTCOME_BLOCKED,
                                     OUTCOME_ERROR};
    const struct step steps[HOPS] = {GO, SHOP};
    SCOPED_VALUE(arena) a;
    struct trace_result r;
    (void)state;

    arena_init(&a, ARENA);
    r = visit(&a, steps);
    assert_true(compare_can(&r));
    r.outcome = OUTCOME_EXTERNAL_SCHEME;
    assert_true(compare_can(&r));
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        r.outcome = failures[i];
        assert_false(compare_can(&r));
    }
    r = (struct trace_result){.outcome = OUTCOME_OK};
    assert_false(compare_can(&r));
}

static void the_json_names_both_ends_where_they_differ(void **state)
{
    const struct step one[HOPS] = {GO, SHOP},
                      other[HOPS] = {GO, SHOP, {"http://end.test/", VIA_JS_LOCATION, 0}};
    SCOPED_VALUE(arena) a;
    struct trace_result http, browser;
    struct comparison c;
    (void)state;

    arena_init(&a, ARENA);
    http = visit(&a, one);
    browser = visit(&a, other);
    c = compare_results(&http, &browser);
    {
        SCOPED(json_t) o = comparison_json(&c, &http, &browser);

        assert_false(json_get_bool(o, "agreed", true));
        assert_false(json_get_bool(o, "final_host", true));
        assert_true(json_get_bool(o, "params", false));
        assert_str(json_get_str(o, "difference", STR("")), "missed");
        assert_str(json_get_str(o, "http", STR("")), "http://shop.test/a?x=1");
        assert_str(json_get_str(o, "browser", STR("")), "http://end.test/");
    }
    c = compare_results(&http, &http);
    {
        SCOPED(json_t) o = comparison_json(&c, &http, &http);

        assert_true(json_get_bool(o, "agreed", false));
        assert_null(json_object_get(o, "http"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_are_compared_and_differences_explained),
        cmocka_unit_test(a_trace_that_failed_is_compared_with_nothing),
        cmocka_unit_test(the_json_names_both_ends_where_they_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
