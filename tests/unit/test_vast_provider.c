/*
 * test_vast_provider.c - a provider as data: its URL, its filters, what is refused; the cache of answers, and
 * the cap on requests.
 */
#include "tests/unit/test.h"

#include "worker/vast/cache.h"
#include "worker/vast/extras.h"
#include "worker/vast/provider.h"
#include "worker/vast/rate.h"

#include <stdio.h>
#include <string.h>

static struct arena arena;

static struct vast_provider read_provider(const char *json)
{
    struct vast_provider p, defaults = vast_provider_default();
    struct err err;

    if (!vast_provider_read(&arena, str_from(json), &defaults, &p, &err))
        fail_msg("%s: %s", json, err.detail);
    return p;
}

static void what_nobody_says_has_a_default(void **state)
{
    struct vast_provider p = read_provider("{}");
    (void)state;

    assert_int_equal(p.timeout_ms, 5000);
    assert_int_equal(p.max_wrappers, 5);
    assert_int_equal(p.retries, 0);
    assert_int_equal(p.macro_mode, VAST_MACRO_LEAVE);
    assert_int_equal(p.macro_formats, VAST_MACRO_BOTH);
    assert_true(vast_provider_logs(&p, STR("start")));
}

/* clang-format off */
static const struct {
    const char *json, *want;
} urls[] = {
    {"{\"base_url\": \"http://a.test/v\"}", "http://a.test/v"},
    {"{\"base_url\": \"http://a.test/v\", \"params\": {\"a\": \"1\", \"b\": [\"2\", \"3\"]}}", "http://a.test/v?a=1&b=2&b=3"},
    {"{\"base_url\": \"http://a.test/v?x=1#top\", \"params\": {\"a\": \"1\"}}", "http://a.test/v?x=1&a=1#top"},
    {"{\"base_url\": \"http://a.test/v?\", \"params\": {\"a b\": \"1&2 \xc3\xa9\"}}", "http://a.test/v?a%20b=1%262%20%C3%A9"},
    {"{\"base_url\": \"http://v\", \"params\": {\"a\": \"1 \xc3\xa9\"}, \"encoding\": {\"space\": \"plus\", \"unicode\": \"keep\"}}", "http://v?a=1+\xc3\xa9"},
    {"{\"base_url\": \"http://v\", \"params\": {\"a\": \"x/y\", \"b\": \"x/y\"}, \"encoding\": {\"raw\": [\"b\"]}}", "http://v?a=x%2Fy&b=x/y"},
    {"{\"base_url\": \"http://v\", \"params\": {\"a\": \"/[CACHEBUSTING]/${X}/[not one]\"}}", "http://v?a=%2F[CACHEBUSTING]%2F${X}%2F%5Bnot%20one%5D"},
};

static const struct {
    const char *json, *said;
} refused[] = {
    {"[]", "must be a JSON object"},
    {"{\"colour\": 1}", "without a name: colour: must be a member"},
    {"{\"provider\": \"acme\", \"timeout_ms\": 99}", "provider acme: timeout_ms 99: must be a number from 100 to 60000"},
    {"{\"timeout_ms\": \"soon\"}", "timeout_ms \"soon\": must be a number"},
    {"{\"retries\": 6}", "retries 6: must be a number from 0 to 5"},
    {"{\"max_wrappers\": 21}", "max_wrappers 21: must be a number from 0 to 20"},
    {"{\"requests_per_minute\": 0}", "requests_per_minute 0: must be a number from 1 to 100000"},
    {"{\"cache_ttl_s\": 86401}", "cache_ttl_s 86401: must be a number from 0 to 86400"},
    {"{\"base_url\": \"ftp://a.test/\"}", "base_url \"ftp://a.test/\": must be an http or https URL"},
    {"{\"is_active\": \"yes\"}", "is_active \"yes\": must be true or false"},
    {"{\"hosts\": \"a.test\"}", "hosts \"a.test\": must be a list of strings"},
    {"{\"params\": {\"a\": 1}}", "a 1: must be a string"},
    {"{\"params\": 1}", "params 1: must be an object"},
    {"{\"encoding\": {\"tab\": \"x\"}}", "encoding {\"tab\":\"x\"}: must be of space"},
    {"{\"encoding\": {\"space\": \"tab\"}}", "encoding.space \"tab\": must be \"percent\" or \"plus\""},
    {"{\"headers\": {\"A:\": \"secret\"}}", "headers \"A:\": must be"},
    {"{\"headers\": {\"A\": \"1\\r\\nB: 2\"}}", "headers \"A\": must be"},
    {"{\"headers\": {\"Host\": \"b.test\"}}", "headers \"Host\": must be"},
    {"{\"headers\": {\"proxy-authorization\": \"x\"}}", "headers \"proxy-authorization\": must be"},
    {"{\"macro_mode\": \"maybe\"}", "macro_mode \"maybe\": must be \"leave\" or \"iab\""},
    {"{\"macro_formats\": []}", "macro_formats []: must be"},
    {"{\"macro_formats\": [\"%%\"]}", "macro_formats [\"%%\"]: must be"},
    {"{\"macros\": {\"A\": 1}}", "A 1: must be"},
    {"{\"events\": {\"only\": []}}", "events {\"only\":[]}: must be of include and exclude"},
    {"{\"extras\": {\"a\": 1}}", "extras 1: must be a string"},
    {"{\"extras\": {\"a\": \"//[\"}}", "extras \"//[\": must be XPath"},
};

static const struct {
    const char *glob, *name;
    bool is_match;
} globs[] = {
    {"start", "start", true}, {"start", "started", false}, {"*", "", true}, {"progress-*", "progress-5000", true},
    {"progress-*", "progress", false}, {"*Quartile", "firstQuartile", true}, {"*a*b*", "xaxxbx", true},
    {"*a*b", "xaxxbx", false}, {"", "x", false}, {"a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
};
/* clang-format on */

static void a_url_has_its_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct vast_provider p = read_provider(urls[i].json);
        SCOPED_VALUE(buf) out = {.max = 1000};

        assert_true(vast_provider_url(&p, STR(""), NULL, 0, &out));
        assert_str(buf_str(&out), urls[i].want);
    }
}

static void a_further_parameter_replaces_its_own(void **state)
{
    struct vast_provider p =
        read_provider("{\"base_url\": \"http://v\", \"params\": {\"a\": \"1\", \"b\": \"2\"}}");
    struct vast_param more = {.name = STR("a"), .value = STR("3")};
    SCOPED_VALUE(buf) out = {.max = 1000};
    SCOPED_VALUE(buf) small = {.max = 4};
    (void)state;

    assert_true(vast_provider_url(&p, STR(""), &more, 1, &out));
    assert_str(buf_str(&out), "http://v?b=2&a=3");
    assert_false(vast_provider_url(&p, STR(""), &more, 1, &small));
}

static void a_tag_keeps_what_it_has(void **state)
{
    struct vast_provider p = read_provider(
        "{\"base_url\": \"http://a.test/\", \"params\": {\"zone\": \"12\", \"a b\": \"1\", \"n\": \"[X]\"}}");
    SCOPED_VALUE(buf) out = {.max = 1000};
    (void)state;

    assert_true(vast_provider_url(&p, STR("http://b.test/t?zone=7&a%20b=2#f"), NULL, 0, &out));
    assert_str(buf_str(&out), "http://b.test/t?zone=7&a%20b=2&n=[X]#f");
}

static void what_is_not_said_is_as_the_settings_have_it(void **state)
{
    struct vast_provider settings = vast_provider_default(), p;
    struct err err;
    (void)state;

    settings.timeout_ms = 1234;
    settings.cache_ttl_ms = 60000;
    assert_true(vast_provider_read(&arena, STR("{\"cache_ttl_s\": 0}"), &settings, &p, &err));
    assert_int_equal(p.timeout_ms, 1234);
    assert_int_equal(p.cache_ttl_ms, 0);
    assert_true(p.is_active);
}

static void what_makes_no_sense_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct vast_provider p, defaults = vast_provider_default();
        struct err err = {.detail = ""};

        assert_false(vast_provider_read(&arena, str_from(refused[i].json), &defaults, &p, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        if (!strstr(err.detail, refused[i].said) || strstr(err.detail, "secret"))
            fail_msg("%s: \"%s\"", refused[i].json, err.detail);
    }
}

static void globs_choose_what_is_logged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(globs); i++) {
        struct str glob = str_from(globs[i].glob);
        struct vast_provider p = {.include = {.items = &glob, .n = 1}};

        if (vast_provider_logs(&p, str_from(globs[i].name)) != globs[i].is_match)
            fail_msg("%s and %s", globs[i].glob, globs[i].name);
    }
}

static void what_is_excluded_wins(void **state)
{
    struct vast_provider p = read_provider(
        "{\"events\": {\"include\": [\"start\", \"progress-*\"], \"exclude\": [\"progress-5*\"]}}");
    (void)state;

    assert_true(vast_provider_logs(&p, STR("start")));
    assert_true(vast_provider_logs(&p, STR("progress-1000")));
    assert_false(vast_provider_logs(&p, STR("progress-5000")));
    assert_false(vast_provider_logs(&p, STR("complete")));
}

static void a_provider_knows_its_macros(void **state)
{
    struct vast_provider p =
        read_provider("{\"macros\": {\"A\": \"1\", \"B\": [\"2\", \"3\"], \"IFA\": null}, "
                      "\"macro_formats\": [\"${}\"], \"macro_mode\": \"iab\"}");
    struct vast_macros macros = {.items = p.macros, .n = p.nmacros, .formats = p.macro_formats};
    SCOPED_VALUE(buf) out = {.max = 1000};
    (void)state;

    assert_true(vast_macro_expand(STR("[A]${A}${B}${IFA}"), &macros, p.macro_mode, &out));
    assert_str(buf_str(&out), "[A]12,3-2");
}

static void extras_are_found_whatever_their_namespace(void **state)
{
    struct vast_provider p = read_provider("{\"extras\": {\"price\": \"//Price\", \"n\": \"count(//Ad)\", "
                                           "\"type\": \"//@type\", \"bad\": \"nosuch()\"}}");
    json_t *got =
        vast_extras_json(STR("<v:VAST xmlns:v='urn:v' version='4'><v:Ad/><v:Ad type=' t '><Price> 1 "
                             "</Price><v:Price>2</v:Price></v:Ad></v:VAST>"),
                         &p);
    char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
    (void)state;

    assert_string_equal(text, "{\"bad\":null,\"n\":[\"2\"],\"price\":[\"1\",\"2\"],\"type\":[\"t\"]}");
    free(text);
    json_decref(got);
}

static void extras_of_no_document_are_null(void **state)
{
    struct vast_provider p = read_provider("{\"extras\": {\"a\": \"//a\"}}");
    json_t *got = vast_extras_json(STR("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>"), &p);
    (void)state;

    assert_true(json_is_null(json_object_get(got, "a")));
    json_decref(got);
}

/* --- the cache -------------------------------------------------------------------------------------- */

static struct vast_answer answer(const char *body)
{
    return (struct vast_answer){.status = 200, .body = str_from(body), .final_url = STR("http://b.test/")};
}

static void an_answer_is_kept_until_its_time(void **state)
{
    struct vast_cache *c = vast_cache_create(10000);
    struct vast_answer first = answer("one"), second = answer("two"), got;
    (void)state;

    vast_cache_put(c, STR("u"), &first, 100);
    assert_true(vast_cache_get(c, STR("u"), 99, &got));
    assert_str(got.body, "one");
    assert_str(got.final_url, "http://b.test/");
    assert_int_equal(got.status, 200);
    assert_false(vast_cache_get(c, STR("v"), 99, &got));
    vast_cache_put(c, STR("u"), &second, 100);
    assert_true(vast_cache_get(c, STR("u"), 99, &got));
    assert_str(got.body, "two");
    assert_false(vast_cache_get(c, STR("u"), 100, &got));
    assert_int_equal(vast_cache_bytes(c), 0);
    vast_cache_destroy(c);
}

static void the_one_not_used_for_longest_makes_room(void **state)
{
    struct vast_cache *c = vast_cache_create(1000);
    char body[300];
    struct vast_answer a, got;
    (void)state;

    memset(body, 'x', sizeof(body));
    a = (struct vast_answer){.status = 200, .body = {body, sizeof(body)}};
    vast_cache_put(c, STR("a"), &a, 9);
    vast_cache_put(c, STR("b"), &a, 9);
    assert_true(vast_cache_get(c, STR("a"), 1, &got));
    vast_cache_put(c, STR("c"), &a, 9);
    assert_true(vast_cache_get(c, STR("a"), 1, &got));
    assert_false(vast_cache_get(c, STR("b"), 1, &got));
    assert_true(vast_cache_get(c, STR("c"), 1, &got));
    assert_true(vast_cache_bytes(c) <= 1000);
    a.body.len = 300;
    for (int i = 0; i < 20; i++)
        vast_cache_put(c, (struct str){&"abcdefghijklmnopqrst"[i], 1}, &a, 9);
    assert_true(vast_cache_bytes(c) <= 1000);
    vast_cache_destroy(c);
}

static void what_is_too_big_is_not_kept(void **state)
{
    struct vast_cache *c = vast_cache_create(50);
    struct vast_answer a = answer("longer than the whole of such a small cache"), got;
    (void)state;

    vast_cache_put(c, STR("u"), &a, 100);
    assert_false(vast_cache_get(c, STR("u"), 1, &got));
    vast_cache_destroy(c);
}

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

/* --- the cap ---------------------------------------------------------------------------------------- */

static void a_minute_has_so_many_requests(void **state)
{
    struct vast_rate *r = vast_rate_create();
    int64_t now = 1000, wait;
    int taken = 0;
    (void)state;

    for (; now < 61000; now += 10)
        taken += vast_rate_take(r, STR("acme"), 30, now) == 0;
    assert_in_range(taken, 30, 33); /* a tenth of them at once */
    while ((wait = vast_rate_take(r, STR("acme"), 30, now)) == 0)
        ;
    assert_int_equal(vast_rate_take(r, STR("acme"), 30, now + wait - 2) > 0, 1);
    assert_int_equal(vast_rate_take(r, STR("acme"), 30, now + wait), 0);
    vast_rate_destroy(r);
}

static void each_name_has_its_own_cap(void **state)
{
    struct vast_rate *r = vast_rate_create();
    char name[16];
    (void)state;

    assert_int_equal(vast_rate_take(r, STR("a"), 0.5, 5), 0);
    assert_true(vast_rate_take(r, STR("a"), 0.5, 5) > 119000);
    assert_int_equal(vast_rate_take(r, STR("b"), 0.5, 6), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(vast_rate_take(r, str_from(name), 1, 10 + i), 0);
    }
    assert_true(vast_rate_take(r, STR("2999"), 1, 3010) > 0);
    vast_rate_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_says_has_a_default),
        cmocka_unit_test(a_url_has_its_parameters),
        cmocka_unit_test(a_further_parameter_replaces_its_own),
        cmocka_unit_test(a_tag_keeps_what_it_has),
        cmocka_unit_test(what_is_not_said_is_as_the_settings_have_it),
        cmocka_unit_test(what_makes_no_sense_is_refused_by_name),
        cmocka_unit_test(a_minute_has_so_many_requests),
        cmocka_unit_test(each_name_has_its_own_cap),
        cmocka_unit_test(globs_choose_what_is_logged),
        cmocka_unit_test(what_is_excluded_wins),
        cmocka_unit_test(a_provider_knows_its_macros),
        cmocka_unit_test(extras_are_found_whatever_their_namespace),
        cmocka_unit_test(extras_of_no_document_are_null),
        cmocka_unit_test(an_answer_is_kept_until_its_time),
        cmocka_unit_test(the_one_not_used_for_longest_makes_room),
        cmocka_unit_test(what_is_too_big_is_not_kept),
    };

    return cmocka_run_group_tests(tests, start, end);
}
