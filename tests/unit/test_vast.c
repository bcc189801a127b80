/*
 * test_vast.c - reading a VAST document: structure, versions, oddities, repair, and what is refused.
 */
#include "tests/unit/test.h"

#include "worker/vast/events.h"
#include "worker/vast/vast.h"

#include <stdio.h>
#include <string.h>

static struct arena arena;

static struct vast_doc *parse(const char *text)
{
    struct vast_doc *doc;
    struct err err;

    assert_true(vast_parse(&arena, str_from(text), &doc, &err));
    return doc;
}

#define INLINE(inside)                                                                                       \
    "<VAST version=\"4.2\"><Ad id=\"a\"><InLine><AdSystem>s</AdSystem>" inside "</InLine></Ad></VAST>"
#define LINEAR(inside)                                                                                       \
    INLINE("<Creatives><Creative id=\"c\"><Linear>" inside "</Linear></Creative></Creatives>")

static void an_inline_ad_is_read_whole(void **state)
{
    const struct vast_doc *doc = parse(INLINE(
        "<AdTitle> Shoes </AdTitle><Impression id=\"i1\"><![CDATA[ https://t.test/i?a=1&b=2 ]]></Impression>"
        "<Impression/><Error>https://t.test/e</Error><ViewableImpression><Viewable>https://t.test/v</"
        "Viewable>"
        "</ViewableImpression><Creatives><Creative AdID=\"x\" sequence=\"1\"><UniversalAdId "
        "idRegistry=\"r\">u"
        "</UniversalAdId><Linear "
        "skipoffset=\"00:00:05\"><Duration>00:00:30.5</Duration><MediaFiles><MediaFile "
        "type=\"video/mp4\" width=\"640\">https://m.test/v.mp4</MediaFile></MediaFiles><VideoClicks>"
        "<ClickThrough>https://shop.test/</ClickThrough></VideoClicks><TrackingEvents><Tracking "
        "event=\"start\">https://t.test/s</Tracking><Tracking event=\"progress\" "
        "offset=\"25%\">https://t.test/p"
        "</Tracking></TrackingEvents></Linear></Creative></Creatives>"));
    const struct vast_ad *ad = &doc->ads[0];
    const struct vast_creative *c = &ad->creatives[0];
    (void)state;

    assert_int_equal(doc->result, VAST_OK);
    assert_str(ad->title, "Shoes");
    assert_int_equal(ad->impressions.n, 1); /* the empty one is no URL */
    assert_str(ad->impressions.items[0].url, "https://t.test/i?a=1&b=2");
    assert_str(ad->impressions.items[0].id, "i1");
    assert_str(ad->viewable.items[0].url, "https://t.test/v");
    assert_str(c->ad_id, "x");
    assert_str(c->universal_ids[0].value, "u");
    assert_int_equal(c->duration_ms, 30500);
    assert_int_equal(c->skip.ms, 5000);
    assert_null(c->media[0].height.ptr);
    assert_str(c->click_through, "https://shop.test/");
    assert_int_equal(c->tracking.items[1].offset.kind, VAST_OFFSET_PERCENT);
}

static void wrappers_nonlinears_and_companions_are_read(void **state)
{
    const struct vast_doc *doc = parse(
        "<v:VAST xmlns:v=\"http://www.iab.com/VAST\" version=\"4.0\"><v:Ad><v:Wrapper allowMultipleAds=\"1\" "
        "fallbackOnNoAd=\"false\"><v:VASTAdTagURI>../next</"
        "v:VASTAdTagURI><v:Creatives><v:Creative><v:NonLinearAds>"
        "<v:NonLinear width=\"1\" "
        "height=\"2\"><v:StaticResource>https://n.test/</v:StaticResource></v:NonLinear>"
        "<v:TrackingEvents><v:Tracking event=\"close\">https://t.test/c</v:Tracking></v:TrackingEvents>"
        "</v:NonLinearAds></v:Creative><v:Creative><v:CompanionAds "
        "required=\"any\"><v:Companion><v:HTMLResource>hi"
        "</v:HTMLResource><v:CompanionClickThrough>https://c.test/</v:CompanionClickThrough></v:Companion>"
        "</v:CompanionAds></v:Creative></v:Creatives></v:Wrapper></v:Ad></v:VAST>");
    const struct vast_ad *ad = &doc->ads[0];
    (void)state;

    assert_int_equal(ad->kind, VAST_AD_WRAPPER);
    assert_str(ad->tag_uri, "../next");
    assert_int_equal(ad->allow_multiple_ads, VAST_YES);
    assert_int_equal(ad->fallback_on_no_ad, VAST_NO);
    assert_int_equal(ad->follow_additional_wrappers, VAST_UNSAID);
    assert_int_equal(ad->ncreatives, 2);
    assert_str(ad->creatives[0].variations[0].statics.items[0].url, "https://n.test/");
    assert_str(ad->creatives[0].tracking.items[0].event, "close");
    assert_str(ad->creatives[1].required, "any");
    assert_str(ad->creatives[1].variations[0].click_through, "https://c.test/");
}

static void every_result_has_its_error_code(void **state)
{
    static const struct {
        const char *text;
        enum vast_result result;
        int code;
    } cases[] = {
        {"<VAST version=\"4.2\"/>", VAST_NO_AD, 0},
        {"", VAST_MALFORMED, 100},
        {"{\"ad\":1}", VAST_MALFORMED, 100},
        {"<html><p>sorry</html>", VAST_MALFORMED, 100},
        {"<html/>", VAST_NOT_VAST, 101},
        {"<VideoAdServingTemplate/>", VAST_UNSUPPORTED_VERSION, 102},
        {"<!DOCTYPE VAST [<!ENTITY x \"y\">]><VAST>&x;</VAST>", VAST_DOCTYPE, 100},
        {"<!DOCTYPE VAST SYSTEM \"file:///etc/passwd\"><VAST version=\"4.2\"/>", VAST_DOCTYPE, 100},
        {"<!DOCTYPE html><html><p>sorry</html>", VAST_MALFORMED, 100},
        {"<!DOCTYPE VAST [<!ENTITY x \"y\">]><VAST>&x;", VAST_DOCTYPE, 100},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct vast_doc *doc = parse(cases[i].text);

        if (doc->result != cases[i].result)
            fail_msg("%s is %s", cases[i].text, vast_result_name(doc->result));
        assert_int_equal(vast_result_code(doc->result), cases[i].code);
    }
}

/* Attributes come from libxml2 with some references still in them, texts in pieces. */
static void texts_and_attributes_are_put_together(void **state)
{
    const struct vast_doc *doc = parse(INLINE(
        "<Impression id=\" &quot;a&amp;b&#38;amp;&#x26;#38;&#10; \"> <!-- c -->\n http<![CDATA[://a.test/ "
        "]]>?b&amp;c<more>no</more>&#38;d \n</Impression>"
        "<u:Impression>http://no.test/</u:Impression>"
        "<d:Impression xmlns:d=\"urn:d\">http://d.test/</d:Impression>"
        "<Impression> <![CDATA[ \n ]]> </Impression>"));
    const struct vast_urls *impressions = &doc->ads[0].impressions;
    (void)state;

    assert_int_equal(impressions->n, 2);
    assert_str(impressions->items[0].id, "\"a&b&amp;&#38;");
    assert_str(impressions->items[0].url, "http://a.test/ ?b&c&d");
    assert_str(impressions->items[1].url, "http://d.test/");
}

/* Each is malformed; read again after the repair, its first impression is this, to the byte. */
static void a_repair_never_changes_a_url(void **state)
{
#define IMPRESSION(url) INLINE("<AdTitle>t</AdTitle><Impression>" url "</Impression>")
    static const struct {
        const char *text, *url;
    } cases[] = {
        {IMPRESSION("http://t.test/i?a=1&b=2&copy=3"), "http://t.test/i?a=1&b=2&copy=3"},
        {IMPRESSION("http://t.test/i?a=1&nbsp;b&amp;c"), "http://t.test/i?a=1&nbsp;b&c"},
        {IMPRESSION("http://t.test/i?a=&#38;&#x26;&#zz;"), "http://t.test/i?a=&&&#zz;"},
        {IMPRESSION("http://t.test/i?a=&#;&#x;&#x26"), "http://t.test/i?a=&#;&#x;&#x26"},
        {"  \n<?xml version=\"1.0\"?>" IMPRESSION("http://t.test/1"), "http://t.test/1"},
        {IMPRESSION("http://t.test/2") "<!-- x --><script>1</script>", "http://t.test/2"},
        {IMPRESSION("http://t.test/\x01"
                    "3"),
         "http://t.test/3"},
        {IMPRESSION("http://t.test/\xe9\x80"), "http://t.test/\xc3\xa9\xe2\x82\xac"},
        {"<VAST version=\"4.2\" "
         "version=\"2.0\"><Ad><InLine><Impression>http://t.test/4</Impression></InLine></Ad></VAST>",
         "http://t.test/4"},
        {"<VAST version=\"4.2\"><Ad><InLine><Impression>http://t.test/5</impression></inline></AD></VAST>",
         "http://t.test/5"},
        {"<VAST a='x & "
         "y'><Ad><InLine><Impression><![CDATA[http://t.test/6?a&b]]></Impression></InLine></Ad></VAST>",
         "http://t.test/6?a&b"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct vast_doc *doc = parse(cases[i].text);

        assert_int_equal(doc->result, VAST_MALFORMED);
        if (!doc->repaired)
            fail_msg("not repaired: %s", cases[i].text);
        assert_str(doc->repaired->ads[0].impressions.items[0].url, cases[i].url);
    }
}

static void what_cannot_be_repaired_is_left_alone(void **state)
{
    static const char *const cases[] = {
        "<VAST version=\"4.2\"><Ad><InLine><Impression>http://t.test/cut",
        "<VAST><Ad><InLine></Wrapper></Ad></VAST>",
        "<VAST a=b></VAST>",
        "<VAST a=\"&#x",
        "<VAST>&#x2",
        "<VAST><Ad></VAST",
        "<VAST><!DOCTYPE x></VAST>",
        "plain text",
        "<a & b><VAST/>",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct vast_doc *doc = parse(cases[i]);

        assert_int_equal(doc->result, VAST_MALFORMED);
        if (doc->repaired)
            fail_msg("repaired, but how: %s", cases[i]);
        assert_true(strlen(doc->problem) > 0);
    }
}

static void durations_and_offsets(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } durations[] = {
        {"00:00:30", 30000},
        {"01:02:03.004", 3723004},
        {"00:00:00", 0},
        {" 00:00:15 ", 15000},
        {"15", 15000},
        {"12.75", 12750},
        {"00:00:30.1234", 30123},
        {"00:00:30,5", -1},
        {"-00:00:05", -1},
        {"00:60:00", -1},
        {"00:00:61", -1},
        {"1:30", -1},
        {"", -1},
        {"soon", -1},
        {"00:00:30s", -1},
        {"0:0:5", 5000},
        {"9999999999", -1},
        {"00:00:30.", 30000},
    };
    static const struct {
        const char *text;
        enum vast_offset_kind kind;
        int64_t at; /* in a creative of 30 s */
    } offsets[] = {
        {"", VAST_OFFSET_NONE, -1},          {"00:00:05", VAST_OFFSET_MS, 5000},
        {"50%", VAST_OFFSET_PERCENT, 15000}, {"33.3%", VAST_OFFSET_PERCENT, 9990},
        {"half", VAST_OFFSET_BAD, -1},       {"101%", VAST_OFFSET_BAD, -1},
        {"%", VAST_OFFSET_BAD, -1},          {"1e1%", VAST_OFFSET_BAD, -1},
        {"-5%", VAST_OFFSET_BAD, -1},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(durations); i++)
        if (vast_duration_ms(str_from(durations[i].text)) != durations[i].ms)
            fail_msg("duration \"%s\"", durations[i].text);
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
        struct vast_offset offset = vast_read_offset(str_from(offsets[i].text));

        if (offset.kind != offsets[i].kind || vast_offset_at(&offset, 30000) != offsets[i].at)
            fail_msg("offset \"%s\"", offsets[i].text);
    }
}

static void a_document_past_the_ceiling_fails_alone(void **state)
{
    struct vast_doc *doc;
    struct arena small;
    struct err err;
    (void)state;

    arena_init(&small, 1000);
    assert_false(vast_parse(&small, STR(LINEAR("<Duration>00:00:30</Duration>")), &doc, &err));
    assert_int_equal(err.code, ERR_TOO_BIG);
    arena_finish(&small);
}

static struct vast_schedule schedule_of(const char *text)
{
    const struct vast_doc *doc = parse(text);
    struct vast_schedule schedule;
    struct err err;

    assert_true(vast_schedule(&arena, &doc->ads[0], &doc->ads[0].creatives[0], &schedule, &err));
    return schedule;
}

#define TRACK(name, more) "<Tracking event=\"" name "\"" more ">https://t.test/" name "</Tracking>"
#define VIEW(duration)                                                                                       \
    INLINE("<Impression>https://t.test/i</Impression><Creatives><Creative><Linear><Duration>" duration       \
           "</Duration><TrackingEvents>" TRACK("complete", "") TRACK("skip", "") TRACK("midpoint", "")       \
               TRACK("creativeView", "") TRACK("progress", " offset=\"00:00:05\"")                           \
                   TRACK("progress", " offset=\"00:09:00\"") TRACK("start", "") TRACK("vendorThing", "")     \
                       TRACK("firstQuartile", "") TRACK("thirdQuartile", "") "</TrackingEvents></Linear>"    \
                                                                             "</Creative></Creatives>")

static void a_view_is_scheduled_by_its_real_duration(void **state)
{
    static const struct {
        const char *name;
        int64_t at_ms;
    } want[] = {
        {"impression", 0},       {"start", 0},        {"creativeView", 0},      {"progress-5000", 5000},
        {"firstQuartile", 7500}, {"midpoint", 15000}, {"thirdQuartile", 22500}, {"complete", 30000},
    };
    struct vast_schedule schedule = schedule_of(VIEW("00:00:30"));
    (void)state;

    assert_int_equal(schedule.n, ARRAY_LEN(want));
    for (int i = 0; i < schedule.n; i++) {
        assert_str(schedule.items[i].name, want[i].name);
        assert_int_equal(schedule.items[i].at_ms, want[i].at_ms);
        assert_int_equal(schedule.items[i].is_billing, i == 0);
    }
}

static void without_a_duration_only_the_beginning_is_sent(void **state)
{
    static const char *const durations[] = {"00:00:00", "unknown", ""};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        char text[2048];
        struct vast_schedule schedule;

        snprintf(text, sizeof(text), VIEW("%s"), durations[i]);
        schedule = schedule_of(text);
        assert_int_equal(schedule.n, 2);
        assert_str(schedule.items[1].name, "start");
    }
}

static void events_know_their_versions(void **state)
{
    (void)state;
    assert_true(vast_event_is_known(STR("midpoint")));
    assert_false(vast_event_is_known(STR("Midpoint")));
    assert_false(vast_event_is_in(STR("progress"), 200));
    assert_true(vast_event_is_in(STR("closeLinear"), 300));
    assert_false(vast_event_is_in(STR("closeLinear"), 400));
    assert_true(vast_event_is_in(STR("closeLinear"), 402));
    assert_false(vast_event_is_in(STR("fullscreen"), 402));
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 16 * 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_inline_ad_is_read_whole),
        cmocka_unit_test(wrappers_nonlinears_and_companions_are_read),
        cmocka_unit_test(every_result_has_its_error_code),
        cmocka_unit_test(texts_and_attributes_are_put_together),
        cmocka_unit_test(a_repair_never_changes_a_url),
        cmocka_unit_test(what_cannot_be_repaired_is_left_alone),
        cmocka_unit_test(durations_and_offsets),
        cmocka_unit_test(a_document_past_the_ceiling_fails_alone),
        cmocka_unit_test(a_view_is_scheduled_by_its_real_duration),
        cmocka_unit_test(without_a_duration_only_the_beginning_is_sent),
        cmocka_unit_test(events_know_their_versions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
