/*
 * test_monitor.c - what the monitor decides without a database: rules, status, bodies, tokens, batches.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "monitor/api.h"
#include "monitor/batch.h"
#include "monitor/body.h"
#include "monitor/dashboard.h"
#include "monitor/metrics.h"
#include "monitor/status.h"

#include <stdio.h>
#include <string.h>

static json_t *status_with(int utilisation, int queue, int success, int unhealthy, int trace_ms)
{
    json_t *status = json_pack(
        "{s:{s:{s:i,s:i,s:i,s:i,s:i,s:i}}, s:{s:i,s:i,s:i,s:{s:i}}, s:{s:i,s:i}, s:{s:i,s:i,s:i,s:i}}",
        "pool_summary", "us", "total", 100, "available", 75, "locked", 15, "cooldown", 10, "healthy",
        100 - unhealthy, "unhealthy", unhealthy, "active_requests", "total", 15, "pending", queue,
        "processing", 10, "by_country", "us", 12, "performance", "completed_last_5min", 50,
        "avg_trace_time_ms", trace_ms, "health", "pool_utilization_percent", utilisation, "available_ips", 75,
        "queue_depth", queue, "success_rate_5min", success);

    assert_non_null(status);
    return status;
}

/* ---- status ---- */

static void test_status_has_the_seeds_fields_in_order(void **state)
{
    static const char *const wanted[] = {"timestamp", "pool_summary", "active_requests", "performance",
                                         "health",    "warnings",     "recommendation",  "more"};
    SCOPED(json_t) raw =
        json_pack("{s:i, s:{s:i}, s:s, s:{}, s:{}, s:{}}", "more", 1, "health", "queue_depth", 21,
                  "timestamp", "t", "performance", "pool_summary", "active_requests");
    SCOPED(json_t) levels = json_pack("[{s:s, s:s, s:i, s:b, s:s}]", "rule", "queue_depth", "subject", "",
                                      "value", 21, "is_beyond", 1, "message", "Queue depth is 21");
    struct err err;
    SCOPED(json_t) status = status_from_json(raw, levels, &err);
    const char *key;
    json_t *value;
    size_t i = 0;

    (void)state;
    assert_non_null(status);
    json_object_foreach(status, key, value) assert_string_equal(key, wanted[i++]);
    assert_int_equal(i, ARRAY_LEN(wanted));
    assert_int_equal(json_array_size(json_object_get(status, "warnings")), 1);
}

static void test_status_of_no_object_is_an_error(void **state)
{
    SCOPED(json_t) object = json_object();
    SCOPED(json_t) array = json_array();
    const json_t *const cases[][2] = {
        {NULL, NULL}, {array, array}, {object, object}, {object, NULL}, {NULL, array}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {.code = ERR_OK};

        assert_null(status_from_json(cases[i][0], cases[i][1], &err));
        assert_int_equal(err.code, ERR_INTERNAL);
    }
}

/* ---- query strings of the dashboard ---- */

static const struct {
    const char *query;
    const char *becomes; /* JSON; NULL: refused */
    const char *says;
} query_cases[] = {
    {"", "{}", NULL},
    {"search=a+b%26c&limit=7", "{\"search\":\"a b&c\",\"limit\":\"7\"}", NULL},
    {"search=", "{\"search\":\"\"}", NULL},
    {"search", "{\"search\":\"\"}", NULL},
    {"search=%00%ff", "{\"search\":\"\xef\xbf\xbd\xef\xbf\xbd\"}", NULL},
    {"search=%22%7D", "{\"search\":\"\\\"}\"}", NULL},
    {"searching=1", NULL, "unknown field \"searching\" in the query"},
    {"silence_ms=1", NULL, "unknown field \"silence_ms\" in the query"},
    {"limit=1&limit=2", NULL, "limit is there twice"},
};

static void test_queries_become_arguments(void **state)
{
    static const char *const names[] = {"search", "limit", NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(query_cases); i++) {
        struct err err = {.code = ERR_OK};
        SCOPED(json_t) object = dashboard_arguments(str_from(query_cases[i].query), names, &err);
        SCOPED_VALUE(buf) text = {.max = 1000};

        assert_int_equal(object != NULL, query_cases[i].becomes != NULL);
        if (!object) {
            assert_string_equal(err.detail, query_cases[i].says);
            continue;
        }
        json_write(object, &text);
        assert_str(buf_str(&text), query_cases[i].becomes);
    }
}

static void test_long_arguments_are_refused(void **state)
{
    static const char *const names[] = {"search", NULL};
    char query[7 + 301 + 1] = "search=";
    struct err err = {.code = ERR_OK};

    (void)state;
    memset(query + 7, 'x', 301);
    SCOPED(json_t) refused = dashboard_arguments(str_from(query), names, &err);
    assert_null(refused);
    assert_string_equal(err.detail, "search is longer than 300 bytes");
    query[7 + 300] = '\0';
    SCOPED(json_t) taken = dashboard_arguments(str_from(query), names, &err);
    assert_int_equal(json_get_str(taken, "search", STR("")).len, 300);
}

/* ---- bodies ---- */

static const struct {
    const char *body;
    const char *says; /* part of the error; NULL: accepted */
    int size, at_once;
} body_cases[] = {
    {"", NULL, 10, 5},
    {" \r\n", NULL, 10, 5},
    {"{}", NULL, 10, 5},
    {"{\"batch_size\": 20, \"max_concurrent\": 10}", NULL, 20, 10},
    {"{\"batch_size\": 1}", NULL, 1, 5},
    {"{\"max_concurrent\": 100}", NULL, 10, 100},
    {"{\"batch_size\": 0}", "batch_size must be a whole number from 1 to 100, not 0", 10, 5},
    {"{\"batch_size\": 101}", "batch_size must be a whole number from 1 to 100, not 101", 10, 5},
    {"{\"batch_size\": -3}", "from 1 to 100, not -3", 10, 5},
    {"{\"batch_size\": 2.5}", "from 1 to 100, not 2.5", 10, 5},
    {"{\"batch_size\": \"20\"}", "from 1 to 100, not \"20\"", 10, 5},
    {"{\"batch_size\": null}", "not null", 10, 5},
    {"{\"batch_size\": [1,2]}", "not [1,2]", 10, 5},
    {"{\"batch_size\": 20, \"max_concurrent\": true}", "max_concurrent must be a whole number", 10, 5},
    {"{\"batchsize\": 20}", "unknown field \"batchsize\"; known are batch_size, max_concurrent", 10, 5},
    {"{\"batch_size\": 99999999999999999999}", "the body is no valid JSON", 10, 5},
    {"{\"batch_size\": 20", "the body is no valid JSON", 10, 5},
    {"{\"batch_size\": 1, \"batch_size\": 2}", "the body is no valid JSON", 10, 5},
    {"batch_size=20", "the body is no valid JSON", 10, 5},
    {"[20, 10]", "the body must be a JSON object", 10, 5},
    {"20", "the body must be a JSON object", 10, 5},
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(body_cases); i++) {
        int64_t size = 10, at_once = 5;
        const struct body_field fields[] = {{"batch_size", 1, 100, &size},
                                            {"max_concurrent", 1, 100, &at_once}};
        struct err err = {.code = ERR_OK};
        bool ok = body_read(str_from(body_cases[i].body), fields, ARRAY_LEN(fields), &err);

        if (ok != !body_cases[i].says)
            fail_msg("%s: %s", body_cases[i].body, ok ? "accepted" : err.detail);
        if (!ok && !strstr(err.detail, body_cases[i].says))
            fail_msg("%s: %s", body_cases[i].body, err.detail);
        assert_int_equal(size, body_cases[i].size);
        assert_int_equal(at_once, body_cases[i].at_once);
    }
}

/* ---- tokens ---- */

static void test_tokens(void **state)
{
    const struct str now = STR("s3cret"), old = STR("before"), none = STR("");

    (void)state;
    assert_true(api_token_matches(STR("Bearer s3cret"), now, none));
    assert_true(api_token_matches(STR("bearer s3cret"), now, none));
    assert_true(api_token_matches(STR("Bearer before"), now, old));
    assert_false(api_token_matches(STR("Bearer before"), now, none));
    assert_false(api_token_matches(STR("Bearer s3cre"), now, old));
    assert_false(api_token_matches(STR("Bearer s3cret2"), now, old));
    assert_false(api_token_matches(STR("s3cret"), now, old));
    assert_false(api_token_matches(STR("Basic s3cret"), now, old));
    assert_false(api_token_matches(STR("Bearer "), now, none));
    assert_false(api_token_matches(STR(""), now, none));
    assert_false(api_token_matches(STR("Bearer "), none, none));
}

static void test_listening_to_others_needs_a_token(void **state)
{
    struct conf conf = {.api_token = (char *)"", .api_token_previous = (char *)""};
    struct err err;

    (void)state;
    conf.api_listen = (char *)"127.0.0.1:8081";
    assert_true(api_check_settings(&conf, &err));
    conf.api_listen = (char *)"unix:/run/tracepool/api";
    assert_true(api_check_settings(&conf, &err));
    conf.api_listen = (char *)"0.0.0.0:8081";
    assert_false(api_check_settings(&conf, &err));
    assert_int_equal(err.code, ERR_BAD_SETTING);
    assert_non_null(strstr(err.detail, "api.token"));
    conf.api_token = (char *)"s3cret";
    assert_true(api_check_settings(&conf, &err));
}

/* ---- batches: patience is 30 s in all cases ---- */

static const struct {
    struct batch_facts facts;
    enum batch_verdict verdict;
    const char *says;
} batch_cases[] = {
    /* state, processed, claimed, in flight, workers, still */
    {{STR("done"), 10, 10, 0, 2, 0}, BATCH_DONE, ""},
    {{STR("done"), 0, 0, 0, 0, 99000}, BATCH_DONE, ""},
    {{STR("open"), 0, 0, 0, 0, 29999}, BATCH_WAIT, ""},
    {{STR("open"), 0, 0, 0, 0, 30000}, BATCH_UNANSWERED, "no live worker took the batch within 30 s"},
    {{STR("open"), 0, 0, 0, 3, 30000}, BATCH_UNANSWERED, "3 workers are alive, but none took the batch"},
    {{STR("open"), 4, 4, 0, 0, 30000}, BATCH_UNANSWERED, "no live worker took the rest of the batch"},
    {{STR("open"), 4, 5, 1, 0, 90000}, BATCH_WAIT, ""},
    {{STR("running"), 4, 10, 6, 0, 90000}, BATCH_WAIT, ""},
    {{STR("running"), 10, 10, 0, 1, 90000}, BATCH_WAIT, ""},
    {{STR("abandoned"), 0, 0, 0, 1, 0}, BATCH_UNANSWERED, "closed by somebody else"},
};

static void test_batches_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(batch_cases); i++) {
        char reason[200] = "";

        assert_int_equal(batch_judge(&batch_cases[i].facts, 30000, reason, sizeof(reason)),
                         batch_cases[i].verdict);
        if (!strstr(reason, batch_cases[i].says))
            fail_msg("case %zu: %s", i, reason);
    }
}

/* ---- metrics ---- */

static void expect_line(const struct buf *text, const char *line)
{
    char wanted[200];

    snprintf(wanted, sizeof(wanted), "\n%s\n", line);
    if (!strstr(buf_cstr(text), wanted))
        fail_msg("no line %s in\n%s", line, buf_cstr(text));
}

static void test_status_becomes_gauges(void **state)
{
    SCOPED(json_t) status = status_with(25, 5, 98, 2, 3500);
    SCOPED_VALUE(buf) text;

    (void)state;
    buf_init(&text, 100000);
    metrics_put_status(status, &text);
    expect_line(&text, "tracepool_pool_ips{country=\"us\",state=\"available\"} 75");
    expect_line(&text, "tracepool_pool_ips_health{country=\"us\",health=\"unhealthy\"} 2");
    expect_line(&text, "tracepool_requests{status=\"pending\"} 5");
    expect_line(&text, "tracepool_requests_by_country{country=\"us\"} 12");
    expect_line(&text, "tracepool_pool_utilization_ratio 0.25");
    expect_line(&text, "tracepool_success_ratio 0.98");
    expect_line(&text, "tracepool_trace_mean_seconds 3.5");
}

static void test_countries_cannot_break_out_of_their_label(void **state)
{
    SCOPED(json_t) status = json_pack("{s:{s:{s:i}}}", "pool_summary", "a\"} 1\nb\\", "available", 1);
    SCOPED_VALUE(buf) text;

    (void)state;
    buf_init(&text, 100000);
    metrics_put_status(status, &text);
    expect_line(&text, "tracepool_pool_ips{country=\"a\\\"} 1 b\\\\\",state=\"available\"} 1");
}

static void test_workers_counters_get_their_host(void **state)
{
    SCOPED(json_t) workers = json_pack(
        "[{s:s, s:{s:i, s:i, s:i, s:i, s:f}}, {s:s, s:{s:i}}]", "host", "one", "counters",
        "tracepool_traces_total{status=\"completed\"}", 7, "tracepool_traces_running", 3,
        "tracepool_trace_seconds_bucket{le=\"0.5\"}", 5, "tracepool_trace_seconds_count", 7,
        "tracepool_trace_seconds_sum", 2.5, "host", "two", "counters", "tracepool_traces_running", 4);
    SCOPED_VALUE(buf) text;

    (void)state;
    buf_init(&text, 100000);
    metrics_put_workers(workers, &text);
    expect_line(&text, "tracepool_traces_total{host=\"one\",status=\"completed\"} 7");
    expect_line(&text, "tracepool_traces_running{host=\"one\"} 3");
    expect_line(&text, "tracepool_traces_running{host=\"two\"} 4");
    expect_line(&text, "# TYPE tracepool_trace_seconds histogram");
    expect_line(&text, "tracepool_trace_seconds_bucket{host=\"one\",le=\"0.5\"} 5");
    expect_line(&text, "tracepool_trace_seconds_bucket{host=\"one\",le=\"+Inf\"} 7");
    expect_line(&text, "tracepool_trace_seconds_count{host=\"one\"} 7");
    expect_line(&text, "tracepool_trace_seconds_sum{host=\"one\"} 2.5");
    assert_null(strstr(buf_cstr(&text), "tracepool_database_errors_total"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_has_the_seeds_fields_in_order),
        cmocka_unit_test(test_status_of_no_object_is_an_error),
        cmocka_unit_test(test_queries_become_arguments),
        cmocka_unit_test(test_long_arguments_are_refused),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_listening_to_others_needs_a_token),
        cmocka_unit_test(test_batches_are_judged),
        cmocka_unit_test(test_status_becomes_gauges),
        cmocka_unit_test(test_countries_cannot_break_out_of_their_label),
        cmocka_unit_test(test_workers_counters_get_their_host),
    };

    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
