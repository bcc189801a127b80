/*
 * test_url.c - URLs are read as browsers read them.
 *
 * A table of inputs, bases and results, grouped by what goes wrong when one gets it wrong. Every result is
 * parsed again, and must stay as it is.
 */
#include "tests/unit/test.h"

#include "common/url.h"

struct url_case {
    const char *input, *base, *href; /* base NULL: none; href NULL: it is no URL */
};

#define BASE "https://shop.example/a/b/c?q=1#top"

/* clang-format off */
static const struct url_case RELATIVE[] = {
    {"next", BASE, "https://shop.example/a/b/next"},
    {"./next", BASE, "https://shop.example/a/b/next"},
    {"../next", BASE, "https://shop.example/a/next"},
    {"../../../../next", BASE, "https://shop.example/next"},
    {"..", BASE, "https://shop.example/a/"},
    {".", BASE, "https://shop.example/a/b/"},
    {"%2e%2E/next", BASE, "https://shop.example/a/next"},
    {".%2e", BASE, "https://shop.example/a/"},
    {"%2e", BASE, "https://shop.example/a/b/"},
    {"...", BASE, "https://shop.example/a/b/..."},
    {"..next", BASE, "https://shop.example/a/b/..next"},
    {"/next", BASE, "https://shop.example/next"},
    {"\\next", BASE, "https://shop.example/next"},
    {"//cdn.example/x", BASE, "https://cdn.example/x"},
    {"\\\\cdn.example\\x", BASE, "https://cdn.example/x"},
    {"/\\cdn.example/x", BASE, "https://cdn.example/x"},
    {"///cdn.example/x", BASE, "https://cdn.example/x"},
    {"", BASE, "https://shop.example/a/b/c?q=1"},
    {"   ", BASE, "https://shop.example/a/b/c?q=1"},
    {"?", BASE, "https://shop.example/a/b/c?"},
    {"?x=2", BASE, "https://shop.example/a/b/c?x=2"},
    {"#", BASE, "https://shop.example/a/b/c?q=1#"},
    {"#x", BASE, "https://shop.example/a/b/c?q=1#x"},
    {"#x?y#z", BASE, "https://shop.example/a/b/c?q=1#x?y#z"},
    {"a?b/../c", BASE, "https://shop.example/a/b/a?b/../c"},
    {"https:next", BASE, "https://shop.example/a/b/next"},
    {"https:/next", BASE, "https://shop.example/next"},
    {"https://next", BASE, "https://next/"},
    {"HTTPS:?x", BASE, "https://shop.example/a/b/c?x"},
    {"http:next", BASE, "http://next/"},
    {"http:", BASE, NULL},
    {"x:y", BASE, "x:y"},
    {"1x:y", BASE, "https://shop.example/a/b/1x:y"},
    {":y", BASE, "https://shop.example/a/b/:y"},
    {"a/b;c=1/../d", BASE, "https://shop.example/a/b/a/d"},
    {"next", "https://u:p@shop.example:8443/a/b", "https://u:p@shop.example:8443/a/next"},
    {"?x", "https://shop.example", "https://shop.example/?x"},
    {"x", "foo://host/a/b", "foo://host/a/x"},
    {"x", "foo://host", "foo://host/x"},
    {"\\x", "foo://host/a/b", "foo://host/a/\\x"},
    {"//other/x", "foo://host/a/b", "foo://other/x"},
    {"x", "mailto:someone@shop.example", NULL},
    {"#x", "mailto:someone@shop.example", "mailto:someone@shop.example#x"},
    {"#x", "about:blank?q", "about:blank?q#x"},
    {"?x", "about:blank", NULL},
    {"next", NULL, NULL},
    {"//cdn.example/x", NULL, NULL},
    {"", NULL, NULL},
};

static const struct url_case AUTHORITIES[] = {
    {"http://Shop.EXAMPLE", NULL, "http://shop.example/"},
    {"http:shop.example", NULL, "http://shop.example/"},
    {"http:/shop.example", NULL, "http://shop.example/"},
    {"http:\\\\shop.example\\x", NULL, "http://shop.example/x"},
    {"http://///shop.example", NULL, "http://shop.example/"},
    {"http://shop.example:80/", NULL, "http://shop.example/"},
    {"https://shop.example:443/", NULL, "https://shop.example/"},
    {"http://shop.example:443/", NULL, "http://shop.example:443/"},
    {"https://shop.example:0080/", NULL, "https://shop.example:80/"},
    {"http://shop.example:/", NULL, "http://shop.example/"},
    {"http://shop.example:0/", NULL, "http://shop.example:0/"},
    {"http://shop.example:65535/", NULL, "http://shop.example:65535/"},
    {"http://shop.example:65536/", NULL, NULL},
    {"http://shop.example:99999999999999999999/", NULL, NULL},
    {"http://shop.example:8o/", NULL, NULL},
    {"http://shop.example:-1/", NULL, NULL},
    {"http://shop.example:80:80/", NULL, NULL},
    {"http://user@shop.example/", NULL, "http://user@shop.example/"},
    {"http://user:pass@shop.example/", NULL, "http://user:pass@shop.example/"},
    {"http://user:@shop.example/", NULL, "http://user@shop.example/"},
    {"http://:pass@shop.example/", NULL, "http://:pass@shop.example/"},
    {"http://:@shop.example/", NULL, "http://shop.example/"},
    {"http://a@b@shop.example/", NULL, "http://a%40b@shop.example/"},
    {"http://a:b:c@shop.example/", NULL, "http://a:b%3Ac@shop.example/"},
    {"http://us er:pa|ss@shop.example/", NULL, "http://us%20er:pa%7Css@shop.example/"},
    {"http://evil.example\\@shop.example/", NULL, "http://evil.example/@shop.example/"},
    {"http://evil.example#@shop.example/", NULL, "http://evil.example/#@shop.example/"},
    {"http://evil.example?@shop.example/", NULL, "http://evil.example/?@shop.example/"},
    {"http://user@/x", NULL, NULL},
    {"http://@/x", NULL, NULL},
    {"http://:80/", NULL, NULL},
    {"http://", NULL, NULL},
    {"https:///", NULL, NULL},
    {"http://a b/", NULL, NULL},
    {"http://a%20b/", NULL, NULL},
    {"http://a<b/", NULL, NULL},
    {"http://a%00b/", NULL, NULL},
    {"http://a%2fb/", NULL, NULL},
    {"http://a%zz/", NULL, NULL},
    {"http://a^b/", NULL, NULL},
    {"http://sh%6Fp.example/", NULL, "http://shop.example/"},
    {"http://shop.example./", NULL, "http://shop.example./"},
    {"http://under_score.example/", NULL, "http://under_score.example/"},
    {"http://-dash-.example/", NULL, "http://-dash-.example/"},
    {"foo://Host:99/x", NULL, "foo://Host:99/x"},
    {"foo://h%41/x", NULL, "foo://h%41/x"},
    {"foo://h o/x", NULL, NULL},
    {"foo://\xc3\xa9/x", NULL, "foo://%C3%A9/x"},
    {"foo:///x", NULL, "foo:///x"},
    {"foo://", NULL, "foo://"},
    {"foo://:1/", NULL, NULL},
};

static const struct url_case ADDRESSES[] = {
    {"http://127.0.0.1/", NULL, "http://127.0.0.1/"},
    {"http://127.0.0.1./", NULL, "http://127.0.0.1/"},
    {"http://127.1/", NULL, "http://127.0.0.1/"},
    {"http://127.0.1/", NULL, "http://127.0.0.1/"},
    {"http://2130706433/", NULL, "http://127.0.0.1/"},
    {"http://0x7f000001/", NULL, "http://127.0.0.1/"},
    {"http://0X7F.0x0.1/", NULL, "http://127.0.0.1/"},
    {"http://0177.0.0.01/", NULL, "http://127.0.0.1/"},
    {"http://017700000001/", NULL, "http://127.0.0.1/"},
    {"http://10.65535/", NULL, "http://10.0.255.255/"},
    {"http://1.2.65535/", NULL, "http://1.2.255.255/"},
    {"http://4294967295/", NULL, "http://255.255.255.255/"},
    {"http://0/", NULL, "http://0.0.0.0/"},
    {"http://0x/", NULL, "http://0.0.0.0/"},
    {"http://%31%32%37.1/", NULL, "http://127.0.0.1/"},
    {"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97\xe3\x80\x82\xef\xbc\x91/", NULL, "http://127.0.0.1/"},
    {"http://4294967296/", NULL, NULL},
    {"http://256.0.0.1/", NULL, NULL},
    {"http://1.2.3.256/", NULL, NULL},
    {"http://1.256.3/", NULL, NULL},
    {"http://1.2.3.4.5/", NULL, NULL},
    {"http://1..2/", NULL, NULL},
    {"http://08/", NULL, NULL},
    {"http://0xg/", NULL, "http://0xg/"},
    {"http://shop.1/", NULL, NULL},
    {"http://shop.0x1/", NULL, NULL},
    {"http://1.2.3.4.shop/", NULL, "http://1.2.3.4.shop/"},
    {"http://[::1]/", NULL, "http://[::1]/"},
    {"http://[0:0:0:0:0:0:0:1]:80/", NULL, "http://[::1]/"},
    {"http://[2001:DB8:0:0:1:0:0:1]/", NULL, "http://[2001:db8::1:0:0:1]/"},
    {"http://[1:0:0:2:0:0:0:3]/", NULL, "http://[1:0:0:2::3]/"},
    {"http://[1:2:3:4:5:6:7::]/", NULL, "http://[1:2:3:4:5:6:7:0]/"},
    {"http://[::2:3:4:5:6:7:8]/", NULL, "http://[0:2:3:4:5:6:7:8]/"},
    {"http://[::]/", NULL, "http://[::]/"},
    {"http://[1::]/", NULL, "http://[1::]/"},
    {"http://[::ffff:127.0.0.1]/", NULL, "http://[::ffff:7f00:1]/"},
    {"http://[1:2:3:4:5:6:1.2.3.4]/", NULL, "http://[1:2:3:4:5:6:102:304]/"},
    {"http://[1:2:3:4:5:6:7:1.2.3.4]/", NULL, NULL},
    {"http://[1.2.3.4::]/", NULL, NULL},
    {"http://[1.2.3.4]/", NULL, NULL},
    {"http://[::1.2.3]/", NULL, NULL},
    {"http://[::1.2.3.04]/", NULL, NULL},
    {"http://[::1.2.3.256]/", NULL, NULL},
    {"http://[::1.2.3.4.5]/", NULL, NULL},
    {"http://[::1.2.3.4:5]/", NULL, NULL},
    {"http://[::1.2.3.]/", NULL, NULL},
    {"http://[1::2::3]/", NULL, NULL},
    {"http://[1:2:3:4:5:6:7::8]/", NULL, NULL},
    {"http://[:::]/", NULL, NULL},
    {"http://[:1:2:3:4:5:6:7:8]/", NULL, NULL},
    {"http://[1:2:3:4:5:6:7:]/", NULL, NULL},
    {"http://[1:2]/", NULL, NULL},
    {"http://[::12345]/", NULL, NULL},
    {"http://[::g]/", NULL, NULL},
    {"http://[]/", NULL, NULL},
    {"http://[::1/", NULL, NULL},
    {"http://[::1]x/", NULL, NULL},
    {"http://x[::1]/", NULL, NULL},
    {"http://[fe80::1%25eth0]/", NULL, NULL},
    {"http://%5B::1%5D/", NULL, NULL},
    {"foo://[::1]/", NULL, "foo://[::1]/"},
};

static const struct url_case NAMES[] = {
    {"http://b\xc3\xbc" "cher.example/", NULL, "http://xn--bcher-kva.example/"},
    {"http://B\xc3\x9c" "CHER.example/", NULL, "http://xn--bcher-kva.example/"},
    {"http://bu\xcc\x88" "cher.example/", NULL, "http://xn--bcher-kva.example/"},
    {"http://stra\xc3\x9f" "e.example/", NULL, "http://xn--strae-oqa.example/"},
    {"http://b%C3%BCcher.example/", NULL, "http://xn--bcher-kva.example/"},
    {"http://XN--BCHER-KVA.example/", NULL, "http://xn--bcher-kva.example/"},
    {"http://xn--not-punycode-/", NULL, "http://xn--not-punycode-/"},
    {"http://xn--a.b\xc3\xbc" "cher.example/", NULL, NULL},
    {"http://xn--bcher-kva.b\xc3\xbc" "cher.example/", NULL, "http://xn--bcher-kva.xn--bcher-kva.example/"},
    {"http://\xef\xbd\x93hop.example/", NULL, "http://shop.example/"},
    {"http://a\xe3\x80\x82" "b\xef\xbc\x8e" "c\xef\xbd\xa1" "d/", NULL, "http://a.b.c.d/"},
    {"http://a\xc2\xad" "b.example/", NULL, "http://ab.example/"},
    {"http://a\xe2\x80\x8b" "b.example/", NULL, "http://ab.example/"},
    {"http://i\xe2\x9d\xa4.example/", NULL, "http://xn--i-7iq.example/"},
    {"http://\xf0\x9f\x92\xa9.example/", NULL, "http://xn--ls8h.example/"},
    {"http://xn--ls8h.b\xc3\xbc" "cher/", NULL, "http://xn--ls8h.xn--bcher-kva/"},
    {"http://-\xc3\xa9-.example/", NULL, "http://xn-----bja.example/"},
    {"http://ab--\xc3\xa9.example/", NULL, "http://xn--ab---epa.example/"},
    {"http://\xd7\x90\xd7\x91.example/", NULL, "http://xn--4dbc.example/"},
    {"http://\xcc\x81" "a.example/", NULL, NULL},
    {"http://\xef\xbf\xbd/", NULL, NULL},
    {"http://\xff/", NULL, NULL},
    {"http://%FF/", NULL, NULL},
    {"http://\xc2\xad/", NULL, NULL},
    {"http://a\xc2\xa0" "b/", NULL, NULL},
    {"http://a\xef\xbc\x8f" "b/", NULL, NULL},
    {"http://a\xef\xbc\x9a" "80/", NULL, NULL},
    {"http://\xef\xbc\x85" "41/", NULL, NULL},
    {"http://a\xe2\x80\xae" "b/", NULL, NULL},
};

static const struct url_case TEXT[] = {
    {"  http://shop.example/x  ", NULL, "http://shop.example/x"},
    {"\x01http://shop.example/x\x1f", NULL, "http://shop.example/x"},
    {"ht\ntp://sh\top.exa\rmple/a\n/b", NULL, "http://shop.example/a/b"},
    {"http://shop.example/a b\"<>`{}^c", NULL, "http://shop.example/a%20b%22%3C%3E%60%7B%7D%5Ec"},
    {"http://shop.example/a|b[c]'d~e", NULL, "http://shop.example/a|b[c]'d~e"},
    {"http://shop.example/%", NULL, "http://shop.example/%"},
    {"http://shop.example/%zz%4", NULL, "http://shop.example/%zz%4"},
    {"http://shop.example/\xe2\x82\xac", NULL, "http://shop.example/%E2%82%AC"},
    {"http://shop.example/\xff\xe2\x82", NULL, "http://shop.example/%EF%BF%BD%EF%BF%BD"},
    {"http://shop.example/\xed\xa0\x80", NULL, "http://shop.example/%EF%BF%BD%EF%BF%BD%EF%BF%BD"},
    {"http://shop.example/\x7f", NULL, "http://shop.example/%7F"},
    {"http://shop.example/?a b\"<>'`{}^|c", NULL, "http://shop.example/?a%20b%22%3C%3E%27`{}^|c"},
    {"foo://host/?a'b", NULL, "foo://host/?a'b"},
    {"http://shop.example/#a b\"<>`'{}", NULL, "http://shop.example/#a%20b%22%3C%3E%60'{}"},
    {"http://shop.example/a//b///c", NULL, "http://shop.example/a//b///c"},
    {"http://shop.example/a/./b/../c/", NULL, "http://shop.example/a/c/"},
    {"http://shop.example/a/..//b", NULL, "http://shop.example//b"},
    {"http://shop.example?x", NULL, "http://shop.example/?x"},
    {"http://shop.example#x", NULL, "http://shop.example/#x"},
    {"http://shop.example/?&&==", NULL, "http://shop.example/?&&=="},
    {"market://details?id=com.shop", NULL, "market://details?id=com.shop"},
    {"intent://x/#Intent;scheme=shop;end", NULL, "intent://x/#Intent;scheme=shop;end"},
    {"JavaScript:alert( 1 )", NULL, "javascript:alert( 1 )"},
    {"data:text/html,<b> x #y z", NULL, "data:text/html,<b> x%20#y%20z"},
    {"tel:+1 23", NULL, "tel:+1 23"},
    {"foo:/a/../b", NULL, "foo:/b"},
    {"foo:/..//b", NULL, "foo:/.//b"},
    {"foo:a/../b", NULL, "foo:a/../b"},
    {"ftp://shop.example:21/x", NULL, "ftp://shop.example/x"},
    {"ws://shop.example:80/x", NULL, "ws://shop.example/x"},
    {"wss://shop.example:443/x", NULL, "wss://shop.example/x"},
};

static const struct url_case FILES[] = {
    {"file:///etc/hosts", NULL, "file:///etc/hosts"},
    {"file:/etc/hosts", NULL, "file:///etc/hosts"},
    {"file:etc", NULL, "file:///etc"},
    {"file:", NULL, "file:///"},
    {"file:?q#f", NULL, "file:///?q#f"},
    {"file:\\\\server\\x", NULL, "file://server/x"},
    {"file://LOCALHOST/x", NULL, "file:///x"},
    {"file://server:1/x", NULL, NULL},
    {"file:///C|/x/../..", NULL, "file:///C:/"},
    {"file://C:/x", NULL, "file:///C:/x"},
    {"file:C:/x", "file://server/y", "file://server/C:/x"},
    {"x", "file:///C:/y", "file:///C:/x"},
    {"..", "file:///C:/", "file:///C:/"},
    {"/x", "file:///C:/y/z", "file:///C:/x"},
    {"/D:/x", "file:///C:/y/z", "file:///D:/x"},
    {"D|", "file:///C:/y/z", "file:///D:"},
    {"D|x", "file:///C:/y/z", "file:///C:/y/D|x"},
    {"//server/x", "file:///C:/y", "file://server/x"},
    {"?q", "file:///y?p", "file:///y?q"},
    {"#f", "file:///y?p", "file:///y?p#f"},
    {"", "file:///y?p#f", "file:///y?p"},
    {"/x", "file://server/y", "file://server/x"},
    {"file:x", "http://shop.example/y", "file:///x"},
};
/* clang-format on */

/* Resolves one case; the result's href, or "no URL". */
static struct str resolve(struct arena *a, const struct url_case *c, struct url *u)
{
    struct url base;
    struct err err;

    if (c->base)
        assert_true(url_parse(a, str_from(c->base), NULL, &base, &err));
    if (url_parse(a, str_from(c->input), c->base ? &base : NULL, u, &err))
        return u->href;
    assert_int_equal(err.code, ERR_BAD_URL);
    return STR("no URL");
}

static void check_case(const struct url_case *c)
{
    SCOPED_VALUE(arena) a = {.ceiling = 64 * 1024};
    struct url u, again;
    struct err err;
    struct str href = resolve(&a, c, &u);
    const char *want = c->href ? c->href : "no URL";

    if (!str_equal(href, str_from(want)))
        print_message("\"%s\" on \"%s\"\n", c->input, c->base ? c->base : "");
    assert_str(href, want);
    if (!c->href)
        return;
    assert_true(url_parse(&a, href, NULL, &again, &err));
    assert_str(again.href, c->href);
    assert_int_equal(again.host_kind, u.host_kind);
    assert_memory_equal(again.ip, u.ip, sizeof(u.ip));
}

#define CHECK(name, table)                                                                                   \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        for (size_t i = 0; i < ARRAY_LEN(table); i++)                                                        \
            check_case(&(table)[i]);                                                                         \
    }

CHECK(relative_references_resolve_like_a_browser, RELATIVE)
CHECK(authorities_are_told_apart_from_what_looks_like_one, AUTHORITIES)
CHECK(every_spelling_of_an_address_becomes_one, ADDRESSES)
CHECK(names_of_any_script_become_ascii, NAMES)
CHECK(text_is_stripped_and_encoded, TEXT)
CHECK(file_urls_know_drives, FILES)

/* The buffer moved while "/." was put in, and the path was read where it had been. */
static void a_path_is_separated_at_any_length(void **state)
{
    (void)state;

    for (size_t len = 0; len < 1100; len++) {
        SCOPED_VALUE(arena) a = {.ceiling = 64 * 1024};
        SCOPED_VALUE(buf) text = {.max = 4096};
        SCOPED_VALUE(buf) want = {.max = 4096};
        struct url u;
        struct err err;

        buf_append(&text, "foo:/..//", 9);
        buf_append(&want, "foo:/.//", 8);
        for (size_t i = 0; i < len; i++) {
            buf_append_char(&text, (char)('a' + i % 26));
            buf_append_char(&want, (char)('a' + i % 26));
        }
        assert_true(url_parse(&a, buf_str(&text), NULL, &u, &err));
        assert_str(u.href, buf_cstr(&want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relative_references_resolve_like_a_browser),
        cmocka_unit_test(authorities_are_told_apart_from_what_looks_like_one),
        cmocka_unit_test(every_spelling_of_an_address_becomes_one),
        cmocka_unit_test(names_of_any_script_become_ascii),
        cmocka_unit_test(text_is_stripped_and_encoded),
        cmocka_unit_test(file_urls_know_drives),
        cmocka_unit_test(a_path_is_separated_at_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
