/*
 * test_chain.c - hops, parameters of all hops, and their JSON.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "worker/chain/chain.h"

#include <string.h>

enum { ARENA = 1 << 20 };

static void add(struct arena *a, struct trace_result *r, const char *url, int status, enum via via)
{
    struct hop *hop = chain_add_hop(a, &r->chain);

    assert_non_null(hop);
    hop->url = str_from(url);
    hop->status = status;
    hop->via = via;
}

static struct str value_of(const struct trace_result *r, const char *name)
{
    for (int i = 0; i < r->nparams; i++)
        if (str_equal(r->params[i].name, str_from(name)))
            return r->params[i].value;
    return STR("(missing)");
}

static void names_and_statuses_come_from_one_table(void **state)
{
    enum trace_mode mode = MODE_AUTO;

    (void)state;
    assert_string_equal(outcome_name(OUTCOME_TOO_MANY_HOPS), "too_many_hops");
    assert_string_equal(outcome_status(OUTCOME_EXTERNAL_SCHEME), "completed");
    assert_string_equal(outcome_status(OUTCOME_TIMEOUT), "timeout");
    assert_string_equal(outcome_status(OUTCOME_LOOP), "failed");
    assert_string_equal(via_name(VIA_HTTP_308), "http_308");
    assert_string_equal(trace_mode_name(MODE_HTTP_ONLY), "http_only");
    assert_true(trace_mode_from(STR("browser"), &mode));
    assert_int_equal(mode, MODE_BROWSER);
    assert_false(trace_mode_from(STR("Browser"), &mode));
    assert_int_equal(mode, MODE_BROWSER);
}

static void a_chain_grows_and_keeps_what_it_has(void **state)
{
    SCOPED_VALUE(arena) a;
    struct trace_result r = {0};

    (void)state;
    arena_init(&a, ARENA);
    for (int i = 0; i < 100; i++)
        add(&a, &r, "http://a.test/", i, VIA_START);
    assert_int_equal(r.chain.nhops, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(r.chain.hops[i].status, i);
    assert_int_equal(r.chain.hops[99].timing.total, -1);
    for (int i = 0; i < 5; i++)
        assert_true(hop_add_note(&a, &r.chain.hops[7], i ? "more" : "first"));
    assert_str(r.chain.hops[7].notes[0], "first");
    assert_str(r.chain.hops[7].notes[4], "more");
}

static void a_full_arena_is_a_failure_and_no_crash(void **state)
{
    SCOPED_VALUE(arena) a;
    struct chain chain = {0};
    struct hop *hop = NULL;
    int n = 0;

    (void)state;
    arena_init(&a, 8192);
    while ((hop = chain_add_hop(&a, &chain)) != NULL)
        n++;
    assert_in_range(n, 1, 100);
    assert_int_equal(chain.nhops, n);
    assert_false(hop_add_note(&a, &chain.hops[0], "x"));
    assert_int_equal(chain.hops[0].nnotes, 0);
}

static void parameters_are_of_every_hop_and_the_last_value_wins(void **state)
{
    static const struct str both[] = {{"gclid", 5}, {"sub", 3}}, other[] = {{"Sub", 3}};
    SCOPED_VALUE(arena) a;
    struct trace_result r = {0};

    (void)state;
    arena_init(&a, ARENA);
    add(&a, &r, "http://a.test/?gclid=G%2B1&x=1&x=2#?frag=1", 302, VIA_START);
    add(&a, &r, "http://a.test/b?sub=a+b&x=3&empty", 302, VIA_HTTP_302);
    add(&a, &r, "http://a.test/c#?no=1", 302, VIA_HTTP_302);
    add(&a, &r, "market://details?id=shop&sub=a%20b", 0, VIA_HTTP_302);
    assert_true(trace_result_extract(&a, &r));
    assert_str(r.final_url, "market://details?id=shop&sub=a%20b");
    assert_int_equal(r.nparams, 5);
    assert_str(value_of(&r, "gclid"), "G+1");
    assert_str(value_of(&r, "x"), "3");
    assert_str(value_of(&r, "empty"), "");
    assert_str(value_of(&r, "id"), "shop");
    assert_str(value_of(&r, "no"), "(missing)");
    assert_int_equal(r.params[2].hop, 3);   /* sub, seen last in the app link, */
    assert_int_equal(r.params[2].since, 1); /* which did not change it */
    assert_true(trace_result_has_params(&r, both, 2));
    assert_false(trace_result_has_params(&r, other, 1));
    assert_true(trace_result_has_params(&r, NULL, 0));
}

static void a_flood_of_parameters_is_bounded(void **state)
{
    SCOPED_VALUE(arena) a;
    SCOPED_VALUE(buf) url;
    struct trace_result r = {0};

    (void)state;
    arena_init(&a, 16 * ARENA);
    buf_init(&url, ARENA);
    buf_append_str(&url, STR("http://a.test/?"));
    for (int i = 0; i < 20000; i++)
        buf_printf(&url, "%d&", i);
    add(&a, &r, buf_cstr(&url), 200, VIA_START);
    assert_true(trace_result_extract(&a, &r));
    assert_int_equal(r.nparams, 1000);
}

static void json_says_null_for_what_is_unknown(void **state)
{
    SCOPED_VALUE(arena) a;
    SCOPED_VALUE(buf) text;
    struct trace_result r = {
        .outcome = OUTCOME_BLOCKED, .mode_used = MODE_HTTP_ONLY, .total_ms = 12, .proxy_ms = -1, .bytes = 1};

    (void)state;
    arena_init(&a, ARENA);
    buf_init(&text, ARENA);
    add(&a, &r, "http://10.0.0.1/?a=%00%FF", 0, VIA_META_REFRESH);
    assert_true(hop_add_note(&a, &r.chain.hops[0], "why"));
    err_set(&r.err, ERR_BLOCKED_ADDRESS, "10.0.0.1 is private");
    assert_true(trace_result_extract(&a, &r));

    SCOPED(json_t) object = trace_result_json(&r);

    json_write(object, &text);
    assert_string_equal(
        buf_cstr(&text),
        "{\"outcome\":\"blocked\",\"final_url\":\"http://10.0.0.1/?a=%00%FF\",\"mode_used\":\"http_only\","
        "\"detection_reason\":null,\"chain\":[{\"url\":\"http://10.0.0.1/?a=%00%FF\",\"status\":null,"
        "\"via\":\"meta_refresh\",\"method\":null,\"remote_address\":null,\"http_version\":null,"
        "\"tls\":null,\"content_type\":null,\"timing_ms\":{\"dns\":null,\"connect\":null,\"tls\":"
        "null,"
        "\"first_byte\":null,\"total\":null},\"header_bytes\":0,\"body_bytes\":0,\"headers\":[],"
        "\"cookies_set\":[],\"notes\":[\"why\"]}],\"extracted_params\":{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"},"
        "\"timing_ms\":12,\"proxy_ms\":null,\"bandwidth_kb\":1,"
        "\"error\":{\"code\":\"blocked_address\",\"detail\":\"10.0.0.1 is private\",\"blame\":\"target\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_statuses_come_from_one_table),
        cmocka_unit_test(a_chain_grows_and_keeps_what_it_has),
        cmocka_unit_test(a_full_arena_is_a_failure_and_no_crash),
        cmocka_unit_test(parameters_are_of_every_hop_and_the_last_value_wins),
        cmocka_unit_test(a_flood_of_parameters_is_bounded),
        cmocka_unit_test(json_says_null_for_what_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
