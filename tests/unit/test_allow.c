/*
 * Which URLs tracking requests may go to, and how hosts are paced.
 */
#include "tests/unit/test.h"

#include "worker/vast/allow.h"
#include "worker/vast/hosts.h"

#include <stdio.h>

/* clang-format off */
static const struct {
    const char *url;
    bool is_allowed;
} cases[] = {
    {"http://ads.example/x?y=1",              true},
    {"https://ads.example:8443/",             true},
    {"HTTP://ADS.Example/",                   true},
    {"http://ads.example./",                  true},
    {"http://user:pw@ads.example/",           true},
    {"http://ads.example\\@evil.test/",       true},  /* a browser reads the host before the backslash */
    {"http://xn--bcher-kva.example/",         true},
    {"http://b\xc3\xbc" "cher.example/",      true},
    {"http://B\xc3\x9c" "CHER.example./",     true},
    {"http://a.below.example/",               true},
    {"http://a.b.BELOW.example./",            true},
    {"http://192.0.2.7/",                     true},
    {"http://3221225991/",                    true},  /* the same address in decimal */
    {"http://0xc0.0.2.7/",                    true},
    {"http://below.example/",                 false}, /* a suffix means the names below it */
    {"http://xbelow.example/",                false},
    {"http://below.example.evil.test/",       false},
    {"http://evil.test/?u=ads.example",       false},
    {"http://evil.test/#ads.example",         false},
    {"http://ads.example@evil.test/",         false},
    {"http://ads.example.evil.test/",         false},
    {"http://sub.ads.example/",               false},
    {"http://ads.example../",                 false},
    {"http://1.192.0.2/",                     false}, /* below .0.2 by its letters */
    {"http://[::ffff:192.0.2.7]/",            false},
    {"http://[::1]/",                         false},
    {"ftp://ads.example/",                    false},
    {"javascript:fetch('http://ads.example')", false},
    {"data:,ads.example",                     false},
    {"file://ads.example/",                   false},
    {"ws://ads.example/",                     false},
};
/* clang-format on */

static const struct str entries[] = {
    {"ads.example", 11},
    {".below.example", 14},
    {"xn--bcher-kva.example", 21},
    {"192.0.2.7", 9},
    {".0.2", 4},
    {".", 1},
    {"", 0},
};

static void where_a_browser_would_connect(void **state)
{
    const struct allow_list list = {entries, ARRAY_LEN(entries)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED_VALUE(arena) arena = {.ceiling = 1 << 20};
        struct err err = {.code = ERR_OK};
        struct url url;

        assert_true(url_parse(&arena, str_from(cases[i].url), NULL, &url, &err));
        if (allow_url(&list, &url, &err) != cases[i].is_allowed)
            fail_msg("%s", cases[i].url);
        assert_int_equal(err.code, cases[i].is_allowed ? ERR_OK : ERR_BLOCKED_ADDRESS);
    }
}

static void an_empty_list_allows_nothing(void **state)
{
    const struct allow_list none = {NULL, 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED_VALUE(arena) arena = {.ceiling = 1 << 20};
        struct err err;
        struct url url;

        assert_true(url_parse(&arena, str_from(cases[i].url), NULL, &url, &err));
        assert_false(allow_url(&none, &url, &err));
    }
}

static void a_host_has_so_many_at_once(void **state)
{
    struct hosts h = {.limits = {.concurrency = 2, .rate = 100, .breaker_failures = 9, .breaker_ms = 1000}};

    (void)state;
    assert_int_equal(hosts_take(&h, STR("a"), 0), 0);
    assert_int_equal(hosts_take(&h, STR("a"), 0), 0);
    assert_int_equal(hosts_take(&h, STR("a"), 0), -1);
    assert_int_equal(hosts_take(&h, STR("b"), 0), 0);
    hosts_put(&h, STR("a"), true, false, 0);
    assert_int_equal(hosts_take(&h, STR("a"), 0), 0);
    hosts_finish(&h);
}

static void and_so_many_a_second(void **state)
{
    struct hosts h = {.limits = {.concurrency = 99, .rate = 2, .breaker_failures = 9, .breaker_ms = 1000}};

    (void)state;
    assert_int_equal(hosts_take(&h, STR("a"), 0), 0);
    assert_int_equal(hosts_take(&h, STR("a"), 0), 0);
    assert_in_range(hosts_take(&h, STR("a"), 0), 500, 501);
    assert_int_equal(hosts_take(&h, STR("a"), 501), 0);
    assert_in_range(hosts_take(&h, STR("a"), 60000), 0, 0); /* a long rest saves up one second's worth */
    assert_int_equal(hosts_take(&h, STR("a"), 60000), 0);
    assert_true(hosts_take(&h, STR("a"), 60000) > 0);
    hosts_finish(&h);
}

static void one_that_keeps_failing_is_closed_and_tried_again(void **state)
{
    struct hosts h = {.limits = {.concurrency = 9, .rate = 100, .breaker_failures = 2, .breaker_ms = 1000}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hosts_take(&h, STR("a"), 0), 0);
        hosts_put(&h, STR("a"), false, true, 0);
    }
    assert_int_equal(hosts_take(&h, STR("a"), 400), 600);
    assert_int_equal(hosts_take(&h, STR("a"), 1000), 0);
    assert_int_equal(hosts_take(&h, STR("a"), 1000), -1); /* one alone finds out */
    hosts_put(&h, STR("a"), false, true, 1000);
    assert_int_equal(hosts_take(&h, STR("a"), 1000), 1000);
    assert_int_equal(hosts_take(&h, STR("a"), 2000), 0);
    hosts_put(&h, STR("a"), true, false, 2000);
    assert_int_equal(hosts_take(&h, STR("a"), 2000), 0);
    assert_int_equal(hosts_take(&h, STR("a"), 2000), 0);
    hosts_finish(&h);
}

static void idle_hosts_make_room(void **state)
{
    struct hosts h = {.limits = {.concurrency = 9, .rate = 100, .breaker_failures = 2, .breaker_ms = 1000}};
    char name[16];

    (void)state;
    for (int i = 0; i < 3 * HOSTS_MAX; i++) {
        int len = snprintf(name, sizeof(name), "host%d", i);

        assert_int_equal(hosts_take(&h, (struct str){name, (size_t)len}, i), 0);
        if (i != 0)
            hosts_put(&h, (struct str){name, (size_t)len}, true, false, i);
    }
    assert_int_equal(h.n, HOSTS_MAX);
    assert_string_equal(h.items[0].name, "host0"); /* busy all the time */
    hosts_finish(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_a_browser_would_connect),
        cmocka_unit_test(an_empty_list_allows_nothing),
        cmocka_unit_test(a_host_has_so_many_at_once),
        cmocka_unit_test(and_so_many_a_second),
        cmocka_unit_test(one_that_keeps_failing_is_closed_and_tried_again),
        cmocka_unit_test(idle_hosts_make_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
