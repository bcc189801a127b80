/*
 * test_alerts.c - the table of alert rules, and what is made of it: warnings, gauges, Prometheus rules,
 * messages.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "monitor/alerts.h"
#include "monitor/notice.h"
#include "monitor/rules.h"

#include <ctype.h>
#include <string.h>

/* The defaults, as an installation without settings has them. */
static struct conf *defaults(void)
{
    static struct conf conf;
    struct conf_cli cli = {0};
    struct err err;
    char program[] = "test", *argv[] = {program, NULL};
    int argc = 1;

    assert_true(conf_load(&argc, argv, &conf, &cli, &err));
    return &conf;
}

/* ---- the table ---- */

static void test_every_rule_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < ALERT_COUNT; i++) {
        const struct alert_rule *rule = &alert_rules[i];

        assert_true(strlen(rule->what) > 5 && isupper((unsigned char)*rule->what));
        assert_true(strlen(rule->advice) > 20 && isupper((unsigned char)*rule->advice));
        assert_true(rule->for_s >= 0 && rule->scale > 0);
        if (*rule->gauge)
            assert_non_null(strstr(rule->expression, rule->gauge));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rule->name, alert_rules[j].name);
    }
}

/* The original's five, with its thresholds and durations. */
static void test_the_seeds_thresholds(void **state)
{
    const struct {
        enum alert alert;
        enum alert_side fires;
        int64_t threshold;
        int for_s;
    } seeds[] = {
        {ALERT_pool_utilization, ALERT_ABOVE, 80, 300}, {ALERT_queue_depth, ALERT_ABOVE, 20, 0},
        {ALERT_success_rate, ALERT_BELOW, 90, 0},       {ALERT_unhealthy_ips, ALERT_ABOVE, 10, 0},
        {ALERT_trace_time, ALERT_ABOVE, 10, 0},
    };
    struct conf *conf = defaults();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(seeds); i++) {
        assert_int_equal(alert_threshold(conf, seeds[i].alert), seeds[i].threshold);
        assert_int_equal(alert_rules[seeds[i].alert].fires, seeds[i].fires);
        assert_int_equal(alert_rules[seeds[i].alert].for_s, seeds[i].for_s);
    }
    conf_finish(conf);
}

static json_t *find_rule(json_t *rules, const char *name)
{
    size_t i;
    json_t *rule;

    json_array_foreach(rules, i,
                       rule) if (str_equal(json_get_str(rule, "name", STR("")), str_from(name))) return rule;
    fail_msg("no rule %s", name);
    return NULL;
}

static void test_rules_as_json_follow_the_settings(void **state)
{
    struct conf *conf = defaults();
    struct err err;
    SCOPED_VALUE(buf) text;

    (void)state;
    buf_init(&text, 100000);
    conf->alerts_queue_depth = 7;
    alerts_write_rules(conf, &text);
    SCOPED(json_t) rules = json_parse(buf_str(&text), &err);
    assert_int_equal(json_array_size(rules), ALERT_COUNT);
    assert_int_equal(json_get_int(find_rule(rules, "queue_depth"), "threshold", -1), 7);
    assert_true(json_get_bool(find_rule(rules, "queue_depth"), "is_ceiling", false));
    assert_false(json_get_bool(find_rule(rules, "workers"), "is_ceiling", true));
    assert_true(json_get_bool(find_rule(rules, "queue_depth"), "is_posted", false));
    assert_false(json_get_bool(find_rule(rules, "pool_idle"), "is_posted", true));
    conf_finish(conf);
}

/* ---- warnings and gauges ---- */

static json_t *level(const char *rule, const char *subject, double value, bool is_beyond, const char *message)
{
    return json_pack("{s:s, s:s, s:f, s:b, s:s}", "rule", rule, "subject", subject, "value", value,
                     "is_beyond", is_beyond, "message", message);
}

static void test_warnings_are_those_beyond_and_no_information(void **state)
{
    SCOPED(json_t) levels =
        json_pack("[o, o, o, o, o]", level("queue_depth", "", 21, true, "Queue depth is 21"),
                  level("no_free_ip", "us", 2, true, "us"), level("no_free_ip", "ca", 1, true, "ca"),
                  level("trace_time", "", 3, false, "fast"), level("pool_idle", "", 5, true, "idle"));
    SCOPED(json_t) warnings = json_array();
    SCOPED(json_t) none = json_array();
    SCOPED_VALUE(buf) advice;

    (void)state;
    buf_init(&advice, 4000);
    alerts_describe(levels, warnings, &advice);
    assert_int_equal(json_array_size(warnings), 3);
    assert_string_equal(json_string_value(json_array_get(warnings, 0)), "Queue depth is 21");
    assert_str(buf_str(&advice), "Add worker children or slots, or run batches more often; "
                                 "Add IPs of that country, or bring back the unhealthy ones");
    buf_clear(&advice);
    alerts_describe(none, warnings, &advice);
    assert_str(buf_str(&advice), "System operating normally");
}

static void test_gauges_are_in_base_units(void **state)
{
    SCOPED(json_t) levels =
        json_pack("[o, o, o, o]", level("credentials_age", "lu\"na\\", 2, false, ""),
                  level("beacon_failures", "", 25, true, ""), level("certificate_errors", "a", 2, true, ""),
                  level("certificate_errors", "b", 3, true, ""));
    SCOPED_VALUE(buf) text;

    (void)state;
    buf_init(&text, 100000);
    alerts_put_gauges(levels, &text);
    assert_non_null(
        strstr(buf_cstr(&text), "\ntracepool_credentials_age_seconds{provider=\"lu\\\"na\\\\\"} 172800\n"));
    assert_non_null(strstr(buf_cstr(&text), "\ntracepool_tracking_failed_ratio 0.25\n"));
    assert_non_null(strstr(buf_cstr(&text), "\ntracepool_certificate_errors 5\n"));
    assert_null(strstr(buf_cstr(&text), "\ntracepool_workers "));
}

/* ---- Prometheus rules ---- */

static void test_rules_file_names_every_rule(void **state)
{
    struct conf *conf = defaults();
    SCOPED_VALUE(buf) text;

    (void)state;
    buf_init(&text, 100000);
    rules_write(conf, &text);
    for (int i = 0; i < ALERT_COUNT; i++)
        assert_non_null(strstr(buf_cstr(&text), alert_rules[i].name));
    assert_non_null(strstr(buf_cstr(&text), "      - alert: TracepoolPoolUtilization\n"
                                            "        expr: \"100 * tracepool_pool_utilization_ratio > 80\"\n"
                                            "        for: 300s\n"));
    assert_non_null(strstr(buf_cstr(&text), "expr: \"tracepool_requests{status=\\\"pending\\\"} > 20\"\n"));
    conf_finish(conf);
}

/* ---- messages ---- */

static json_t *notice(const char *state)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", "delivery-1", "incident",
                     "incident-1", "state", state, "rule", "queue_depth", "subject", "", "severity",
                     "warning", "message", "Queue <b>depth</b> is 21 & more", "advice", "Add workers",
                     "fired_at", "2026-01-02T10:11:12+00:00");
}

static json_t *written(const struct conf *conf, const char *state)
{
    SCOPED(json_t) from = notice(state);
    SCOPED_VALUE(buf) body;
    struct err err;

    buf_init(&body, 10000);
    notice_write(conf, from, &body);
    json_t *object = json_parse(buf_str(&body), &err);
    assert_non_null(object);
    return object;
}

static void test_json_messages(void **state)
{
    struct conf conf = {.alerts_webhook_format = (char *)"json", .alerts_webhook_secret = (char *)"Jefe"};
    SCOPED(json_t) body = written(&conf, "firing");
    SCOPED_VALUE(buf) header;

    (void)state;
    buf_init(&header, 200);
    assert_str(json_get_str(body, "id", STR("")), "delivery-1");
    assert_str(json_get_str(body, "source", STR("")), "tracepool");
    assert_str(json_get_str(body, "message", STR("")), "Queue <b>depth</b> is 21 & more");
    notice_sign(&conf, STR("what do ya want for nothing?"), &header);
    assert_str(
        buf_str(&header),
        "X-Tracepool-Signature: sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    buf_clear(&header);
    conf.alerts_webhook_secret = (char *)"";
    notice_sign(&conf, STR("x"), &header);
    assert_int_equal(header.len, 0);
}

static void test_pagerduty_messages(void **state)
{
    struct conf conf = {.alerts_webhook_format = (char *)"pagerduty", .alerts_webhook_secret = (char *)"key"};
    static const char *const actions[][2] = {
        {"firing", "trigger"}, {"acknowledged", "acknowledge"}, {"resolved", "resolve"}};
    SCOPED_VALUE(buf) header;

    (void)state;
    buf_init(&header, 200);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        SCOPED(json_t) body = written(&conf, actions[i][0]);

        assert_str(json_get_str(body, "routing_key", STR("")), "key");
        assert_str(json_get_str(body, "event_action", STR("")), actions[i][1]);
        assert_str(json_get_str(body, "dedup_key", STR("")), "incident-1");
        assert_int_equal(json_object_get(body, "payload") != NULL, i == 0);
    }
    SCOPED(json_t) body = written(&conf, "firing");
    const json_t *payload = json_object_get(body, "payload");
    assert_str(json_get_str(payload, "summary", STR("")), "Queue <b>depth</b> is 21 & more");
    assert_str(json_get_str(payload, "source", STR("")), "tracepool");
    assert_str(json_get_str(payload, "severity", STR("")), "warning");
    notice_sign(&conf, STR("x"), &header);
    assert_int_equal(header.len, 0);
}

static void test_slack_messages(void **state)
{
    struct conf conf = {.alerts_webhook_format = (char *)"slack", .alerts_webhook_secret = (char *)""};
    SCOPED(json_t) firing = written(&conf, "firing");
    SCOPED(json_t) resolved = written(&conf, "resolved");

    (void)state;
    assert_str(json_get_str(firing, "text", STR("")),
               "*firing* (warning): Queue &lt;b&gt;depth&lt;/b&gt; is 21 &amp; more\nAdd workers");
    assert_str(json_get_str(resolved, "text", STR("")),
               "*resolved* (warning): Queue &lt;b&gt;depth&lt;/b&gt; is 21 &amp; more");
}

/* ---- addresses ---- */

static const struct {
    const char *urls, *format, *secret;
    int count; /* -1: refused */
} url_cases[] = {
    {"", "json", "", 0},
    {"  ", "json", "", 0},
    {"https://a.test/x", "json", "", 1},
    {" https://a.test/x   http://b.test/\n", "json", "", 2},
    {"HTTPS://a.test/x", "slack", "", 1},
    {"ftp://a.test/secret-path", "json", "", -1},
    {"https://a.test/ hooks.test/secret-path", "json", "", -1},
    {"https://a.test/", "pagerduty", "key", 1},
    {"https://a.test/", "pagerduty", "", -1},
    {"http://a http://a http://a http://a http://a http://a http://a http://a http://a", "json", "", -1},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(url_cases); i++) {
        const struct conf conf = {.alerts_webhook_url = (char *)url_cases[i].urls,
                                  .alerts_webhook_format = (char *)url_cases[i].format,
                                  .alerts_webhook_secret = (char *)url_cases[i].secret};
        struct err err = {.code = ERR_OK};
        int n = -1;
        bool ok = notice_check_settings(&conf, &n, &err);

        assert_int_equal(ok, url_cases[i].count >= 0);
        assert_int_equal(n, url_cases[i].count);
        assert_null(strstr(err.detail, "secret-path"));
        if (!ok)
            assert_non_null(strstr(err.detail, "alerts.webhook"));
    }
}

static void test_addresses_by_number(void **state)
{
    const struct conf conf = {.alerts_webhook_url = (char *)" https://a.test/x   http://b.test/\n"};
    SCOPED_VALUE(buf) url;

    (void)state;
    buf_init(&url, 100);
    notice_put_url(&conf, 2, &url);
    assert_str(buf_str(&url), "http://b.test/");
    buf_clear(&url);
    notice_put_url(&conf, 3, &url);
    assert_str(buf_str(&url), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rule_is_whole),
        cmocka_unit_test(test_the_seeds_thresholds),
        cmocka_unit_test(test_rules_as_json_follow_the_settings),
        cmocka_unit_test(test_warnings_are_those_beyond_and_no_information),
        cmocka_unit_test(test_gauges_are_in_base_units),
        cmocka_unit_test(test_rules_file_names_every_rule),
        cmocka_unit_test(test_json_messages),
        cmocka_unit_test(test_pagerduty_messages),
        cmocka_unit_test(test_slack_messages),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_addresses_by_number),
    };

    return cmocka_run_group_tests_name("alerts", tests, NULL, NULL);
}
