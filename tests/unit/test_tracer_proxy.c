/*
 * test_tracer_proxy.c - a proxy as text, and what a trace remembers of hosts that want https.
 */
#include "tests/unit/test.h"

#include "common/scope.h"
#include "worker/chain/head.h"
#include "worker/tracer/hsts.h"
#include "worker/tracer/internal.h"

#include <string.h>

enum { ARENA = 1 << 16 };

/* clang-format off */
static const struct {
    const char *text, *scheme, *host;
    int port;
    const char *user, *password, *url;
} good[] = {
    {"http://ann:pw@203.0.113.9:7000", "http", "203.0.113.9", 7000, "ann", "pw", "http://203.0.113.9:7000"},
    {" https://gate.example:443/\n", "https", "gate.example", 443, "", "", "https://gate.example:443"},
    {"socks5h://ann@[2001:db8::1]:1080", "socks5h", "2001:db8::1", 1080, "ann", "", "socks5h://[2001:db8::1]:1080"},
    {"203.0.113.9:8080", "http", "203.0.113.9", 8080, "", "", "http://203.0.113.9:8080"},
    {"ann:pw@h:1", "http", "h", 1, "ann", "pw", "http://h:1"},
    {"http://user-us%2D1:p%40%3a%2F@h:65535", "http", "h", 65535, "user-us-1", "p@:/", "http://h:65535"},
    {"http://ann:p@ss:w@h:1", "http", "h", 1, "ann", "p@ss:w", "http://h:1"},
};

static const struct {
    const char *text, *says;
} bad[] = {
    {"", "host"},
    {"ftp://ann:hidden@h:1", "scheme must be http, https or socks5h"},
    {"HTTP://ann:hidden@h:1", "scheme must be"},
    {"://ann:hidden@h:1", "scheme must be"},
    {"http://ann:hidden@:1", "host must be"},
    {"http://ann:hidden@h", "port from 1 to 65535"},
    {"http://ann:hidden@h:0", "port from 1 to 65535"},
    {"http://ann:hidden@h:65536", "port from 1 to 65535"},
    {"http://ann:hidden@h:1x", "port from 1 to 65535"},
    {"http://ann:hidden@h:1/path", "port from 1 to 65535"},
    {"http://ann:hidden@2001:db8::1:1", "host must be"},
    {"http://ann:hidden@h%2e:1", "host must be"},
    {"http://ann:hidden%00@h:1", "control characters"},
    {"http://ann%0d%0aX:hidden@h:1", "control characters"},
};
/* clang-format on */

static void a_proxy_is_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        SCOPED_VALUE(arena) a;
        struct trace_proxy p;
        struct err err;

        arena_init(&a, ARENA);
        if (!tracer_proxy_parse(&a, str_from(good[i].text), &p, &err))
            fail_msg("%s: %s", good[i].text, err.detail);
        assert_str(p.scheme, good[i].scheme);
        assert_str(p.host, good[i].host);
        assert_int_equal(p.port, good[i].port);
        assert_str(p.user, good[i].user);
        assert_str(p.password, good[i].password);
        assert_string_equal(tracer_proxy_url(&a, &p), good[i].url);
    }
}

static void what_is_wrong_is_said_without_the_credentials(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        SCOPED_VALUE(arena) a;
        struct trace_proxy p = {.port = 77};
        struct err err = {0};

        arena_init(&a, ARENA);
        if (tracer_proxy_parse(&a, str_from(bad[i].text), &p, &err))
            fail_msg("%s: accepted", bad[i].text);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_int_equal(p.port, 77);
        if (!strstr(err.detail, bad[i].says) || strstr(err.detail, "hidden") || strstr(err.detail, "ann"))
            fail_msg("%s: %s", bad[i].text, err.detail);
    }
}

static void only_a_literal_address_is_known_beforehand(void **state)
{
    struct trace_proxy v4 = {.scheme = STR("http"), .host = STR("127.0.0.2"), .port = 8888};
    struct trace_proxy v6 = {.scheme = STR("http"), .host = STR("::1"), .port = 8888};
    struct trace_proxy name = {.scheme = STR("http"), .host = STR("localhost"), .port = 8888};
    struct sockaddr_storage address;

    (void)state;
    assert_true(tracer_proxy_address(&v4, &address));
    assert_int_equal(ntohs(((struct sockaddr_in *)&address)->sin_port), 8888);
    assert_true(tracer_proxy_address(&v6, &address));
    assert_int_equal(address.ss_family, AF_INET6);
    assert_false(tracer_proxy_address(&name, &address));
}

static struct url parse(struct arena *a, const char *text)
{
    struct url url;
    struct err err;

    assert_true(url_parse(a, str_from(text), NULL, &url, &err));
    return url;
}

static bool applies(struct arena *a, const struct hsts *hsts, const char *text)
{
    struct url url = parse(a, text);

    return hsts_applies(hsts, &url);
}

static void a_host_that_asked_for_https_gets_it(void **state)
{
    SCOPED_VALUE(arena) a;
    struct hsts hsts = {0};
    struct url shop, plain, old, up;
    struct err err;

    (void)state;
    arena_init(&a, ARENA);
    shop = parse(&a, "https://shop.test/");
    plain = parse(&a, "http://plain.test/");
    hsts_note(&hsts, &plain, STR("max-age=600"));
    hsts_note(&hsts, &shop, STR("includeSubDomains"));
    assert_false(applies(&a, &hsts, "http://plain.test/"));
    assert_false(applies(&a, &hsts, "http://shop.test/"));

    hsts_note(&hsts, &shop, STR("Max-Age=\"600\""));
    assert_true(applies(&a, &hsts, "http://shop.test:8080/x"));
    assert_false(applies(&a, &hsts, "https://shop.test/"));
    assert_false(applies(&a, &hsts, "http://www.shop.test/"));
    hsts_note(&hsts, &shop, STR("max-age=600 ; includeSubDomains; preload"));
    assert_true(applies(&a, &hsts, "http://www.shop.test/"));
    assert_false(applies(&a, &hsts, "http://notshop.test/"));

    old = parse(&a, "http://shop.test/a?b#c");
    assert_true(hsts_upgrade(&a, &old, &up, &err));
    assert_str(up.href, "https://shop.test/a?b#c");
    hsts_note(&hsts, &shop, STR("max-age=0"));
    assert_false(applies(&a, &hsts, "http://shop.test/"));
}

static void read_lines(struct arena *a, struct head *head, const char *const *lines)
{
    for (; *lines; lines++)
        assert_true(head_line(a, head, str_from(*lines)));
}

static void a_head_keeps_what_matters(void **state)
{
    static const char *const lines[] = {"HTTP/1.1 103 Early Hints\r\n",
                                        "Location: /early\r\n",
                                        "\r\n",
                                        "HTTP/1.1 302 Found\r\n",
                                        "Location:\r\n",
                                        "LOCATION:  /caf\xe9 \r\n",
                                        "Location: /second\r\n",
                                        "Set-Cookie: a=secret; Path=/\r\n",
                                        "set-cookie: b\r\n",
                                        "X-Unknown: 1\r\n",
                                        "Server: shop\r\n",
                                        "content-length: 12\r\n",
                                        "\r\n",
                                        "Location: /trailer\r\n",
                                        NULL};
    SCOPED_VALUE(arena) a;
    struct head head = {0};

    (void)state;
    arena_init(&a, ARENA);
    read_lines(&a, &head, lines);
    assert_true(head.is_complete && head_is_redirect(&head));
    assert_int_equal(head.status, 302);
    assert_int_equal(head_via(&head), VIA_HTTP_302);
    assert_str(head.location, "/caf%E9");
    assert_int_equal(head.content_length, 12);
    assert_int_equal(head.ncookie_names, 2);
    assert_str(head.cookie_names[0], "a");
    assert_str(head.cookie_names[1], "b");
    assert_str(head.headers[head.nheaders - 2].name, "Server");
}

static void what_may_be_a_page(void **state)
{
    static const struct {
        const char *line;
        bool is_page;
    } heads[] = {
        {"Content-Type: text/html", true},
        {"Content-Type: TEXT/HTML;charset=x", true},
        {"Content-Type: application/xhtml+xml", true},
        {"X-Nothing: said", true},
        {"Content-Type: text/plain", false},
        {"Content-Type: application/json", false},
        {"Content-Disposition: attachment", false},
    };
    SCOPED_VALUE(arena) a;

    (void)state;
    arena_init(&a, ARENA);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct head head = {0};

        assert_true(head_line(&a, &head, STR("HTTP/2 200")));
        assert_true(head_line(&a, &head, str_from(heads[i].line)));
        assert_int_equal(head_may_be_page(&head), heads[i].is_page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proxy_is_taken_apart),
        cmocka_unit_test(what_is_wrong_is_said_without_the_credentials),
        cmocka_unit_test(only_a_literal_address_is_known_beforehand),
        cmocka_unit_test(a_host_that_asked_for_https_gets_it),
        cmocka_unit_test(a_head_keeps_what_matters),
        cmocka_unit_test(what_may_be_a_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
