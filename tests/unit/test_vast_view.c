/*
 * One view of an ad as data: which events, in which order, with which URLs.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "worker/vast/relative.h"
#include "worker/vast/view.h"

#include <string.h>

static const char document[] =
    "<VAST version=\"4.1\"><Ad id=\"a1\" sequence=\"2\"><InLine><AdSystem>sys</AdSystem>"
    "<Impression>http://t.test/i1</Impression><Impression>http://t.test/i2</Impression>"
    "<Error>http://t.test/error?c=[ERRORCODE]</Error><Creatives>"
    "<Creative><CompanionAds><Companion width=\"1\" height=\"1\"><TrackingEvents>"
    "<Tracking event=\"creativeView\">http://t.test/companion</Tracking></TrackingEvents></Companion>"
    "</CompanionAds></Creative>"
    "<Creative id=\"c1\"><Linear><Duration>00:00:08</Duration><MediaFiles>"
    "<MediaFile type=\"video/mp4\">http://m.test/a b.mp4</MediaFile></MediaFiles><TrackingEvents>"
    "<Tracking event=\"complete\">http://t.test/complete</Tracking>"
    "<Tracking "
    "event=\"start\">http://t.test/start?p=[ADPLAYHEAD]&amp;s=[SERVERSIDE]&amp;n=[PODSEQUENCE]</Tracking>"
    "<Tracking event=\"creativeView\">http://t.test/view?m=[ASSETURI]</Tracking>"
    "<Tracking event=\"pause\">http://t.test/pause</Tracking>"
    "<Tracking event=\"progress\" offset=\"00:00:05\">http://T.test:80/progress?p=[ADPLAYHEAD]</Tracking>"
    "<Tracking event=\"midpoint\">http://t.test/mid</Tracking>"
    "</TrackingEvents><VideoClicks><ClickTracking>http://t.test/click</ClickTracking></VideoClicks>"
    "</Linear></Creative></Creatives></InLine></Ad></VAST>";

static const struct vast_sender sender = {.user_agent = {"us/1", 4}};

static struct vast_provider nobody = {.is_active = true};

static json_t *view_of(struct arena *a, const char *text)
{
    struct vast_doc *doc;
    struct err err;
    json_t *view;

    assert_true(vast_parse(a, str_from(text), &doc, &err));
    assert_int_equal(doc->nads, 1);
    assert_true(vast_view_json(a, &doc->ads[0], 0, &sender, &nobody, &view, &err));
    return view;
}

static void every_event_in_its_place(void **state)
{
    /* clang-format off */
    static const struct {
        const char *event, *host, *url;
        int ord, at_ms; /* at_ms -1: on request */
        bool is_billing;
    } expected[] = {
        {"impression",   "t.test", "http://t.test/i1",                             0, 0,    true},
        {"impression",   "t.test", "http://t.test/i2",                             0, 0,    true},
        {"start",        "t.test", "http://t.test/start?p=00%3A00%3A00.000&s=2&n=2", 1, 0,  false},
        {"creativeView", "t.test", "http://t.test/view?m=http%3A%2F%2Fm.test%2Fa%20b.mp4", 2, 0, false},
        {"midpoint",     "t.test", "http://t.test/mid",                            3, 4000, false},
        {"progress-5000","t.test", "http://t.test/progress?p=00%3A00%3A05.000",    4, 5000, false},
        {"complete",     "t.test", "http://t.test/complete",                       5, 8000, false},
        {"error",        "t.test", "http://t.test/error?c=[ERRORCODE]",            0, -1,   false},
        {"click",        "t.test", "http://t.test/click",                          1, -1,   true},
        {"pause",        "t.test", "http://t.test/pause",                          1, -1,   false},
        {"companion-creativeView", "t.test", "http://t.test/companion",            1, -1,   false},
    };
    /* clang-format on */
    SCOPED_VALUE(arena) arena = {.ceiling = 1 << 22};
    SCOPED(json_t) view = view_of(&arena, document);
    const json_t *events = json_object_get(view, "events");

    (void)state;
    assert_int_equal(json_get_int(view, "creative", -1), 1); /* the linear one */
    assert_int_equal(json_get_int(view, "duration_ms", -1), 8000);
    assert_string_equal(json_string_value(json_object_get(view, "creative_id")), "c1");
    assert_int_equal(json_array_size(events), ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const json_t *e = json_array_get(events, i);

        assert_string_equal(json_string_value(json_object_get(e, "event")), expected[i].event);
        assert_string_equal(json_string_value(json_object_get(e, "url")), expected[i].url);
        assert_string_equal(json_string_value(json_object_get(e, "host")), expected[i].host);
        assert_int_equal(json_get_int(e, "ord", -9), expected[i].ord);
        assert_int_equal(json_get_int(e, "at_ms", -1), expected[i].at_ms);
        assert_int_equal(json_get_bool(e, "billing", false), expected[i].is_billing);
    }
}

static void without_a_duration_impression_and_start_only(void **state)
{
    SCOPED_VALUE(arena) arena = {.ceiling = 1 << 22};
    SCOPED(json_t) view = view_of(
        &arena,
        "<VAST version=\"2.0\"><Ad><InLine><Impression>http://t.test/i</Impression><Creatives><Creative>"
        "<Linear><Duration>00:00:00</Duration><TrackingEvents><Tracking event=\"start\">http://t.test/s"
        "</Tracking><Tracking event=\"midpoint\">http://t.test/m</Tracking></TrackingEvents></Linear>"
        "</Creative></Creatives></InLine></Ad></VAST>");
    const json_t *events = json_object_get(view, "events");

    (void)state;
    assert_int_equal(json_array_size(events), 3);
    assert_int_equal(json_get_int(json_array_get(events, 0), "at_ms", -1), 0);
    assert_int_equal(json_get_int(json_array_get(events, 1), "at_ms", -1), 0);
    assert_int_equal(json_get_int(json_array_get(events, 2), "at_ms", -1), -1);
}

static void what_an_event_comes_to(void **state)
{
    /* clang-format off */
    static const struct {
        const char *template, *macros, *params, *url; /* url NULL: it comes to none */
    } cases[] = {
        {"http://t.test/?a=[A]",      "{\"A\": \"1 2\"}",        "{}",                 "http://t.test/?a=1%202"},
        {"http://t.test/?a=[A]",      "{\"A\": [\"1\", \"2,3\"]}", "{}",               "http://t.test/?a=1,2%2C3"},
        {"http://t.test/?a=[A]",      "{\"A\": 7, \"B\": null}", "{}",                 "http://t.test/?a=[A]"},
        {"http://t.test/",            "{}",                      "{\"x y\": \"&\"}",   "http://t.test/?x%20y=%26"},
        {"http://t.test/?a",          "{}",                      "{\"x\": \"1\", \"n\": 2}", "http://t.test/?a&x=1"},
        {"http://t.test/?[SERVERSIDE][SERVERUA]", "{\"SERVERSIDE\": \"0\", \"SERVERUA\": \"x\"}", "{}", "http://t.test/?2us%2F1"},
        {"http://[H]/",               "{\"H\": \"evil.test\"}",  "{}",                 "http://evil.test/"},
        {"[U]",                       "{\"U\": \"http://evil.test/\"}", "{}",          NULL}, /* a value is encoded */
        {"//t.test/",                 "{}",                      "{}",                 NULL},
        {"",                          "{}",                      "{}",                 NULL},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED_VALUE(arena) arena = {.ceiling = 1 << 22};
        struct err err;
        SCOPED(json_t) macros = json_parse(str_from(cases[i].macros), &err);
        SCOPED(json_t) params = json_parse(str_from(cases[i].params), &err);
        struct url url;
        bool is_url =
            vast_event_url(&arena, str_from(cases[i].template), macros, params, &sender, &url, &err);

        if (is_url != (cases[i].url != NULL) || (is_url && !str_equal(url.href, str_from(cases[i].url))))
            fail_msg("%s: %.*s", cases[i].template, is_url ? (int)url.href.len : 0,
                     is_url ? url.href.ptr : "");
    }
}

static void too_little_memory_is_an_error(void **state)
{
    (void)state;
    for (size_t ceiling = 9000; ceiling < 60000; ceiling += 500) {
        SCOPED_VALUE(arena) big = {.ceiling = 1 << 22}, small = {.ceiling = ceiling};
        struct vast_doc *doc;
        struct err err;
        json_t *view = NULL;

        assert_true(vast_parse(&big, str_from(document), &doc, &err));
        if (vast_view_json(&small, &doc->ads[0], 0, &sender, &nobody, &view, &err))
            json_decref(view);
        else
            assert_int_equal(err.code, ERR_TOO_BIG);
    }
}

static void a_provider_fills_its_macros_and_hides_events(void **state)
{
    static const struct str names[] = {STR("pause"), STR("progress-*")};
    struct str domain = STR("a b"), pod = STR("9");
    struct vast_macro macros[] = {{.name = STR("DOMAIN"), .values = &domain, .nvalues = 1},
                                  {.name = STR("PODSEQUENCE"), .values = &pod, .nvalues = 1},
                                  {.name = STR("IFA"), .is_withheld = true}};
    struct vast_provider acme = {.name = STR("acme"),
                                 .is_active = true,
                                 .macros = macros,
                                 .nmacros = ARRAY_LEN(macros),
                                 .macro_mode = VAST_MACRO_IAB,
                                 .macro_formats = VAST_MACRO_BRACKETS,
                                 .exclude = {.items = (struct str *)names, .n = 2}};
    SCOPED_VALUE(arena) arena = {.ceiling = 1 << 22};
    struct vast_doc *doc;
    struct err err;
    json_t *view, *events;

    (void)state;
    assert_true(vast_parse(
        &arena,
        STR("<VAST version=\"4.1\"><Ad sequence=\"2\"><InLine>"
            "<Impression>http://t.test/i?d=[DOMAIN]&amp;p=[PODSEQUENCE]&amp;i=[IFA]&amp;u=[UNIVERSALADID]"
            "&amp;x=${DOMAIN}</Impression><Creatives><Creative><Linear><Duration>00:00:08</Duration>"
            "<TrackingEvents><Tracking event=\"pause\">http://t.test/p</Tracking>"
            "<Tracking event=\"progress\" offset=\"50%\">http://t.test/q</Tracking></TrackingEvents>"
            "</Linear></Creative></Creatives></InLine></Ad></VAST>"),
        &doc, &err));
    assert_true(vast_view_json(&arena, &doc->ads[0], 0, &sender, &acme, &view, &err));
    events = json_object_get(view, "events");
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 0), "url")),
                        "http://t.test/i?d=a%20b&p=9&i=-2&u=-1&x=${DOMAIN}");
    assert_null(json_object_get(json_array_get(events, 0), "logged"));
    assert_true(json_is_false(json_object_get(json_array_get(events, 1), "logged")));
    assert_true(json_is_false(json_object_get(json_array_get(events, 2), "logged")));
    assert_string_equal(json_string_value(json_object_get(view, "provider")), "acme");
    assert_string_equal(json_string_value(json_object_get(view, "macro_mode")), "iab");
    assert_int_equal(json_array_size(json_object_get(view, "macro_formats")), 1);
    json_decref(view);
}

static void a_lost_ad_tells_its_errors_the_code(void **state)
{
    struct vast_url to[] = {{.url = STR("http://t.test/e?c=[ERRORCODE]&u=[SERVERUA]")},
                            {.url = STR("/e?${ERRORCODE}")}};
    struct vast_failure failure = {.code = 303, .ad = STR("w1"), .errors = {.items = to, .n = 2}};
    SCOPED_VALUE(arena) arena = {.ceiling = 1 << 22};
    struct url base;
    struct err err;
    json_t *view, *events;

    (void)state;
    assert_true(url_parse(&arena, STR("http://ads.test/tag?x"), NULL, &base, &err));
    to[1].base = &base;
    assert_true(vast_lost_json(&arena, &failure, 3, &sender, &nobody, &view, &err));
    events = json_object_get(view, "events");
    assert_int_equal(json_get_int(view, "error_code", 0), 303);
    assert_int_equal(json_get_int(view, "ad", 0), 3);
    assert_string_equal(json_string_value(json_object_get(view, "ad_id")), "w1");
    assert_int_equal(json_array_size(events), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *e = json_array_get(events, i);

        assert_string_equal(json_string_value(json_object_get(e, "event")), "error");
        assert_int_equal(json_get_int(e, "at_ms", -1), 0);
        assert_int_equal(json_get_int(e, "ord", -1), 0);
        assert_string_equal(json_string_value(json_object_get(e, "url")),
                            i ? "http://ads.test/e?303" : "http://t.test/e?c=303&u=us%2F1");
    }
    json_decref(view);
}

/* The table of RFC 3986, 5.4, as far as it concerns trackers, and what must not be touched. */
static void relative_urls_are_the_documents(void **state)
{
    static const char *const cases[][2] = {
        {"/i?a=[A]", "http://u:p@a.test:81/i?a=[A]"},
        {"//b.test/i", "http://b.test/i"},
        {"i", "http://u:p@a.test:81/x/y/i"},
        {"../i?[A]/b", "http://u:p@a.test:81/x/y/../i?[A]/b"},
        {"?i", "http://u:p@a.test:81/x/y/z?i"},
        {"http://b.test/i", "http://b.test/i"},
        {"HTTPS://b.test/i", "HTTPS://b.test/i"},
        {"javascript:1", "javascript:1"},
        {"[HOST]/i", "[HOST]/i"},
        {"${HOST}/i", "${HOST}/i"},
        {"%%CLICK%%http://b.test", "%%CLICK%%http://b.test"},
        {"1:2", "http://u:p@a.test:81/x/y/1:2"},
        {"", ""},
    };
    SCOPED_VALUE(arena) arena = {.ceiling = 1 << 22};
    struct url base, other;
    struct err err;

    (void)state;
    assert_true(url_parse(&arena, STR("http://u:p@a.test:81/x/y/z?q=/1/#f/"), NULL, &base, &err));
    assert_true(url_parse(&arena, STR("file:///x/y"), NULL, &other, &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_str(vast_absolute(&arena, str_from(cases[i][0]), &base), cases[i][1]);
    assert_str(vast_absolute(&arena, STR("/i"), NULL), "/i");
    assert_str(vast_absolute(&arena, STR("/i"), &other), "/i");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_in_its_place),
        cmocka_unit_test(without_a_duration_impression_and_start_only),
        cmocka_unit_test(what_an_event_comes_to),
        cmocka_unit_test(too_little_memory_is_an_error),
        cmocka_unit_test(a_provider_fills_its_macros_and_hides_events),
        cmocka_unit_test(a_lost_ad_tells_its_errors_the_code),
        cmocka_unit_test(relative_urls_are_the_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
