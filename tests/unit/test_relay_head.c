/*
 * test_relay_head.c - what Chromium says to its proxy, read strictly and written anew without our secrets.
 */
#include "tests/unit/test.h"

#include "worker/browser/relay_head.h"

#include <string.h>

enum { MAX = 4096 };

static enum relay_parse parse(const char *text, struct relay_head *head)
{
    return relay_head_parse(str_from(text), MAX, head);
}

static void heads_are_taken_apart(void **state)
{
    struct relay_head head;
    (void)state;

    assert_int_equal(
        parse("CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\nProxy-Authorization: basic "
              "dTpw\r\n\r\nrest",
              &head),
        RELAY_HEAD);
    assert_true(head.is_connect);
    assert_str(head.target, "shop.test:443");
    assert_str(head.authorization, "dTpw");
    assert_int_equal(head.size, 88);

    assert_int_equal(parse("POST http://shop.test/a?b HTTP/1.1\r\nContent-Length: 12\r\n\r\n", &head),
                     RELAY_HEAD);
    assert_false(head.is_connect);
    assert_int_equal(head.body_length, 12);
    assert_null(head.authorization.ptr);
    assert_int_equal(parse("GET http://shop.test/ HTTP/1.1\r\n\r\n", &head), RELAY_HEAD);
    assert_int_equal(head.headers.len, 0);
}

static void an_unfinished_head_waits(void **state)
{
    struct relay_head head;
    char text[MAX + 2];
    (void)state;

    assert_int_equal(parse("", &head), RELAY_MORE);
    assert_int_equal(parse("GET http://shop.test/ HTTP/1.1\r\nHost: x\r\n", &head), RELAY_MORE);
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(parse(text, &head), RELAY_BAD);
}

static void what_no_browser_sends_is_refused(void **state)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET https://shop.test/ HTTP/1.1\r\n\r\n",
        "GET ftp://shop.test/ HTTP/1.1\r\n\r\n",
        "GET http://shop.test/ HTTP/1.0\r\n\r\n",
        "GET http://shop.test/ HTTP/1.1 x\r\n\r\n",
        "GET  http://shop.test/ HTTP/1.1\r\n\r\n",
        "GET http://shop.test/\r\n\r\n",
        " http://shop.test/ HTTP/1.1\r\n\r\n",
        "\r\n\r\n",
        "GET http://shop.test/ HTTP/1.1\r\nfolded: a\r\n b\r\n\r\n",
        "GET http://shop.test/ HTTP/1.1\r\nno colon\r\n\r\n",
        "GET http://shop.test/ HTTP/1.1\r\nspace : x\r\n\r\n",
        "GET http://shop.test/ HTTP/1.1\r\nbare: a\nb\r\n\r\n",
        "GET http://shop.test/ HTTP/1.1\nHost: x\r\n\r\n",
        "POST http://shop.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://shop.test/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST http://shop.test/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    };
    struct relay_head head;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (parse(cases[i], &head) != RELAY_BAD)
            fail_msg("accepted: %s", cases[i]);
}

static void credentials_are_decoded(void **state)
{
    static const struct {
        const char *text, *pair;
    } cases[] = {
        {"dTpw", "u:p"},    {"dXNlcjpwYXNzd29yZA==", "user:password"},
        {"Og==", ":"},      {"YTpi", "a:b"},
        {"YTpiYg", "a:bb"}, {"dQ==", NULL},
        {"d!pw", NULL},     {"", NULL},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {.max = 100};
        bool ok = relay_head_credentials(str_from(cases[i].text), &out);

        assert_int_equal(ok, cases[i].pair != NULL);
        if (ok)
            assert_str(buf_str(&out), cases[i].pair);
        buf_finish(&out);
    }
}

static void the_next_one_sees_its_own_credentials_only(void **state)
{
    struct relay_head head;
    struct buf out = {.max = 1000};
    (void)state;

    assert_int_equal(
        parse("GET http://shop.test/a HTTP/1.1\r\nHost: shop.test\r\nProxy-Connection: keep-alive\r\n"
              "Proxy-Authorization: Basic c2VjcmV0\r\nAccept: */*\r\n\r\n",
              &head),
        RELAY_HEAD);
    assert_true(relay_head_write(&head, STR("/a"), STR("user"), STR("password"), &out));
    assert_str(buf_str(&out), "GET /a HTTP/1.1\r\nHost: shop.test\r\nAccept: */*\r\nConnection: close\r\n"
                              "Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n\r\n");
    buf_clear(&out);
    assert_true(relay_head_write(&head, STR("/a"), STR(""), STR(""), &out));
    assert_null(strstr(buf_cstr(&out), "Authorization"));
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_taken_apart),
        cmocka_unit_test(an_unfinished_head_waits),
        cmocka_unit_test(what_no_browser_sends_is_refused),
        cmocka_unit_test(credentials_are_decoded),
        cmocka_unit_test(the_next_one_sees_its_own_credentials_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
