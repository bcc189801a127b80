/*
 * test_hit.c - what a click is answered, what is traced for it, and what is written down.
 */
#include "tests/unit/test.h"

#include "common/click_ids.h"
#include "common/httpd.h"
#include "common/json.h"
#include "edge/click.h"
#include "edge/decide.h"
#include "edge/hit.h"
#include "edge/purpose.h"
#include "edge/trust.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const char OFFERS[] =
    "[{\"id\":\"01a20040-2ca4-7cda-a3b1-203e773c14fb\",\"offer_name\":\"plain\",\"final_url\":\"https://"
    "t.example/c\","
    "\"target_country\":\"us\"},"
    "{\"offer_name\":\"own\",\"final_url\":\"https://t.example/c?a=1&b=%32#frag\"},"
    "{\"offer_name\":\"holes\",\"final_url\":\"https://t.example/{sub}/x?g={gclid}&lit={a "
    "b}&s={sub}#{sub}\"},"
    "{\"offer_name\":\"closed\",\"final_url\":\"https://t.example/?g={gclid}\",\"pass_params\":false},"
    "{\"offer_name\":\"marked\",\"final_url\":\"https://t.example/"
    "?g={gclid}\",\"trace_click_ids\":\"marked\"},"
    "{\"offer_name\":\"inbound\",\"final_url\":\"https://t.example/"
    "?g={gclid}\",\"trace_click_ids\":\"inbound\"},"
    "{\"offer_name\":\"hosts\",\"final_url\":\"https://t.example/"
    "\",\"allowed_hosts\":[\"shop.example\",\".kin.example\","
    "\"*.star.example\"]},"
    "{\"offer_name\":\"named\",\"final_url\":\"https://t.example/\",\"allowed_hosts\":[\"shop.example\"],"
    "\"redirect_param\":\"to\"},"
    "{\"offer_name\":\"deaf\",\"final_url\":\"https://t.example/\",\"allowed_hosts\":[\"shop.example\"],"
    "\"redirect_param\":\"\"},"
    "{\"offer_name\":\"country\",\"final_url\":\"https://t.example/"
    "\",\"country_from\":\"header\",\"target_country\":\"us\"},"
    "{\"offer_name\":\"off\",\"final_url\":\"https://t.example/"
    "\",\"is_active\":false,\"fallback_url\":\"https://f.example/x\"},"
    "{\"offer_name\":\"off2\",\"final_url\":\"https://t.example/\",\"is_active\":false},"
    "{\"offer_name\":\"broken\",\"final_url\":\"nonsense\"},"
    "{\"offer_name\":\"caf\\u00e9 & co\",\"final_url\":\"https://t.example/\"}]";

static struct offers *offers;

static int load(void **state)
{
    struct err err;

    (void)state;
    return offers_parse(str_from(OFFERS), &offers, &err) ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    offers_destroy(offers);
    return 0;
}

struct seen {
    struct arena arena;
    struct decision d;
};

static void see(struct seen *s, const char *query, struct decide_env env)
{
    *s = (struct seen){.d.outcome = DECIDE_NO_OFFER};
    arena_init(&s->arena, 1 << 22);
    decision_init(&s->d);
    decide(&env, &s->arena, str_from(query), &s->d);
}

static void forget(struct seen *s)
{
    decision_finish(&s->d);
    arena_finish(&s->arena);
}

static struct decide_env usual(void)
{
    return (struct decide_env){.offers = offers, .redirect_param = STR("redirection_url")};
}

/* clang-format off */
static const struct {
    const char *query, *location, *traced;
} REDIRECTS[] = {
    {"offer=plain", "https://t.example/c", "https://t.example/c"},
    {"gclid=G&offer=plain&sub=1", "https://t.example/c?gclid=G&sub=1", "https://t.example/c?sub=1"},
    {"off%65r=plain&a=1", "https://t.example/c?a=1", "https://t.example/c?a=1"},
    /* the first offer counts, and none is passed on */
    {"offer=plain&offer=own&a=2", "https://t.example/c?a=2", "https://t.example/c?a=2"},
    /* bytes stay as they were written; duplicates, flags and empty values too */
    {"offer=plain&x=%c3%a9+%2B&x=2&flag&e=&&", "https://t.example/c?x=%c3%a9+%2B&x=2&flag&e=", "https://t.example/c?x=%c3%a9+%2B&x=2&flag&e="},
    {"offer=plain&x=%0d%0aSet-Cookie:a", "https://t.example/c?x=%0d%0aSet-Cookie:a", "https://t.example/c?x=%0d%0aSet-Cookie:a"},
    {"offer=plain&x=<\">#y", "https://t.example/c?x=%3C%22%3E%23y", "https://t.example/c?x=%3C%22%3E%23y"},
    {"offer=plain&x=%", "https://t.example/c?x=%", "https://t.example/c?x=%"},
    /* the URL's own parameters win, however they are spelled; the fragment stays last */
    {"offer=own&a=9&b=9&%61=9&c=3", "https://t.example/c?a=1&b=%32&c=3#frag", "https://t.example/c?a=1&b=%32&c=3#frag"},
    /* placeholders: the last value, encoded; taken ones are not appended; unknown ones are empty */
    {"offer=holes&sub=a%20b&sub=c/d%3F&z=1", "https://t.example/c%2Fd%3F/x?g=&lit={a%20b}&s=c%2Fd%3F&z=1#c%2Fd%3F", "https://t.example/c%2Fd%3F/x?g=&lit={a%20b}&s=c%2Fd%3F&z=1#c%2Fd%3F"},
    {"offer=holes&sub=%0d%0a%00%ff", "https://t.example/%0D%0A%00%FF/x?g=&lit={a%20b}&s=%0D%0A%00%FF#%0D%0A%00%FF", "https://t.example/%0D%0A%00%FF/x?g=&lit={a%20b}&s=%0D%0A%00%FF#%0D%0A%00%FF"},
    {"offer=holes&sub={gclid}&gclid=G", "https://t.example/%7Bgclid%7D/x?g=G&lit={a%20b}&s=%7Bgclid%7D#%7Bgclid%7D", "https://t.example/%7Bgclid%7D/x?g=&lit={a%20b}&s=%7Bgclid%7D#%7Bgclid%7D"},
    {"offer=closed&gclid=G&a=1", "https://t.example/?g=G", "https://t.example/?g="},
    /* click ids in what is traced */
    {"offer=marked&gclid=G&fbclid=F&a=1", "https://t.example/?g=G&fbclid=F&a=1", "https://t.example/?g=tracepool-test&fbclid=tracepool-test&a=1"},
    {"offer=inbound&gclid=G&fbclid=F", "https://t.example/?g=G&fbclid=F", "https://t.example/?g=G&fbclid=F"},
    {"offer=plain&GCLID=G&gad_source=1&wbraid=w&a=1", "https://t.example/c?GCLID=G&gad_source=1&wbraid=w&a=1", "https://t.example/c?a=1"},
    {"offer=caf%C3%A9+%26%20co&a=1", "https://t.example/?a=1", "https://t.example/?a=1"},
};

static const struct {
    const char *query, *location, *traced;
    enum decide_visible visible;
} VISIBLE[] = {
    {"offer=hosts&redirection_url=https%3A%2F%2Fshop.example%2Fp%3Fgclid%3DX%26q%3D1&gclid=G&s=2", "https://shop.example/p?gclid=X&q=1&s=2", "https://shop.example/p?q=1&s=2", DECIDE_VISIBLE_FOLLOWED},
    {"offer=hosts&redirection_url=https://SHOP.example", "https://shop.example/", "https://shop.example/", DECIDE_VISIBLE_FOLLOWED},
    {"offer=hosts&redirection_url=https://a.kin.example/", "https://a.kin.example/", "https://a.kin.example/", DECIDE_VISIBLE_FOLLOWED},
    {"offer=hosts&redirection_url=https://a.star.example/", "https://a.star.example/", "https://a.star.example/", DECIDE_VISIBLE_FOLLOWED},
    {"offer=hosts&redirection_url=http://shop.example:81/?{sub}&sub=1", "http://shop.example:81/?{sub}&sub=1", "http://shop.example:81/?{sub}&sub=1", DECIDE_VISIBLE_FOLLOWED},
    /* everything else is the offer's own target, and the parameter goes no further */
    {"offer=hosts&redirection_url=https://kin.example/", "https://t.example/", "https://t.example/", DECIDE_VISIBLE_REFUSED},
    {"offer=hosts&redirection_url=https://evilshop.example/", "https://t.example/", "https://t.example/", DECIDE_VISIBLE_REFUSED},
    {"offer=hosts&redirection_url=https://shop.example.evil/", "https://t.example/", "https://t.example/", DECIDE_VISIBLE_REFUSED},
    {"offer=hosts&redirection_url=https://shop.example@evil/", "https://t.example/", "https://t.example/", DECIDE_VISIBLE_REFUSED},
    {"offer=hosts&redirection_url=https://u:p@shop.example/", "https://t.example/", "https://t.example/", DECIDE_VISIBLE_REFUSED},
    {"offer=hosts&redirection_url=//evil/", "https://t.example/", "https://t.example/", DECIDE_VISIBLE_REFUSED},
    {"offer=hosts&redirection_url=javascript:alert(1)", "https://t.example/", "https://t.example/", DECIDE_VISIBLE_REFUSED},
    {"offer=hosts&redirection_url=", "https://t.example/", "https://t.example/", DECIDE_VISIBLE_REFUSED},
    {"offer=plain&redirection_url=https://shop.example/", "https://t.example/c", "https://t.example/c", DECIDE_VISIBLE_REFUSED},
    /* the offer's own name for it */
    {"offer=named&to=https://shop.example/&redirection_url=x", "https://shop.example/?redirection_url=x", "https://shop.example/?redirection_url=x", DECIDE_VISIBLE_FOLLOWED},
    {"offer=deaf&redirection_url=https://shop.example/", "https://t.example/?redirection_url=https://shop.example/", "https://t.example/?redirection_url=https://shop.example/", DECIDE_VISIBLE_NONE},
};
/* clang-format on */

static void test_redirects(void **state)
{
    struct seen s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(REDIRECTS); i++) {
        see(&s, REDIRECTS[i].query, usual());
        assert_int_equal(s.d.outcome, DECIDE_REDIRECT);
        assert_str(buf_str(&s.d.location), REDIRECTS[i].location);
        assert_str(buf_str(&s.d.traced), REDIRECTS[i].traced);
        forget(&s);
    }
}

static void test_visible_targets(void **state)
{
    struct seen s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VISIBLE); i++) {
        see(&s, VISIBLE[i].query, usual());
        assert_str(buf_str(&s.d.location), VISIBLE[i].location);
        assert_str(buf_str(&s.d.traced), VISIBLE[i].traced);
        assert_int_equal(s.d.visible, VISIBLE[i].visible);
        forget(&s);
    }
}

static void test_refusals_and_fallbacks(void **state)
{
    static const struct {
        const char *query;
        enum decide_outcome outcome;
        int status;
        const char *without, *with; /* a global fallback */
    } cases[] = {
        {"", DECIDE_NO_OFFER, 400, "", ""},
        {"a=1", DECIDE_NO_OFFER, 400, "", ""},
        {"offer=", DECIDE_NO_OFFER, 400, "", ""},
        {"offer=unknown", DECIDE_UNKNOWN, 404, "", "https://g.example/"},
        {"offer=off", DECIDE_INACTIVE, 404, "https://f.example/x", "https://f.example/x"},
        {"offer=off2&a=1", DECIDE_INACTIVE, 404, "", "https://g.example/"},
        {"offer=broken", DECIDE_BROKEN, 500, "", "https://g.example/"},
    };
    struct decide_env with = usual();
    struct seen s;

    (void)state;
    with.fallback = STR("https://g.example/");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        see(&s, cases[i].query, usual());
        assert_int_equal(s.d.outcome, cases[i].outcome);
        assert_int_equal(decide_status(s.d.outcome), cases[i].status);
        assert_str(buf_str(&s.d.location), cases[i].without);
        forget(&s);
        see(&s, cases[i].query, with);
        assert_str(buf_str(&s.d.location), cases[i].with);
        assert_str(buf_str(&s.d.traced), cases[i].with);
        forget(&s);
    }
}

static void test_before_offers_are_known(void **state)
{
    struct decide_env env = {.offers = NULL};
    struct seen s;

    (void)state;
    see(&s, "offer=plain", env);
    assert_int_equal(decide_status(s.d.outcome), 503);
    assert_int_equal(s.d.location.len, 0);
    forget(&s);
}

static void test_the_longest_location(void **state)
{
    enum { URL = 19, FIXED = sizeof("?x=") - 1 }; /* https://t.example/c */
    SCOPED(char) query = calloc(1, TARGET_MAX_BYTES + 64);
    int head = snprintf(query, TARGET_MAX_BYTES, "offer=plain&x=");
    struct seen s;

    (void)state;
    memset(query + head, 'a', TARGET_MAX_BYTES - URL - FIXED);
    see(&s, query, usual());
    assert_int_equal(s.d.outcome, DECIDE_REDIRECT);
    assert_int_equal(s.d.location.len, TARGET_MAX_BYTES);
    forget(&s);
    query[strlen(query)] = 'a';
    see(&s, query, usual());
    assert_int_equal(s.d.outcome, DECIDE_TOO_LONG);
    assert_int_equal(decide_status(s.d.outcome), 400);
    assert_int_equal(s.d.location.len, 0);
    assert_non_null(strstr(decide_message(s.d.outcome), "8192"));
    forget(&s);
}

static void test_country(void **state)
{
    struct decide_env env = usual();
    struct seen s;

    (void)state;
    env.header_country = STR("DE");
    see(&s, "offer=country", env);
    assert_str(s.d.country, "DE");
    forget(&s);
    see(&s, "offer=plain", env);
    assert_str(s.d.country, "us");
    forget(&s);
    see(&s, "offer=country", usual());
    assert_str(s.d.country, "us");
    forget(&s);
}

static void test_templates_that_are_refused(void **state)
{
    static const char *const bad[] = {
        "",          "nonsense",           "ftp://h/",         "https://{h}/",   "https://a{h}b/",
        "{s}://h/",  "https:{x}",          "https://h:{p}/",   "https://{u}@h/", "https://u:{p}@h/",
        "https:///", "javascript:alert()", "https://h:99999/", "//h/",           "https://exa mple/",
    };
    SCOPED_VALUE(arena) a = {.ceiling = 1 << 20};
    struct target t;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (target_compile(&a, str_from(bad[i]), &t, &err))
            fail_msg("compiled: %s", bad[i]);
}

/* The words that stand for placeholders while a template is parsed must not be mistaken for its text. */
static void test_a_template_full_of_words(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = 1 << 20};
    SCOPED_VALUE(buf) out = {.max = 1024};
    struct inbound in = {.n = 0};
    struct target t;
    struct err err;

    (void)state;
    assert_true(target_compile(&a, STR("https://h/tp0x000/tp1\nx001{a}t\tp2x/{b}002"), &t, &err));
    target_build(&t, &in, true, TARGET_CLICK_IDS_NONE, &out);
    assert_str(buf_str(&out), "https://h/tp0x000/tp1x001tp2x/002");
}

static void test_the_row(void **state)
{
    SCOPED_VALUE(arena) a = {.ceiling = 1 << 20};
    SCOPED_VALUE(buf) out = {.max = 1 << 20};
    struct str query = STR("offer=x&a=%00%ff%22%5C%0a&a=2&k%ed%a0%80=%E2%82%AC&e");
    struct inbound in;
    struct err err;
    struct click click = {.id = uuid7_next(1),
                          .offer = STR("x\xff"),
                          .url = STR("https://h/"),
                          .inbound = &in,
                          .raw_query = query,
                          .at_ms = 17,
                          .path = "track-hit"};

    (void)state;
    assert_true(inbound_read(&a, query, &in, &err));
    inbound_take(&in, STR("offer"));
    click_write(&click, &out);
    assert_non_null(
        strstr(buf_cstr(&out), "\"params\":{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\\\"\\\\\\u000a\",\"a\":\"2\","));
    assert_non_null(strstr(buf_cstr(&out), "\"offer\":\"x\xef\xbf\xbd\""));
    assert_non_null(strstr(buf_cstr(&out), "\"offer_id\":null"));
    assert_non_null(strstr(buf_cstr(&out), "\"status\":\"pending\",\"skip_reason\":null"));

    /* the name that was no UTF-8 either, and what json can read of it */
    SCOPED(json_t) read = json_loadb(out.data, out.len, 0, NULL);
    assert_non_null(read);
    assert_string_equal(json_string_value(json_object_get(json_object_get(read, "params"), "a")), "2");
    assert_string_equal(json_string_value(json_object_get(json_object_get(read, "params"),
                                                          "k\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")),
                        "\xe2\x82\xac");
    assert_string_equal(json_string_value(json_object_get(json_object_get(read, "params"), "e")), "");
    assert_int_equal(json_integer_value(json_object_get(read, "at")), 17);
}

static void test_click_ids(void **state)
{
    static const char *const ids[] = {"gclid",   "GBRAID",   "wbraid",         "gad_source", "gad_",
                                      "Gclsrc",  "WickedID", "gad_campaignid", "dclid",      "srsltid",
                                      "msclkid", "fbclid",   "ttclid",         "twclid",     "li_fat_id",
                                      "yclid",   "ysclid",   "epik",           "sccid",      "scclid",
                                      "rdt_cid", "qclid",    "obclid",         "tblci",      "irclickid"};
    static const char *const others[] = {"",     "gclid2", "gad", "sub1", "utm_source",
                                         "clid", "@clid",  "g",   "xclid"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_true(click_id_is(str_from(ids[i])));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(click_id_is(str_from(others[i])));
}

static bool is_prefetch(const char *header)
{
    struct httpd_head head;
    char text[256];
    int status;
    const char *why;

    snprintf(text, sizeof(text), "GET /x HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", header);
    assert_int_equal(httpd_parse_head(str_from(text), sizeof(text), 0, &head, &status, &why),
                     HTTPD_PARSE_DONE);
    return purpose_not_a_click(&head) != NULL;
}

static void test_prefetch(void **state)
{
    (void)state;
    assert_true(is_prefetch("Sec-Purpose: prefetch;prerender"));
    assert_true(is_prefetch("Purpose: prefetch"));
    assert_true(is_prefetch("X-Purpose: preview"));
    assert_true(is_prefetch("X-Moz: Prefetch"));
    assert_false(is_prefetch("Sec-Fetch-Mode: navigate"));
    assert_false(is_prefetch("Purpose: visit"));
}

static struct sockaddr_storage peer(const char *address)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNIX};

    if (inet_pton(AF_INET, address, &((struct sockaddr_in *)&ss)->sin_addr) == 1)
        ss.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&ss)->sin6_addr) == 1)
        ss.ss_family = AF_INET6;
    return ss;
}

static void test_trust(void **state)
{
    static const struct {
        const char *list, *peer;
        bool is_trusted;
    } cases[] = {
        {"", "127.0.0.1", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"10.0.0.0/8, 192.0.2.0/25", "10.255.0.1", true},
        {"10.0.0.0/8, 192.0.2.0/25", "192.0.2.127", true},
        {"10.0.0.0/8, 192.0.2.0/25", "192.0.2.128", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "::1", true},
        {"unix", "a unix socket", true},
        {"::/0", "a unix socket", false},
    };
    static const char *const bad[] = {"x", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "/8"};
    struct trust trust;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sockaddr_storage ss = peer(cases[i].peer);

        assert_true(trust_parse(str_from(cases[i].list), &trust, &err));
        assert_int_equal(trust_has(&trust, &ss), cases[i].is_trusted);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(trust_parse(str_from(bad[i]), &trust, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_visible_targets),
        cmocka_unit_test(test_refusals_and_fallbacks),
        cmocka_unit_test(test_before_offers_are_known),
        cmocka_unit_test(test_the_longest_location),
        cmocka_unit_test(test_country),
        cmocka_unit_test(test_templates_that_are_refused),
        cmocka_unit_test(test_a_template_full_of_words),
        cmocka_unit_test(test_the_row),
        cmocka_unit_test(test_click_ids),
        cmocka_unit_test(test_prefetch),
        cmocka_unit_test(test_trust),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
