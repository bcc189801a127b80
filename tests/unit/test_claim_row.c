/*
 * test_claim_row.c - a claimed row becomes what the tracer needs; odd rows fail alone and keep their
 * identity.
 */
#include "tests/unit/test.h"

#include "common/pg/row.h"
#include "worker/claim_row.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    "request_id",   "attempt",        "retry_count", "max_retries",  "offer_id",       "offer_name",
    "tracking_url", "target_country", "options",     "wait_ms",      "ip_address",     "proxy_scheme",
    "proxy_host",   "proxy_port",     "proxy_user",  "proxy_secret", "request_cursor", "ip_cursor",
};

static const char *values[ARRAY_LEN(names)];
static struct conf conf;
static struct arena arena;
static struct trace_claim claim;
static struct err err;

static void put(const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0)
            values[i] = value;
    }
}

static int setup(void **state)
{
    (void)state;
    memset(values, 0, sizeof(values));
    put("request_id", "0190a0e4-0000-7000-8000-000000000001");
    put("attempt", "2");
    put("retry_count", "1");
    put("max_retries", "2");
    put("tracking_url", "https://go.test/");
    put("target_country", "us");
    put("options", "{}");
    put("wait_ms", "40");
    put("ip_address", "user-1");
    put("proxy_scheme", "http");
    put("proxy_host", "gw.test");
    put("proxy_port", "7000");
    conf =
        (struct conf){.trace_timeout_s = 90, .trace_max_hops = 20, .http_user_agent = "", .http_contact = ""};
    arena_init(&arena, 1 << 16);
    err = (struct err){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

/* The result that PostgreSQL would have sent. */
static PGresult *make_result(void)
{
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[ARRAY_LEN(names)];

    memset(columns, 0, sizeof(columns));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        columns[i] = (PGresAttDesc){.name = (char *)names[i], .typid = 25, .typlen = -1};
    assert_true(PQsetResultAttrs(res, ARRAY_LEN(names), columns));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_true(PQsetvalue(res, 0, (int)i, (char *)values[i], values[i] ? (int)strlen(values[i]) : -1));
    return res;
}

static bool read_claim(void)
{
    SCOPED(PGresult) res = make_result();
    struct claim_columns at = claim_columns_of(res);

    return claim_read(res, 0, &at, &conf, &arena, &claim, &err);
}

static void a_plain_row_has_the_settings_defaults(void **state)
{
    (void)state;
    assert_true(read_claim());
    assert_str(claim.request_id, "0190a0e4-0000-7000-8000-000000000001");
    assert_int_equal(claim.attempt, 2);
    assert_int_equal(claim.mode, MODE_AUTO);
    assert_int_equal(claim.max_hops, 20);
    assert_int_equal(claim.timeout_ms, 90000);
    assert_str(claim.user_agent, "tracepool/" TRACEPOOL_VERSION);
    assert_str(claim.proxy.host, "gw.test");
    assert_int_equal(claim.proxy.port, 7000);
    assert_int_equal(claim.secret_name.len, 0);
    assert_int_equal(claim.nexpected_params, 0);
}

static void an_offer_of_kind_vast_brings_its_provider(void **state)
{
    (void)state;
    assert_true(read_claim());
    assert_false(claim.is_tag || claim.may_cache || claim.vast_provider.len || claim.vast_row.len);
    put("options", "{\"kind\":\"vast\",\"vast_provider\":\"acme\",\"vast_cache\":true,"
                   "\"vast\":{\"provider\":\"acme\",\"retries\":2}}");
    assert_true(read_claim());
    assert_true(claim.is_tag && claim.may_cache);
    assert_str(claim.vast_provider, "acme");
    assert_str(claim.vast_row, "{\"provider\":\"acme\",\"retries\":2}");
}

static void options_go_over_the_settings_within_limits(void **state)
{
    (void)state;
    put("options",
        "{\"mode\":\"http_only\",\"referrer\":\"https://ads.test/\",\"user_agent\":\"me/1\",\"max_hops\":500,"
        "\"timeout_ms\":900000,\"expected_params\":[\"sub\",7,\"clk\"],\"extract_only\":true,"
        "\"evidence\":[\"cookies\",\"hologram\",\"screenshot\",1]}");
    assert_true(read_claim());
    assert_int_equal(claim.evidence, evidence_bit(EVIDENCE_COOKIES) | evidence_bit(EVIDENCE_SCREENSHOT));
    assert_int_equal(claim.mode, MODE_HTTP_ONLY);
    assert_str(claim.referrer, "https://ads.test/");
    assert_str(claim.user_agent, "me/1");
    assert_int_equal(claim.max_hops, 100);
    assert_int_equal(claim.timeout_ms, 90000);
    assert_true(claim.extract_only);
    assert_int_equal(claim.nexpected_params, 2);
    assert_str(claim.expected_params[1], "clk");
}

static void the_user_agent_names_the_contact(void **state)
{
    (void)state;
    conf.http_contact = "https://op.test/bot";
    assert_true(read_claim());
    assert_str(claim.user_agent, "tracepool/" TRACEPOOL_VERSION " (+https://op.test/bot)");
    conf.http_user_agent = "own/2";
    assert_true(read_claim());
    assert_str(claim.user_agent, "own/2");
}

static void a_proxy_resolves_names_itself(void **state)
{
    (void)state;
    put("proxy_scheme", "socks5");
    put("proxy_user", "user-1");
    put("proxy_secret", "luna_password");
    assert_true(read_claim());
    assert_str(claim.proxy.scheme, "socks5h");
    assert_str(claim.proxy.user, "user-1");
    assert_str(claim.secret_name, "luna_password");
}

static void what_cannot_be_traced_keeps_its_identity(void **state)
{
    static const struct {
        const char *name, *value;
        enum err_code code;
    } rows[] = {
        {"proxy_port", "http", ERR_PROXY_UNKNOWN},
        {"proxy_port", "0", ERR_PROXY_UNKNOWN},
        {"proxy_port", "70000", ERR_PROXY_UNKNOWN},
        {"proxy_port", NULL, ERR_PROXY_UNKNOWN},
        {"proxy_host", "", ERR_PROXY_UNKNOWN},
        {"proxy_scheme", NULL, ERR_PROXY_UNKNOWN},
        {"options", "{\"mode\":\"teleport\"}", ERR_BAD_INPUT},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        teardown(state);
        setup(state);
        put(rows[i].name, rows[i].value);
        assert_false(read_claim());
        assert_int_equal(err.code, rows[i].code);
        assert_str(claim.request_id, "0190a0e4-0000-7000-8000-000000000001");
        assert_int_equal(claim.attempt, 2);
        assert_str(claim.ip, "user-1");
    }
}

static void a_request_that_fills_the_arena_fails_alone(void **state)
{
    static char url[4000];
    (void)state;

    arena_finish(&arena);
    arena_init(&arena, 2000);
    memset(url, 'u', sizeof(url) - 1);
    put("tracking_url", url);
    assert_false(read_claim());
    assert_int_equal(err.code, ERR_TOO_BIG);
    assert_str(claim.ip, "user-1");
}

/* By the last eight digits: whoever has the id knows, and SQL can tell. */
static void samples_are_chosen_by_the_requests_id(void **state)
{
    static const struct {
        const char *id;
        int percent;
        bool is_sampled;
    } rows[] = {
        {"0190a0e4-0000-7000-8000-000000000000", 1, true},
        {"0190a0e4-0000-7000-8000-000000000000", 0, false},
        {"0190a0e4-0000-7000-8000-000000000001", 1, false},
        {"0190a0e4-0000-7000-8000-000000000001", 2, true},
        {"0190a0e4-0000-7000-8000-000000000063", 99, false},
        {"0190a0e4-0000-7000-8000-000000000063", 100, true},
        {"0190a0e4-0000-7000-8000-000000000064", 1, true},
        {"0190a0e4-0000-7000-8000-0000ffffffff", 95, false},
        {"0190A0E4-0000-7000-8000-0000FFFFFFFF", 96, true}, /* 4294967295 */
    };
    int sampled = 0;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(claim_is_sampled(str_from(rows[i].id), rows[i].percent), rows[i].is_sampled);
    for (int i = 0; i < 10000; i++) {
        char id[40];

        snprintf(id, sizeof(id), "0190a0e4-0000-7000-8000-%012llx",
                 0x9e3779b9ULL * (unsigned)i & 0xffffffffffff);
        sampled += claim_is_sampled(str_from(id), 10);
    }
    assert_in_range(sampled, 900, 1100);
}

static void an_offers_share_of_samples_goes_over_the_settings(void **state)
{
    (void)state;
    assert_true(read_claim());
    assert_false(claim.is_sampled); /* by default none: ...01 */
    conf.auto_sample_percent = 2;
    assert_true(read_claim());
    assert_true(claim.is_sampled);
    put("options", "{\"sample_percent\":0}");
    assert_true(read_claim());
    assert_false(claim.is_sampled);
    conf.auto_sample_percent = 0;
    put("options", "{\"sample_percent\":100}");
    assert_true(read_claim());
    assert_true(claim.is_sampled);
    put("options", "{\"sample_percent\":100,\"mode\":\"http_only\"}");
    assert_true(read_claim());
    assert_false(claim.is_sampled);
}

static void what_an_offer_learnt_counts_in_mode_auto(void **state)
{
    static const struct {
        const char *options, *learnt;
    } rows[] = {
        {"{\"learnt\":\"learnt_missed\"}", "learnt_missed"},
        {"{\"learnt\":\"learnt_needed\",\"mode\":\"auto\"}", "learnt_needed"},
        {"{\"learnt\":\"learnt_missed\",\"mode\":\"http_only\"}", ""},
        {"{\"learnt\":\"js_redirect\"}", ""},
        {"{\"learnt\":\"of a later version\"}", ""},
        {"{\"learnt\":7}", ""},
        {"{}", ""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put("options", rows[i].options);
        assert_true(read_claim());
        assert_str(claim.learnt, rows[i].learnt);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_row_has_the_settings_defaults),
        TEST(an_offer_of_kind_vast_brings_its_provider),
        TEST(options_go_over_the_settings_within_limits),
        TEST(the_user_agent_names_the_contact),
        TEST(a_proxy_resolves_names_itself),
        TEST(what_cannot_be_traced_keeps_its_identity),
        TEST(a_request_that_fills_the_arena_fails_alone),
        TEST(samples_are_chosen_by_the_requests_id),
        TEST(an_offers_share_of_samples_goes_over_the_settings),
        TEST(what_an_offer_learnt_counts_in_mode_auto),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
