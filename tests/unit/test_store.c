/*
 * test_store.c - what PostgreSQL is told about an ended trace.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "worker/store.h"

#include <string.h>

static struct trace t;
static struct trace_result result;

static int setup(void **state)
{
    (void)state;
    t = (struct trace){.claimed_ms = 1000, .ended_ms = 1812};
    t.claim.request_id = STR("0190a0e4-0000-7000-8000-000000000001");
    t.claim.attempt = 3;
    t.claim.ip = STR("203.0.113.9");
    arena_init(&t.arena, 1 << 20);
    result = (struct trace_result){
        .outcome = OUTCOME_OK, .mode_used = MODE_HTTP_ONLY, .proxy_ms = 120, .bytes = 2049};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_finish(&t.arena);
    return 0;
}

static void add_hop(const char *url, int status)
{
    struct hop *hop = chain_add_hop(&t.arena, &result.chain);

    assert_non_null(hop);
    hop->url = str_from(url);
    hop->status = status;
    hop->method = STR("GET");
}

static void give_result(void)
{
    add_hop("https://go.test/?gclid=a%20b", 302);
    add_hop("https://shop.test/?sub=7", 200);
    assert_true(trace_result_extract(&t.arena, &result));
    t.result = &result;
}

static void expect_text(const json_t *o, const char *key, const char *value)
{
    assert_str(json_get_str(o, key, STR("(missing)")), value);
}

static void expect_har(struct str text, size_t entries)
{
    struct err err;
    SCOPED(json_t) har = json_parse(text, &err);

    assert_int_equal(json_array_size(json_object_get(json_object_get(har, "log"), "entries")), entries);
}

static void a_har_is_sent_where_the_offer_keeps_one(void **state)
{
    (void)state;
    give_result();
    t.claim.evidence = evidence_bit(EVIDENCE_HAR);
    {
        SCOPED(json_t) o = store_result_json(&t);
        json_t *item = json_array_get(json_object_get(o, "evidence"), 0);

        expect_text(item, "kind", "har");
        expect_text(item, "content_type", "application/json");
        expect_har(json_get_str(item, "body", STR("")), 2);
    }
    t.is_cut = true;
    {
        SCOPED(json_t) o = store_result_json(&t);

        assert_null(json_object_get(o, "evidence"));
    }
}

static void what_else_is_kept_goes_with_its_kind(void **state)
{
    (void)state;
    give_result();
    t.claim.evidence = (1u << EVIDENCE_COUNT) - 1;
    result.mode_used = MODE_BROWSER;
    result.kept.screenshot = STR("iVBORw==");
    result.kept.screenshot_type = STR("image/png");
    kept_add_cookie(
        &t.arena, &result.kept,
        &(struct kept_cookie){.name = STR("sid"), .value = STR("\xff\0x"), .domain = STR("a.test")});
    kept_add_message(&t.arena, &result.kept,
                     &(struct kept_message){.kind = STR("error"), .text = STR("bad"), .line = 7, .hop = 1});
    {
        SCOPED(json_t) o = store_result_json(&t);
        const json_t *list = json_object_get(o, "evidence");

        assert_int_equal(json_array_size(list), 4);
        expect_text(json_array_get(list, 1), "kind", "cookies");
        expect_text(
            json_array_get(list, 1), "body",
            "{\"cookies\":[{\"name\":\"sid\",\"value\":\"\xef\xbf\xbd\xef\xbf\xbdx\",\"domain\":\"a.test\","
            "\"host_only\":false,\"path\":\"\",\"expires\":null,\"secure\":false,\"http_only\":false,"
            "\"same_site\":null}],\"left_out\":0}");
        expect_text(json_array_get(list, 2), "kind", "console");
        expect_text(
            json_array_get(list, 2), "body",
            "{\"messages\":[{\"kind\":\"error\",\"text\":\"bad\",\"source\":null,\"line\":7,\"column\":null,"
            "\"hop\":2,\"page\":\"https://shop.test/?sub=7\"}],\"left_out\":0}");
        expect_text(json_array_get(list, 3), "kind", "screenshot");
        expect_text(json_array_get(list, 3), "content_type", "image/png");
        expect_text(json_array_get(list, 3), "body", "iVBORw==");
        assert_true(json_get_bool(json_array_get(list, 3), "is_base64", false));
    }
    result.mode_used = MODE_HTTP_ONLY;
    result.kept.screenshot = STR("");
    {
        SCOPED(json_t) o = store_result_json(&t);

        assert_int_equal(json_array_size(json_object_get(o, "evidence")), 2); /* HAR and cookies */
    }
}

/* Evidence has an end, in number and in the trace's memory, and costs no trace its result. */
static void evidence_that_is_too_much_is_left_out_and_counted(void **state)
{
    static const char text[5000];
    struct kept_message message = {.kind = STR("error"), .text = {text, sizeof(text)}};
    struct kept_cookie cookie = {.name = {text, 4096}, .value = {text, 4096}};
    (void)state;

    for (int i = 0; i < 400; i++) {
        kept_add_message(&t.arena, &result.kept, &message);
        kept_add_cookie(&t.arena, &result.kept, &cookie);
    }
    assert_int_equal(result.kept.nmessages, 100);
    assert_int_equal(result.kept.messages_left_out, 300);
    assert_int_equal(result.kept.messages[0].text.len, 1000);
    assert_true(result.kept.ncookies > 50 && result.kept.ncookies < 300);
    assert_int_equal(result.kept.ncookies + result.kept.cookies_left_out, 400);
    assert_false(t.arena.is_full);
    assert_false(kept_has_room(&t.arena, 1 << 20));
}

static void a_good_trace_tells_all(void **state)
{
    (void)state;
    give_result();
    {
        SCOPED(json_t) o = store_result_json(&t);

        expect_text(o, "request_id", "0190a0e4-0000-7000-8000-000000000001");
        assert_int_equal(json_get_int(o, "attempt", 0), 3);
        expect_text(o, "ip", "203.0.113.9");
        expect_text(o, "outcome", "ok");
        assert_true(json_is_null(json_object_get(o, "error")));
        assert_false(json_get_bool(o, "retry", true));
        expect_text(o, "blame", "none");
        expect_text(o, "final_url", "https://shop.test/?sub=7");
        expect_text(json_object_get(o, "params"), "gclid", "a b");
        expect_text(json_object_get(o, "params"), "sub", "7");
        assert_int_equal(json_array_size(json_object_get(o, "chain")), 2);
        expect_text(o, "mode_used", "http_only");
        assert_int_equal(json_get_int(o, "trace_ms", 0), 812);
        assert_int_equal(json_get_int(o, "response_ms", 0), 120);
        assert_int_equal(json_get_int(o, "kb", 0), 3);
    }
}

static void times_and_comparison_of_both_modes_are_told(void **state)
{
    struct trace_result browsed = {.outcome = OUTCOME_OK, .mode_used = MODE_BROWSER, .total_ms = 900};
    struct hop *hop = chain_add_hop(&t.arena, &browsed.chain);
    (void)state;

    hop->url = STR("https://end.test/");
    give_result();
    result.total_ms = 70;
    {
        SCOPED(json_t) o = store_result_json(&t);

        assert_int_equal(json_get_int(o, "http_ms", 0), 70);
        assert_true(json_is_null(json_object_get(o, "browser_ms")));
        assert_true(json_is_null(json_object_get(o, "compared")));
    }
    t.http = &result;
    t.browsed = &browsed;
    t.compared = (struct comparison){.is_same_params = true, .difference = DIFFERENCE_MISSED};
    {
        SCOPED(json_t) o = store_result_json(&t);
        json_t *compared = json_object_get(o, "compared");

        expect_text(o, "mode_used", "http_only"); /* a sample: the result stays */
        assert_int_equal(json_get_int(o, "http_ms", 0), 70);
        assert_int_equal(json_get_int(o, "browser_ms", 0), 900);
        expect_text(compared, "difference", "missed");
        expect_text(compared, "http", "https://shop.test/?sub=7");
        expect_text(compared, "browser", "https://end.test/");
    }
    t.is_cut = true;
    {
        SCOPED(json_t) o = store_result_json(&t);

        assert_null(json_object_get(o, "compared"));
    }
}

static void a_trace_without_a_result_tells_its_error(void **state)
{
    (void)state;
    err_set(&t.err, ERR_PROXY_UNKNOWN,
            "secret luna_password in worker.secrets_dir: No such file or directory");
    {
        SCOPED(json_t) o = store_result_json(&t);

        expect_text(o, "outcome", "error");
        expect_text(o, "error", "proxy_unknown");
        expect_text(o, "blame", "us");
        assert_true(json_get_bool(o, "retry", false));
        assert_null(json_object_get(o, "chain"));
        assert_null(json_object_get(o, "response_ms"));
    }
}

/* Blame and retry come from the error table, whoever found the error. */
static void blame_and_retry_are_the_error_tables(void **state)
{
    (void)state;
    result.outcome = OUTCOME_ERROR;
    result.proxy_ms = -1;
    t.result = &result;
    for (int code = ERR_OK + 1; code < ERR_COUNT; code++) {
        err_set(&result.err, (enum err_code)code, "tried");
        SCOPED(json_t) o = store_result_json(&t);

        expect_text(o, "error", err_name((enum err_code)code));
        expect_text(o, "blame", err_blame_name(err_blame((enum err_code)code)));
        assert_int_equal(json_get_bool(o, "retry", false), err_is_retryable((enum err_code)code));
        assert_true(json_is_null(json_object_get(o, "response_ms")));
    }
}

static void our_own_deadline_is_a_timeout(void **state)
{
    (void)state;
    err_set(&t.err, ERR_TRACE_TIMEOUT, "90000 ms");
    assert_int_equal(store_outcome(&t), OUTCOME_TIMEOUT);
    {
        SCOPED(json_t) o = store_result_json(&t);

        expect_text(o, "outcome", "timeout");
        expect_text(o, "error", "trace_timeout");
    }
}

static void extract_only_keeps_no_chain(void **state)
{
    (void)state;
    give_result();
    t.claim.extract_only = true;
    {
        SCOPED(json_t) o = store_result_json(&t);

        assert_int_equal(json_array_size(json_object_get(o, "chain")), 0);
        expect_text(o, "final_url", "https://shop.test/?sub=7");
        expect_text(json_object_get(o, "params"), "sub", "7");
    }
}

/* PostgreSQL refused it once: then nothing that came from outside is sent again. */
static void a_cut_result_has_nothing_from_outside(void **state)
{
    (void)state;
    give_result();
    t.is_cut = true;
    {
        SCOPED(json_t) o = store_result_json(&t);

        expect_text(o, "outcome", "ok");
        assert_null(json_object_get(o, "final_url"));
        assert_null(json_object_get(o, "params"));
        assert_null(json_object_get(o, "chain"));
    }
}

/* jsonb refuses NUL and broken UTF-8, and one bad trace must not hold up its neighbours. */
static void bytes_that_jsonb_refuses_are_replaced(void **state)
{
    (void)state;
    add_hop("https://shop.test/", 200);
    result.chain.hops[0].content_type = (struct str){"text/\0html\xff\xed\xa0\x80", 14};
    assert_true(trace_result_extract(&t.arena, &result));
    t.result = &result;
    err_set(&t.err, ERR_TARGET_PROTOCOL, "answered \xff\xfe");
    {
        SCOPED(json_t) o = store_result_json(&t);
        SCOPED_VALUE(buf) text;

        buf_init(&text, 1 << 16);
        json_write(o, &text);
        assert_null(strstr(buf_cstr(&text), "\\u0000"));
        assert_null(memchr(text.data, 0xff, text.len));
    }
}

static void what_is_handed_back_is_identity_alone(void **state)
{
    (void)state;
    give_result();
    t.is_let_go = true;
    {
        SCOPED(json_t) o = store_return_json(&t);

        assert_int_equal(json_object_size(o), 3);
        assert_int_equal(json_get_int(o, "attempt", 0), 3);
        expect_text(o, "ip", "203.0.113.9");
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_trace_tells_all),
        TEST(a_har_is_sent_where_the_offer_keeps_one),
        TEST(what_else_is_kept_goes_with_its_kind),
        TEST(evidence_that_is_too_much_is_left_out_and_counted),
        TEST(times_and_comparison_of_both_modes_are_told),
        TEST(a_trace_without_a_result_tells_its_error),
        TEST(blame_and_retry_are_the_error_tables),
        TEST(our_own_deadline_is_a_timeout),
        TEST(extract_only_keeps_no_chain),
        TEST(a_cut_result_has_nothing_from_outside),
        TEST(bytes_that_jsonb_refuses_are_replaced),
        TEST(what_is_handed_back_is_identity_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
