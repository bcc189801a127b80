/*
 * test_log.c - a line that a person greps and a program parses, and that tells no secret.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "common/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char captured[8192];

/* Runs emit with standard error going to `captured`, the time stamp cut off for logfmt. */
static void capture(void (*emit)(void))
{
    int saved = dup(STDERR_FILENO), fds[2];
    ssize_t n;

    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    emit();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    n = read(fds[0], captured, sizeof(captured) - 1);
    close(fds[0]);
    captured[n > 0 ? n : 0] = '\0';
}

static void emit_all_types(void)
{
    struct err err;

    err_set(&err, ERR_PROXY_REFUSED, "connect 192.0.2.1:7000: refused");
    log_info("trace.done", kv("trace", "7f3a"), kv("hops", 4), kv("share", 0.5), kv("ok", (bool)true),
             kv("why", STR("a \"quoted\"\nthing")), kv("empty", ""), kv_err(&err),
             kv_url("url", STR("https://user:pw@shop.test/p?gclid=SECRET1&x=SECRET2#f")));
    log_debug("trace.step", kv("never", 1));
}

static void logfmt_is_one_line_of_pairs(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT, "worker.3");
    capture(emit_all_types);
    assert_non_null(strstr(captured,
                           " level=info proc=worker.3 event=trace.done trace=7f3a hops=4 share=0.5 ok=true "
                           "why=\"a \\\"quoted\\\"\\nthing\" empty=\"\" error=proxy_refused "
                           "detail=\"connect 192.0.2.1:7000: refused\" url="));
    assert_memory_equal(captured, "ts=20", 5);
    assert_ptr_equal(strchr(captured, '\n'), captured + strlen(captured) - 1);
    assert_null(strstr(captured, "never"));
}

static void urls_lose_credentials_and_values(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT, "edge");
    capture(emit_all_types);
    assert_null(strstr(captured, "SECRET"));
    assert_null(strstr(captured, "pw@"));
    assert_non_null(strstr(captured, "shop.test/p"));
    assert_non_null(strstr(captured, "gclid"));
}

/* What emit logs in JSON, which is one object. The caller's. */
static json_t *json_line(void (*emit)(void))
{
    struct err err;
    json_t *line;

    log_init(LOG_INFO, LOG_JSON, "worker.3");
    capture(emit);
    log_init(LOG_INFO, LOG_LOGFMT, "test");
    line = json_parse(str_from(captured), &err);
    assert_non_null(line);
    return line;
}

static void json_is_an_object_a_line(void **state)
{
    SCOPED(json_t) line = json_line(emit_all_types);
    (void)state;

    assert_str(json_get_str(line, "event", STR("")), "trace.done");
    assert_int_equal(json_get_int(line, "hops", 0), 4);
    assert_str(json_get_str(line, "why", STR("")), "a \"quoted\"\nthing");
}

static void emit_too_long(void)
{
    static char text[64 * 1024];

    memset(text, 'x', sizeof(text) - 1);
    log_warn("big.value", kv("first", 1), kv("text", text), kv("last", 2));
}

static void an_overlong_value_costs_itself_only(void **state)
{
    (void)state;
    capture(emit_too_long);
    assert_non_null(strstr(captured, "event=big.value first=1"));
    assert_int_equal(captured[strlen(captured) - 1], '\n');
}

static void an_overlong_value_leaves_json_what_it_is(void **state)
{
    SCOPED(json_t) line = json_line(emit_too_long);
    (void)state;

    assert_true(json_get_str(line, "text", STR("")).len > 0);
    assert_int_equal(json_get_int(line, "last", 0), 2);
}

/* As an offer's name in the query of a click: ?offer=%ff%1b[2J */
static void emit_any_bytes(void)
{
    log_info("click.answer",
             kv("offer", "\xff\x1b[2J\xc2\x9b"
                         "2J\xed\xa0\x80"),
             kv("us", 7));
}

static void any_bytes_are_text_in_the_log(void **state)
{
    SCOPED(json_t) line = NULL;
    (void)state;

    capture(emit_any_bytes);
    assert_non_null(strstr(captured, "offer=\"\xef\xbf\xbd\\u001b[2J\\u009b2J"));
    line = json_line(emit_any_bytes);
    assert_int_equal(json_get_int(line, "us", 0), 7);
}

static void a_gate_opens_once_and_counts(void **state)
{
    static struct log_gate gate;
    (void)state;

    assert_true(log_gate_opens(&gate));
    assert_int_equal(gate.held_back, 0);
    for (int i = 0; i < 5; i++)
        assert_false(log_gate_opens(&gate));
    gate.next_ms = 0; /* a minute later */
    assert_true(log_gate_opens(&gate));
    assert_int_equal(gate.held_back, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_is_one_line_of_pairs),
        cmocka_unit_test(urls_lose_credentials_and_values),
        cmocka_unit_test(json_is_an_object_a_line),
        cmocka_unit_test(an_overlong_value_costs_itself_only),
        cmocka_unit_test(an_overlong_value_leaves_json_what_it_is),
        cmocka_unit_test(any_bytes_are_text_in_the_log),
        cmocka_unit_test(a_gate_opens_once_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
