/*
 * test_guard.c - no spelling of a private target gets through, and no public one is held up.
 */
#include "tests/unit/test.h"

#include "common/guard.h"
#include "common/json.h"

#include <arpa/inet.h>
#include <string.h>

enum { ARENA_BYTES = 64 * 1024 };

/* clang-format off */
/* Spellings that some programs take for a private target, and no browser takes for a URL. */
static const char *const NO_URLS[] = {
    "http://[::1", "http://::1/", "http://[127.0.0.1]/", "http://[localhost]/", "http://[::1%25lo]/",
    "http://[::1%lo]/", "http://127.0.0.1.0/", "http://127.0.0.256/", "http://256.127.0.1/", "http://127..1/",
    "http://4294967296/", "http://0x17f000001/", "http://127.0.0.0x100/", "http://127.0.0.08/", "http://127.0.0.1 /",
    "http://127.0.0.1%00/", "http://127.0.0.1%20/", "http://127.0.0.1%00.shop.example/", "http://127.0.0.1%2f/",
    "http://shop.example%40127.0.0.1/", "http://%5b::1%5d/", "http://[[::1]]/", "http://[::1]x:80/",
    "http://[0:0:0:0:0:0:0:0:1]/", "http://[::ffff:0x7f.0.0.1]/", "http://[::ffff:127.1]/", "http://[::ffff:0177.0.0.1]/",
    "http://-127.0.0.1.1/", "http://127.0.0.1:65536/", "http://127.0.0.1:0x50/", "http://⒈27.0.0.1/",
    "http://１２７．０．０．１：80/", "http://127.0.0.1／x/", "http:///", "http://@/", "http://user@:80/",
};

static const char *const PUBLIC_TARGETS[] = {
    "http://shop.example.com/", "https://shop.example.com:8443/x", "http://8.8.8.8/", "http://1.1.1.1/", "http://134744072/",
    "http://9.255.255.255/", "http://11.0.0.0/", "http://100.63.255.255/", "http://100.128.0.0/", "http://126.255.255.255/",
    "http://128.0.0.0/", "http://169.253.255.255/", "http://169.255.0.0/", "http://172.15.255.255/", "http://172.32.0.0/",
    "http://192.0.1.0/", "http://192.0.3.0/", "http://192.167.255.255/", "http://192.169.0.0/", "http://198.17.255.255/",
    "http://198.20.0.0/", "http://203.0.112.255/", "http://203.0.114.0/", "http://223.255.255.255/", "http://1.0.0.0/",
    "http://[2606:4700:4700::1111]/", "http://[2a00:1450:4001::1]/", "http://[2001:4860:4860::8888]/", "http://[2001:200::1]/",
    "http://[::ffff:8.8.8.8]/", "http://[64:ff9b::8.8.8.8]/", "http://[2002:808:808::1]/", "http://[3ffe::1]/",
    "http://[2001:0:808:808::f7f7:f7f7]/", "http://[2001:db7::1]/", "http://[2001:db9::1]/",
    "http://user:pass@shop.example.com/", "http://bücher.example.com/", "http://shop.example.com./",
    "http://localhost.example.com/", "http://notlocalhost.com/", "http://xlocal.com/", "http://mylan.net/", "http://127.0.0.1.shop.com/",
    "http://internal.example.com/", "http://home.example.com/", "http://corp.com/", "http://a-corp.com/", "http://1e100.net/",
};
/* clang-format on */

static void assert_refused(const char *text)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url u;
    struct err err = {.code = ERR_OK};

    if (!url_parse(&a, str_from(text), NULL, &u, &err))
        fail_msg("%s should be a URL: %s", text, err.detail);
    if (guard_allows_url(&u, &err))
        fail_msg("%s was let through as %.*s", text, STR_ARG(u.href));
    assert_int_equal(err.code, ERR_BLOCKED_ADDRESS);
    assert_true(strlen(err.detail) > 10);
}

/* The table is tests/lib/private_targets.json: test_guard_traps.py traces the same ones. */
static void no_private_target_gets_through(void **state)
{
    SCOPED(json_t) groups = json_load_file(PRIVATE_TARGETS, 0, NULL);
    const char *kind;
    json_t *urls, *url;
    size_t i, n = 0;
    (void)state;

    assert_non_null(groups);
    json_object_foreach(groups, kind, urls)
    {
        json_array_foreach(urls, i, url)
        {
            assert_refused(json_string_value(url));
            n++;
        }
    }
    assert_true(n >= 200);
}

static void broken_spellings_are_no_urls(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(NO_URLS); i++) {
        SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
        struct url u;
        struct err err;

        if (url_parse(&a, str_from(NO_URLS[i]), NULL, &u, &err))
            fail_msg("%s was read as %.*s", NO_URLS[i], STR_ARG(u.href));
    }
}

static void public_targets_are_allowed(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(PUBLIC_TARGETS); i++) {
        SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
        struct url u;
        struct err err;

        if (!url_parse(&a, str_from(PUBLIC_TARGETS[i]), NULL, &u, &err) || !guard_allows_url(&u, &err))
            fail_msg("%s: %s", PUBLIC_TARGETS[i], err.detail);
    }
}

/* An IPv4 or IPv6 address as a socket address. */
static struct sockaddr_storage address(const char *text, int port)
{
    struct sockaddr_storage ss = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&ss;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;

    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
    }
    return ss;
}

static void resolved_addresses_are_judged_with_a_reason(void **state)
{
    /* clang-format off */
    static const struct { const char *ip, *why; } cases[] = {
        {"8.8.8.8", NULL}, {"2606:4700:4700::1111", NULL}, {"::ffff:8.8.8.8", NULL}, {"64:ff9b::808:808", NULL},
        {"0.0.0.0", "this network"}, {"10.20.30.40", "RFC 1918"}, {"100.64.0.1", "RFC 6598"},
        {"127.0.0.53", "loopback"}, {"169.254.169.254", "link-local"}, {"172.20.0.1", "RFC 1918"},
        {"192.0.0.8", "protocols"}, {"192.0.2.7", "documentation"}, {"192.168.1.1", "RFC 1918"},
        {"198.18.7.7", "benchmarking"}, {"224.0.0.251", "multicast"}, {"240.0.0.1", "reserved"},
        {"255.255.255.255", "broadcast"}, {"::", "unspecified"}, {"::1", "loopback"}, {"fe80::1", "link-local"},
        {"fd00::1", "unique local"}, {"fec0::1", "site-local"}, {"ff02::fb", "multicast"}, {"100::1", "discard"},
        {"2001:db8::1", "documentation"}, {"3fff::1", "documentation"}, {"4000::1", "not global"},
        {"::ffff:127.0.0.1", "IPv4-mapped (RFC 4291): 127.0.0.1 is loopback"},
        {"::10.0.0.1", "IPv4-compatible (RFC 4291): 10.0.0.1 is a private network"},
        {"64:ff9b::a9fe:a9fe", "NAT64 (RFC 6052): 169.254.169.254 is link-local"},
        {"2002:c0a8:101::1", "6to4 (RFC 3056): 192.168.1.1 is a private network"},
        {"2001:0:808:808::80ff:fffe", "Teredo (RFC 4380): 127.0.0.1 is loopback"},
        {"2001:0:a00:1::f7f7:f7f7", "Teredo (RFC 4380): 10.0.0.1 is a private network"},
    };
    /* clang-format on */
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sockaddr_storage ss = address(cases[i].ip, 80);
        struct err err = {.detail = "allowed"};
        bool ok = guard_allows_sockaddr((const struct sockaddr *)&ss, &err);

        if (ok != !cases[i].why || (cases[i].why && !strstr(err.detail, cases[i].why)))
            fail_msg("%s: %s", cases[i].ip, err.detail);
        if (!ok)
            assert_true(str_starts(str_from(err.detail), str_from(cases[i].ip)));
    }
}

static void unknown_families_are_refused(void **state)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNIX};
    struct err err;
    (void)state;

    assert_false(guard_allows_sockaddr((const struct sockaddr *)&ss, &err));
    assert_int_equal(err.code, ERR_BLOCKED_ADDRESS);
}

static bool allows(const struct guard_policy *policy, const char *ip, int port)
{
    struct sockaddr_storage ss = address(ip, port);
    struct err err;

    return guard_allows_connect((const struct sockaddr *)&ss, policy, &err);
}

static void exactly_the_proxy_is_exempt(void **state)
{
    struct guard_policy v4 = {.has_proxy = true, .proxy = address("10.0.0.5", 3128)};
    struct guard_policy v6 = {.has_proxy = true, .proxy = address("fd00::5", 3128)};
    struct guard_policy none = {.has_proxy = false, .proxy = address("10.0.0.5", 3128)};
    (void)state;

    assert_true(allows(&v4, "10.0.0.5", 3128));
    assert_true(allows(&v4, "8.8.8.8", 80));
    assert_false(allows(&v4, "10.0.0.5", 80));
    assert_false(allows(&v4, "10.0.0.6", 3128));
    assert_false(allows(&v4, "::ffff:10.0.0.5", 3128));
    assert_true(allows(&v6, "fd00::5", 3128));
    assert_false(allows(&v6, "fd00::5", 3129));
    assert_false(allows(&v6, "fd00::6", 3128));
    assert_false(allows(&none, "10.0.0.5", 3128));
}

static void private_networks_open_and_nothing_else(void **state)
{
    static const char *const OPEN[] = {"127.0.0.1",  "10.1.2.3",         "172.16.0.1",  "192.168.0.1",
                                       "100.64.0.1", "192.0.2.1",        "198.18.0.1",  "::1",
                                       "fd00::1",    "::ffff:127.0.0.1", "2001:db8::1", "8.8.8.8"};
    static const char *const CLOSED[] = {"169.254.169.254", "0.0.0.0",   "224.0.0.1",
                                         "255.255.255.255", "240.0.0.1", "::",
                                         "fe80::1",         "ff02::1",   "::ffff:169.254.169.254"};
    struct guard_policy policy = {.allow_private = true};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(OPEN); i++)
        assert_true(allows(&policy, OPEN[i], 80));
    for (size_t i = 0; i < ARRAY_LEN(CLOSED); i++)
        assert_false(allows(&policy, CLOSED[i], 80));
}

static void a_hop_follows_the_policy(void **state)
{
    struct guard_policy strict = {.has_proxy = true, .proxy = address("127.0.0.1", 80)};
    struct guard_policy open = {.allow_private = true};
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url name, literal, metadata, ftp;
    struct err err;
    (void)state;

    assert_true(url_parse(&a, STR("http://localhost:8080/"), NULL, &name, &err));
    assert_true(url_parse(&a, STR("http://127.1/"), NULL, &literal, &err));
    assert_true(url_parse(&a, STR("http://169.254.169.254/"), NULL, &metadata, &err));
    assert_true(url_parse(&a, STR("ftp://127.1/"), NULL, &ftp, &err));
    assert_true(guard_allows_hop(&name, &open, &err));
    assert_true(guard_allows_hop(&literal, &open, &err));
    assert_false(guard_allows_hop(&metadata, &open, &err));
    assert_false(guard_allows_hop(&ftp, &open, &err));
    assert_false(guard_allows_hop(&name, &strict, &err));
    assert_false(
        guard_allows_hop(&literal, &strict, &err)); /* the proxy is for connecting, not for tracing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_private_target_gets_through),
        cmocka_unit_test(broken_spellings_are_no_urls),
        cmocka_unit_test(public_targets_are_allowed),
        cmocka_unit_test(resolved_addresses_are_judged_with_a_reason),
        cmocka_unit_test(unknown_families_are_refused),
        cmocka_unit_test(exactly_the_proxy_is_exempt),
        cmocka_unit_test(private_networks_open_and_nothing_else),
        cmocka_unit_test(a_hop_follows_the_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
