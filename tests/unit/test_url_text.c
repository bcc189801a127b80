/*
 * test_url_text.c - parts, parameters, encoding, limits, and what of a URL may be logged.
 */
#include "tests/unit/test.h"

#include "common/url.h"

#include <string.h>

enum { ARENA_BYTES = 1024 * 1024 };

static struct url parsed(struct arena *a, const char *text)
{
    struct url u;
    struct err err;

    assert_true(url_parse(a, str_from(text), NULL, &u, &err));
    return u;
}

static void parts_are_views_into_the_href(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url u = parsed(&a, "HTTPS://us%20er:p%40ss@Shop.example:8443/a/b?x=1&y#top");
    (void)state;

    assert_str(u.scheme, "https");
    assert_str(u.username, "us%20er");
    assert_str(u.password, "p%40ss");
    assert_str(u.host, "shop.example");
    assert_int_equal(u.port, 8443);
    assert_str(u.path, "/a/b");
    assert_str(u.query, "x=1&y");
    assert_str(u.fragment, "top");
    assert_int_equal(u.host_kind, URL_HOST_DOMAIN);
    assert_true(u.has_authority && u.is_special && !u.has_opaque_path);
    assert_true(u.host.ptr > u.href.ptr && u.host.ptr < u.href.ptr + u.href.len);
}

static void a_missing_part_differs_from_an_empty_one(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url none = parsed(&a, "http://shop.example/"), empty = parsed(&a, "http://shop.example/?#");
    struct url opaque = parsed(&a, "mailto:someone@shop.example");
    (void)state;

    assert_null(none.query.ptr);
    assert_null(none.fragment.ptr);
    assert_non_null(empty.query.ptr);
    assert_non_null(empty.fragment.ptr);
    assert_int_equal(empty.query.len + empty.fragment.len, 0);
    assert_null(opaque.host.ptr);
    assert_int_equal(opaque.host_kind, URL_HOST_NONE);
    assert_true(opaque.has_opaque_path && !opaque.has_authority && !opaque.is_special);
    assert_str(opaque.path, "someone@shop.example");
}

static void parts_come_over_from_a_base(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url base = parsed(&a, "http://u:p@[::1]:8080/a/b?q"), u;
    struct err err;
    (void)state;

    assert_true(url_parse(&a, STR("../x?y"), &base, &u, &err));
    assert_str(u.href, "http://u:p@[::1]:8080/x?y");
    assert_str(u.username, "u");
    assert_str(u.password, "p");
    assert_str(u.host, "[::1]");
    assert_str(u.path, "/x");
    assert_str(u.query, "y");
    assert_int_equal(u.port, 8080);
    assert_int_equal(u.host_kind, URL_HOST_IPV6);
    assert_int_equal(u.ip[15], 1);
}

static void addresses_come_as_bytes(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url v4 = parsed(&a, "http://0x7f.2/"), v6 = parsed(&a, "http://[2001:db8::ff:1]/");
    (void)state;

    assert_int_equal(v4.host_kind, URL_HOST_IPV4);
    assert_memory_equal(v4.ip, ((uint8_t[]){127, 0, 0, 2}), 4);
    assert_int_equal(v6.host_kind, URL_HOST_IPV6);
    assert_memory_equal(v6.ip, ((uint8_t[]){0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 1}), 16);
    assert_int_equal(parsed(&a, "foo://h").host_kind, URL_HOST_OPAQUE);
    assert_int_equal(parsed(&a, "file:///x").host_kind, URL_HOST_EMPTY);
}

static void ports_and_origins(void **state)
{
    /* clang-format off */
    static const struct { const char *url; int port; const char *origin; bool is_http; } cases[] = {
        {"http://Shop.example/x",       80,   "http://shop.example",      true},
        {"https://u:p@shop.example/",   443,  "https://shop.example",     true},
        {"https://shop.example:8443/",  8443, "https://shop.example:8443", true},
        {"http://[::1]:80/",            80,   "http://[::1]",             true},
        {"ws://shop.example/",          80,   "ws://shop.example",        false},
        {"ftp://shop.example/",         21,   "ftp://shop.example",       false},
        {"file:///x",                   -1,   "null",                     false},
        {"mailto:a@shop.example",       -1,   "null",                     false},
        {"foo://shop.example:9/",       9,    "null",                     false},
        {"httpx://shop.example/",       -1,   "null",                     false},
    };
    /* clang-format on */
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url u = parsed(&a, cases[i].url);

        assert_int_equal(url_effective_port(&u), cases[i].port);
        assert_str(url_origin(&a, &u), cases[i].origin);
        assert_int_equal(url_is_http(&u), cases[i].is_http);
    }
}

static void fragments_are_dropped_and_carried_over(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url u = parsed(&a, "http://shop.example/x?y#old"), with;
    struct err err;
    (void)state;

    assert_str(url_without_fragment(&u), "http://shop.example/x?y");
    assert_true(url_with_fragment(&a, &u, STR("new one"), &with, &err));
    assert_str(with.href, "http://shop.example/x?y#new%20one");
    u = parsed(&a, "http://shop.example/x");
    assert_str(url_without_fragment(&u), "http://shop.example/x");
}

static void too_much_is_refused(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = 4 * URL_MAX_BYTES};
    SCOPED_VALUE(arena) small = {.ceiling = 10};
    SCOPED_VALUE(buf) text = {.max = 2 * URL_MAX_BYTES};
    struct url u;
    struct err err;
    (void)state;

    buf_append(&text, "http://shop.example/", 20);
    while (text.len < URL_MAX_BYTES)
        buf_append_char(&text, 'x');
    assert_true(url_parse(&a, buf_str(&text), NULL, &u, &err));
    assert_int_equal(u.href.len, URL_MAX_BYTES);
    buf_append_char(&text, 'x');
    assert_false(url_parse(&a, buf_str(&text), NULL, &u, &err));
    assert_int_equal(err.code, ERR_TOO_BIG);
    memset(text.data + 20, ' ', 100);
    assert_false(url_parse(&a, str_slice(buf_str(&text), 0, URL_MAX_BYTES), NULL, &u, &err));
    assert_int_equal(err.code, ERR_TOO_BIG); /* what was encoded became too long */
    assert_false(url_parse(&small, STR("http://shop.example/"), NULL, &u, &err));
    assert_int_equal(err.code, ERR_TOO_BIG);
    assert_true(small.is_full);
}

static void errors_name_the_reason_and_no_secret(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url u;
    struct err err;
    (void)state;

    assert_false(url_parse(&a, STR("http://me:hunter2@shop.example:99999/?gclid=EAIaI"), NULL, &u, &err));
    assert_int_equal(err.code, ERR_BAD_URL);
    assert_non_null(strstr(err.detail, "port is above 65535"));
    assert_non_null(strstr(err.detail, "shop.example"));
    assert_null(strstr(err.detail, "hunter2"));
    assert_null(strstr(err.detail, "EAIaI"));
}

static void parameters_are_decoded(void **state)
{
    static const struct {
        const char *name, *value;
    } want[] = {{"a", "1"}, {"b c", "x y+z"}, {"flag", ""}, {"", "v"}, {"a", "2=3"}, {"%zz", "%4"}};
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url_query_iter it;
    struct str name, value;
    (void)state;

    url_query_init(&it, STR("&a=1&b+c=x%20y%2Bz&&flag&=v&a=2=3&%zz=%4&"));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(url_query_next(&it, &a, &name, &value));
        assert_str(name, want[i].name);
        assert_str(value, want[i].value);
    }
    assert_false(url_query_next(&it, &a, &name, &value));
    url_query_init(&it, STR("n=%00%FF"));
    assert_true(url_query_next(&it, &a, &name, &value));
    assert_int_equal(value.len, 2);
    assert_memory_equal(value.ptr, "\0\xff", 2);
}

static void raw_parameters_stay_as_written(void **state)
{
    struct url_query_iter it;
    struct str name, value;
    (void)state;

    url_query_init(&it, STR("b+c=x%20y&flag"));
    assert_true(url_query_next_raw(&it, &name, &value));
    assert_str(name, "b+c");
    assert_str(value, "x%20y");
    assert_true(url_query_next_raw(&it, &name, &value));
    assert_str(name, "flag");
    assert_str(value, "");
    assert_false(url_query_next_raw(&it, &name, &value));
    url_query_init(&it, (struct str){NULL, 0});
    assert_false(url_query_next_raw(&it, &name, &value));
}

static void a_full_arena_ends_the_parameters(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = 4};
    struct url_query_iter it;
    struct str name, value;
    (void)state;

    url_query_init(&it, STR("a=%41&b=%42%42%42%42%42"));
    assert_true(url_query_next(&it, &a, &name, &value));
    assert_false(url_query_next(&it, &a, &name, &value));
    assert_true(a.is_full);
}

static void sets_encode_what_the_standard_says(void **state)
{
    /* clang-format off */
    static const char PRINTABLE[] = " !\"#$%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~\x7f\xc3\xa9";
    static const struct { enum url_encode_set set; const char *want; } cases[] = {
        {URL_ENCODE_CONTROLS,      " !\"#$%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~%7F%C3%A9"},
        {URL_ENCODE_FRAGMENT,      "%20!%22#$%&'()*+,-./0:;%3C=%3E?@A[\\]^_%60a{|}~%7F%C3%A9"},
        {URL_ENCODE_QUERY,         "%20!%22%23$%&'()*+,-./0:;%3C=%3E?@A[\\]^_`a{|}~%7F%C3%A9"},
        {URL_ENCODE_SPECIAL_QUERY, "%20!%22%23$%&%27()*+,-./0:;%3C=%3E?@A[\\]^_`a{|}~%7F%C3%A9"},
        {URL_ENCODE_PATH,          "%20!%22%23$%&'()*+,-./0:;%3C=%3E%3F@A[\\]%5E_%60a%7B|%7D~%7F%C3%A9"},
        {URL_ENCODE_USERINFO,      "%20!%22%23$%&'()*+,-.%2F0%3A%3B%3C%3D%3E%3F%40A%5B%5C%5D%5E_%60a%7B%7C%7D~%7F%C3%A9"},
        {URL_ENCODE_COMPONENT,     "%20!%22%23%24%25%26'()*%2B%2C-.%2F0%3A%3B%3C%3D%3E%3F%40A%5B%5C%5D%5E_%60a%7B%7C%7D~%7F%C3%A9"},
    };
    /* clang-format on */
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED_VALUE(buf) out = {.max = 1000};

        assert_true(url_percent_encode(&out, str_from(PRINTABLE), cases[i].set));
        assert_str(buf_str(&out), cases[i].want);
    }
}

static void decoding_undoes_encoding(void **state)
{
    SCOPED_VALUE(buf) bytes = {.max = 256};
    SCOPED_VALUE(buf) text = {.max = 1024};
    SCOPED_VALUE(buf) again = {.max = 256};
    SCOPED_VALUE(buf) small = {.max = 2};
    (void)state;

    for (int c = 0; c < 256; c++)
        buf_append_char(&bytes, (char)c);
    assert_true(url_percent_encode(&text, buf_str(&bytes), URL_ENCODE_COMPONENT));
    assert_true(url_percent_decode(&again, buf_str(&text)));
    assert_int_equal(again.len, 256);
    assert_memory_equal(again.data, bytes.data, 256);
    buf_clear(&again);
    assert_true(url_percent_decode(&again, STR("%4a%4A%%41%4%g1+%")));
    assert_str(buf_str(&again), "JJ%A%4%g1+%");
    assert_false(url_percent_encode(&small, STR(" "), URL_ENCODE_PATH));
    assert_true(small.is_full);
}

static void logs_get_no_secret(void **state)
{
    /* clang-format off */
    static const struct { const char *url, *want; } cases[] = {
        {"https://shop.example/a/b", "https://shop.example/a/b"},
        {"https://me:hunter2@shop.example:8443/a?gclid=EAIaI&x=1#token=9", "https://shop.example:8443/a?gclid=&x="},
        {"https://shop.example/a?secret", "https://shop.example/a"},
        {"https://shop.example/a?secret&b=2", "https://shop.example/a?b="},
        {"https://shop.example/a?dG9rZW4tdGhhdC1sb29rcy1saWtlLWEtbmFtZS1idXQ=", "https://shop.example/a"},
        {"https://shop.example/a;id=17;s/b;k=v?x=1", "https://shop.example/a;id=;s/b;k=?x="},
        {"https://shop.example/jquery@3/x@y", "https://shop.example/jquery@3/x@y"},
        {"http://[::1]:80/x", "http://[::1]:80/x"},
        {"http://u:p@[::1]:80/x", "http://[::1]:80/x"},
        {"http:\\\\u:p@shop.example\\x", "http://shop.example\\x"},
        {"http:u:p@shop.example/x", "http://shop.example/x"},
        {"http://u:p/w@shop.example/x?y=1", "http://shop.example/x?y="},
        {"http://u:p?w@shop.example/x?y=1", "http://shop.example/x?y="},
        {"http://u:p#w@shop.example/x", "http://shop.example/x"},
        {"http://u:hunter2", "http://u"},
        {"u:hunter2@shop.example:3128", "shop.example:3128"},
        {"shop.example:3128/x?y=z", "shop.example:3128/x?y="},
        {"//u:p@shop.example/x", "//shop.example/x"},
        {"/a/b?c=d", "/a/b?c="},
        {"?c=d&e", "?c="},
        {"mailto:someone@shop.example", "shop.example"},
        {"javascript:location='https://u:p@shop.example'", "shop.example'"},
        {" http://shop.example/a b\n\x01\xc3\xa9 ", "http://shop.example/a%20b%0A%01%C3%A9"},
        {"", ""},
        {"@", ""},
        {":", ":"},
    };
    /* clang-format on */
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED_VALUE(buf) out = {.max = 200};

        url_scrub(str_from(cases[i].url), &out);
        assert_str(buf_str(&out), cases[i].want);
    }
}

static void a_small_buffer_cuts_what_is_logged(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 8};
    (void)state;

    url_scrub(STR("https://shop.example/a"), &out);
    assert_true(out.len <= 8);
    assert_true(str_starts(STR("https://shop.example/a"), buf_str(&out)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_views_into_the_href),
        cmocka_unit_test(a_missing_part_differs_from_an_empty_one),
        cmocka_unit_test(parts_come_over_from_a_base),
        cmocka_unit_test(addresses_come_as_bytes),
        cmocka_unit_test(ports_and_origins),
        cmocka_unit_test(fragments_are_dropped_and_carried_over),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(errors_name_the_reason_and_no_secret),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(raw_parameters_stay_as_written),
        cmocka_unit_test(a_full_arena_ends_the_parameters),
        cmocka_unit_test(sets_encode_what_the_standard_says),
        cmocka_unit_test(decoding_undoes_encoding),
        cmocka_unit_test(logs_get_no_secret),
        cmocka_unit_test(a_small_buffer_cuts_what_is_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
