/*
 * test_html.c - a page's refresh, its encoding, its signs; and that hostile pages cost no more than others.
 */
#include "tests/unit/test.h"

#include "common/buf.h"
#include "common/scope.h"
#include "worker/tracer/charset.h"
#include "worker/tracer/html.h"

#include <string.h>

enum { ARENA = 1 << 20 };

#define META "<meta http-equiv=refresh content='0;url=/x'>"

static struct page read_page(struct arena *a, struct str body, const char *type)
{
    struct page page;

    arena_init(a, ARENA);
    assert_true(page_read(a, body, str_from(type), &page));
    return page;
}

/* clang-format off */
/* url NULL: no refresh; "": the page reloads itself */
static const struct {
    const char *html, *url;
    int delay_s;
} refreshes[] = {
    {META, "/x", 0},
    {"<META CONTENT=\"3; URL=y\" HTTP-EQUIV=Refresh />", "y", 3},
    {"<meta http-equiv='refresh' content=7>", "", 7},
    {"<meta http-equiv=refresh>", NULL, 0},
    {"<meta http-equiv=refresh content=''>", NULL, 0},
    {"<meta name=refresh content='0;url=/x'>", NULL, 0},
    {"<meta http-equiv=refresh content='0;url=/x'", NULL, 0}, /* the page ends within the tag */
    {"<metal http-equiv=refresh content='0;url=/x'>", NULL, 0},
    {"<p><b><i>" META, "/x", 0},
    {"<table><tr><td>" META, "/x", 0},
    {"<html><body></body></html>" META, "/x", 0},
    {"<!-- -->" META, "/x", 0},
    {"<!-->" META, "/x", 0},
    {"<!--->" META, "/x", 0},
    {"<!-- a -- b --!>" META, "/x", 0},
    {"<!-- " META " -->", NULL, 0},
    {"<!-- " META, NULL, 0},
    {"<!doctype html>" META, "/x", 0},
    {"<![CDATA[ ]]>" META, "/x", 0},
    {"</ p>" META, "/x", 0},
    {"< p>" META, "/x", 0},
    {"<a title='>" META "'>", NULL, 0},
    {"<a title=>" META, "/x", 0},
    {"<a title= '>'>" META, "/x", 0},
    {"<script>" META "</script>", NULL, 0},
    {"<script>//</scripty>" META "</script >", NULL, 0},
    {"<script></SCRIPT\n>" META, "/x", 0},
    {"<script><!--<script></script>" META "--></script>", NULL, 0},
    {"<script><!--</script>" META, "/x", 0},
    {"<script><!--<script>--></script>" META, "/x", 0},
    {"<script src=a />" META "</script>", NULL, 0},
    {"<svg><script src=a /></svg>" META, "/x", 0},
    {"<style>" META "</style>", NULL, 0},
    {"<textarea>" META "</textarea>", NULL, 0},
    {"<title>" META "</title>" META, "/x", 0},
    {"<noscript><img>" META "</noscript>", NULL, 0},
    {"<iframe>" META "</iframe>", NULL, 0},
    {"<template>" META "</template>", NULL, 0},
    {"<template><template></template>" META "</template>", NULL, 0},
    {"<template></template></template>" META, "/x", 0},
    {"<plaintext>" META "</plaintext>", NULL, 0},
    {"<meta http-equiv=refresh content='0;url=/?a&amp;b&#x3d;1&lt;&unknown;'>", "/?a&b=1<&unknown;", 0},
    {"<meta http-equiv=refresh content='5;url=/5'><meta http-equiv=refresh content='2;url=/2'>", "/2", 2},
    {"<meta http-equiv=refresh content='2;url=/2'><meta http-equiv=refresh content='5;url=/5'>", "/2", 2},
    {"<meta http-equiv=refresh content='2;url=/2'><meta http-equiv=refresh content='2;url=/2b'>", "/2b", 2},
    {"", NULL, 0},
};

static const struct {
    const char *html, *base;
} bases[] = {
    {"<base href=/a/>" META, "/a/"},
    {"<base target=x><base href='/a/'><base href='/b/'>" META, "/a/"},
    {META "<base href=/late/>", NULL},
    {"<!--<base href=/c/>-->" META, NULL},
};
/* clang-format on */

static void a_refresh_counts_where_a_browser_obeys_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refreshes); i++) {
        SCOPED_VALUE(arena) a;
        struct page page = read_page(&a, str_from(refreshes[i].html), "text/html; charset=utf-8");

        if (page.has_refresh != (refreshes[i].url != NULL))
            fail_msg("%s: %s", refreshes[i].html, page.has_refresh ? "found one" : "found none");
        if (!page.has_refresh)
            continue;
        assert_str(page.refresh.url, refreshes[i].url);
        assert_int_equal(page.refresh.delay_s, refreshes[i].delay_s);
        assert_int_equal(page.refresh.url.ptr == NULL, refreshes[i].url[0] == 0);
    }
}

static void a_base_counts_from_its_place_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        SCOPED_VALUE(arena) a;
        struct page page = read_page(&a, str_from(bases[i].html), "");

        assert_true(page.has_refresh);
        assert_int_equal(page.refresh.base.ptr == NULL, bases[i].base == NULL);
        assert_str(page.refresh.base, bases[i].base ? bases[i].base : "");
    }
}

/* clang-format off */
static const struct {
    const char *body, *type, *charset;
} pages[] = {
    {"<p>",                                                     "text/html",                      "CP1252"},
    {"<p>",                                                     "text/html;charset=utf-8",        "UTF-8"},
    {"<p>",                                                     "text/html; a=b; CHARSET = \"L1\"", "CP1252"},
    {"<p>",                                                     "text/html;charset=utf-7",        "CP1252"},
    {"\xef\xbb\xbf<p>",                                         "text/html;charset=latin1",       "UTF-8"},
    {"\xff\xfe<",                                               "text/html;charset=utf-8",        "UTF-16LE"},
    {"<meta charset=gbk>",                                      "",                               "GB18030"},
    {"<meta charset=gbk>",                                      "text/html;charset=big5",         "BIG5-HKSCS"},
    {"<meta charset=nonsense><meta charset=koi8-r>",            "",                               "KOI8-R"},
    {"<meta charset=utf-16>",                                   "",                               "UTF-8"},
    {"<!--<meta charset=gbk>--><meta charset=sjis>",            "",                               "CP932"},
    {"<meta http-equiv=content-type content='text/html; charset=Shift_JIS'>", "",                 "CP932"},
    {"<meta content='charset = \"iso-8859-9\" ' http-equiv=Content-Type>", "",                    "CP1254"},
    {"<meta name=x content='charset=gbk'>",                     "",                               "CP1252"},
    {"<p title='<meta charset=gbk>'>",                          "",                               "CP1252"},
};
/* clang-format on */

static void the_encoding_is_found_as_browsers_find_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        const char *charset = charset_of_page(str_from(pages[i].body), str_from(pages[i].type));

        if (strcmp(charset, pages[i].charset) != 0)
            fail_msg("%s (%s): %s, not %s", pages[i].body, pages[i].type, charset, pages[i].charset);
    }
}

static void a_late_meta_charset_is_not_seen(void **state)
{
    SCOPED_VALUE(buf) body;

    (void)state;
    buf_init(&body, 1 << 16);
    for (int i = 0; i < 1024; i++)
        buf_append_char(&body, ' ');
    buf_append_str(&body, STR("<meta charset=utf-8>"));
    assert_string_equal(charset_of_page(buf_str(&body), STR("")), "CP1252");
}

static void what_is_no_character_is_replaced(void **state)
{
    /* clang-format off */
    static const struct {
        const char *charset;
        struct str in;
        const char *out;
    } cases[] = {
        {"UTF-8",    STR("a\xff" "b"),           "a\xef\xbf\xbd" "b"},
        {"CP1252",   STR("\x80\x85\xe9"),        "\xe2\x82\xac\xe2\x80\xa6\xc3\xa9"},
        {"CP1252",   STR("a\x81z"),              "a\xef\xbf\xbdz"},
        {"CP932",    STR("\x95\x5c."),           "\xe8\xa1\xa8."},
        {"CP932",    STR("a\x95"),               "a\xef\xbf\xbd"},
        {"UTF-16LE", STR("\xff\xfe" "a\0\xe9\0"), "a\xc3\xa9"},
        {"UTF-16LE", STR("a\0\0\xd8" "b\0"),     "a\xef\xbf\xbd" "b"},
        {"GB18030",  STR("\xd6\xd0\xff"),        "\xe4\xb8\xad\xef\xbf\xbd"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED_VALUE(buf) out;

        buf_init(&out, 256);
        assert_true(charset_to_utf8(cases[i].charset, cases[i].in, &out));
        assert_str(buf_str(&out), cases[i].out);
    }
}

static void every_label_has_an_encoding_that_this_machine_knows(void **state)
{
    static const char *const labels[] = {
        "utf8",         "latin1",       "windows-1250",   "windows-1251", "windows-1253", "iso-8859-9",
        "windows-1255", "windows-1256", "windows-1257",   "windows-1258", "iso-8859-2",   "iso-8859-3",
        "iso-8859-4",   "iso-8859-5",   "iso-8859-6",     "iso-8859-7",   "iso-8859-8",   "iso-8859-10",
        "iso-8859-13",  "iso-8859-14",  "iso-8859-15",    "iso-8859-16",  "ibm866",       "koi8-r",
        "koi8-u",       "macintosh",    "x-mac-cyrillic", "tis-620",      "gbk",          "big5",
        "euc-jp",       "iso-2022-jp",  "sjis",           "euc-kr",       "utf-16be"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        SCOPED_VALUE(buf) out;
        const char *charset = charset_from_label(str_from(labels[i]));

        buf_init(&out, 256);
        assert_non_null(charset);
        if (!charset_to_utf8(charset, STR("<\0<\0"), &out))
            fail_msg("%s: iconv lacks %s", labels[i], charset);
    }
    assert_null(charset_from_label(STR("utf-7")));
    assert_null(charset_from_label(STR("utf-8 utf8")));
    assert_null(charset_from_label(STR("")));
}

static void signs_are_counted(void **state)
{
    SCOPED_VALUE(arena) a;
    struct page page =
        read_page(&a,
                  STR("<head><title>not seen</title><script src=a></script><script>x()</script></head>"
                      "<form></form><iframe src=b></iframe><noscript>not seen</noscript>"
                      "<template><script></script><form></form>no</template><p>one \n\t two</p>"),
                  "");

    (void)state;
    assert_int_equal(page.signs.scripts, 2);
    assert_int_equal(page.signs.external_scripts, 1);
    assert_int_equal(page.signs.forms, 1);
    assert_int_equal(page.signs.frames, 1);
    assert_int_equal(page.signs.visible_text, strlen("one two"));
}

static void a_body_without_a_type_is_sniffed(void **state)
{
    (void)state;
    assert_true(page_is_html(STR("<!DOCTYPE html>")));
    assert_true(page_is_html(STR("\xef\xbb\xbf \n<P >")));
    assert_true(page_is_html(STR("<!-- x")));
    assert_false(page_is_html(STR("<meta charset=utf-8>")));
    assert_false(page_is_html(STR("<b")));
    assert_false(page_is_html(STR("{\"a\": \"<p>\"}")));
    assert_false(page_is_html(STR("")));
}

/* Each takes a moment; one that took time in the square of its length would take minutes. */
static void hostile_pages_are_read_in_one_pass(void **state)
{
    static const char *const pieces[] = {
        "<b>",           "</i>",     "<!--",         "--",    "<meta ",
        "<a b=\"",       "<script>", "<!--<script>", "</",    "<meta http-equiv=refresh content='1;url=/'>",
        "<base href=x>", " a1=b",    "<template>",   "<svg>", "<!"};
    enum { BYTES = 2 * 1024 * 1024 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        SCOPED_VALUE(arena) a;
        SCOPED_VALUE(buf) body;
        struct page page;

        arena_init(&a, 16 * ARENA);
        buf_init(&body, BYTES);
        buf_append_str(&body, STR("<meta "));
        while (buf_append_str(&body, str_from(pieces[i])))
            ;
        assert_true(page_read(&a, buf_str(&body), STR(""), &page));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refresh_counts_where_a_browser_obeys_it),
        cmocka_unit_test(a_base_counts_from_its_place_on),
        cmocka_unit_test(the_encoding_is_found_as_browsers_find_it),
        cmocka_unit_test(a_late_meta_charset_is_not_seen),
        cmocka_unit_test(what_is_no_character_is_replaced),
        cmocka_unit_test(every_label_has_an_encoding_that_this_machine_knows),
        cmocka_unit_test(signs_are_counted),
        cmocka_unit_test(a_body_without_a_type_is_sniffed),
        cmocka_unit_test(hostile_pages_are_read_in_one_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
