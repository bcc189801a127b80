/*
 * test_vast_lint.c - every rule finds its fault, and a document without faults is left in peace.
 */
#include "tests/unit/test.h"

#include "worker/vast/lint.h"

#include <stdio.h>
#include <string.h>

static struct arena arena;

static struct vast_findings lint(const char *text)
{
    struct vast_findings findings;
    struct vast_doc *doc;
    struct err err;

    assert_true(vast_parse(&arena, str_from(text), &doc, &err));
    assert_true(vast_lint(&arena, doc, &findings, &err));
    return findings;
}

static bool has(const struct vast_findings *findings, const char *rule)
{
    for (int i = 0; i < findings->n; i++)
        if (strcmp(vast_rule_name(findings->items[i].rule), rule) == 0)
            return true;
    return false;
}

#define V(version, inside) "<VAST version=\"" version "\">" inside "</VAST>"
#define AD(attributes, inside) "<Ad id=\"a\" " attributes ">" inside "</Ad>"
#define IN(inside) V("4.2", AD("", "<InLine>" inside "</InLine>"))
#define CREATIVE(inside) IN("<Creatives><Creative>" inside "</Creative></Creatives>")
#define LINEAR(inside) CREATIVE("<Linear>" inside "</Linear>")
#define TIMED(inside) LINEAR("<Duration>00:00:30</Duration>" inside)
#define MEDIA(attributes, url)                                                                               \
    LINEAR("<MediaFiles><MediaFile " attributes ">" url "</MediaFile></MediaFiles>")
#define TRACK(attributes, url)                                                                               \
    TIMED("<TrackingEvents><Tracking " attributes ">" url "</Tracking></TrackingEvents>")
#define WRAP(attributes, inside) V("2.0", AD("", "<Wrapper " attributes ">" inside "</Wrapper>"))

static const struct {
    const char *rule, *text;
} faults[] = {
    {"xml-malformed", "<VAST>"},
    {"xml-repaired", V("4.2", "") "junk"},
    {"doctype", "<!DOCTYPE VAST><VAST/>"},
    {"root-not-vast", "<html/>"},
    {"version-unsupported", "<VideoAdServingTemplate/>"},
    {"version-missing", "<VAST/>"},
    {"version-unknown", V("9", "")},
    {"no-ad", V("4.2", "<Error>https://t.test/</Error>")},
    {"no-ad-silent", V("4.2", "")},
    {"ad-empty", V("4.2", AD("", ""))},
    {"element-case", V("4.2", AD("", "<Inline/>"))},
    {"ad-id-duplicate", V("4.2", AD("", "<InLine/>") AD("", "<InLine/>"))},
    {"ad-sequence-invalid", V("4.2", AD("sequence=\"0\"", "<InLine/>"))},
    {"ad-sequence-duplicate", V("4.2", AD("sequence=\"1\"", "<InLine/>") AD("sequence=\"1\"", "<InLine/>"))},
    {"ad-system-missing", IN("")},
    {"title-missing", IN("")},
    {"impression-missing", IN("")},
    {"error-url-missing", IN("")},
    {"error-macro-missing", IN("<Error>https://t.test/e</Error>")},
    {"ad-serving-id-missing", IN("")},
    {"creatives-missing", IN("")},
    {"conditional-ad", V("4.2", AD("conditionalAd=\"true\"", "<InLine/>"))},
    {"survey", IN("<Survey>https://s.test/</Survey>")},
    {"tag-uri-missing", WRAP("", "")},
    {"tag-uri-relative", WRAP("", "<VASTAdTagURI>next.xml</VASTAdTagURI>")},
    {"flag-too-new", WRAP("allowMultipleAds=\"true\"", "")},
    {"duration-missing", LINEAR("")},
    {"duration-invalid", LINEAR("<Duration>half a minute</Duration>")},
    {"duration-lenient", LINEAR("<Duration>30</Duration>")},
    {"duration-zero", LINEAR("<Duration>00:00:00</Duration>")},
    {"media-missing", LINEAR("")},
    {"media-url-missing", MEDIA("type=\"video/mp4\"", "")},
    {"media-type-missing", MEDIA("", "https://m.test/")},
    {"media-delivery-invalid", MEDIA("delivery=\"fast\"", "https://m.test/")},
    {"media-size-missing", MEDIA("width=\"1\"", "https://m.test/")},
    {"media-size-invalid", MEDIA("width=\"1\" height=\"100%\"", "https://m.test/")},
    {"media-bitrate-invalid", MEDIA("bitrate=\"low\"", "https://m.test/")},
    {"media-vpaid", MEDIA("apiFramework=\"VPAID\"", "https://m.test/")},
    {"skip-invalid", CREATIVE("<Linear skipoffset=\"soon\"/>")},
    {"skip-after-end", CREATIVE("<Linear skipoffset=\"00:01:00\"><Duration>00:00:30</Duration></Linear>")},
    {"universal-ad-id-missing", LINEAR("")},
    {"creative-sequence-invalid", IN("<Creatives><Creative sequence=\"x\"><Linear/></Creative></Creatives>")},
    {"event-unknown", TRACK("event=\"sneeze\"", "https://t.test/")},
    {"event-version", TRACK("event=\"fullscreen\"", "https://t.test/")},
    {"progress-offset-missing", TRACK("event=\"progress\"", "https://t.test/")},
    {"progress-offset-invalid", TRACK("event=\"progress\" offset=\"x\"", "https://t.test/")},
    {"progress-after-end", TRACK("event=\"progress\" offset=\"00:00:31\"", "https://t.test/")},
    {"quartiles-incomplete", TRACK("event=\"start\"", "https://t.test/")},
    {"tracker-twice", TIMED("<TrackingEvents><Tracking event=\"mute\">https://t.test/</Tracking>"
                            "<Tracking event=\"mute\">https://t.test/</Tracking></TrackingEvents>")},
    {"url-scheme", IN("<Impression>ftp://t.test/</Impression>")},
    {"url-insecure", IN("<Impression>http://t.test/</Impression>")},
    {"url-blank", IN("<Impression>https://t.test/a b</Impression>")},
    {"macro-case", IN("<Impression>https://t.test/[CacheBusting]</Impression>")},
    {"macro-unknown", IN("<Impression>https://t.test/[MINE]</Impression>")},
    {"resource-missing", CREATIVE("<NonLinearAds><NonLinear/></NonLinearAds>")},
    {"variation-size-missing", CREATIVE("<CompanionAds><Companion/></CompanionAds>")},
    {"companion-required", CREATIVE("<CompanionAds required=\"perhaps\"/>")},
    {"verification-vendor", IN("<AdVerifications><Verification/></AdVerifications>")},
    {"verification-resource", IN("<AdVerifications><Verification vendor=\"v\"/></AdVerifications>")},
    {"icon-program", LINEAR("<Icons><Icon/></Icons>")},
};

static const char clean[] =
    "<VAST version=\"4.2\"><Ad id=\"a\" sequence=\"1\"><InLine><AdSystem>s</AdSystem><AdTitle>t</AdTitle>"
    "<AdServingId>x</AdServingId><Error>https://t.test/e?c=[ERRORCODE]</Error>"
    "<Impression>https://t.test/i?cb=[CACHEBUSTING]</Impression><Creatives><Creative sequence=\"1\">"
    "<UniversalAdId idRegistry=\"r\">u</UniversalAdId><Linear "
    "skipoffset=\"00:00:05\"><Duration>00:00:30</Duration>"
    "<MediaFiles><MediaFile delivery=\"progressive\" type=\"video/mp4\" width=\"1\" height=\"1\" "
    "bitrate=\"300\">"
    "https://m.test/v.mp4</MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>";

static void every_rule_finds_its_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct vast_findings findings = lint(faults[i].text);

        if (!has(&findings, faults[i].rule))
            fail_msg("%s was not found in %s", faults[i].rule, faults[i].text);
    }
}

static void every_rule_has_a_case(void **state)
{
    (void)state;
    for (int rule = 0; rule < VAST_LINT_COUNT; rule++) {
        bool found = rule == VAST_LINT_URL_LONG || rule == VAST_LINT_XSD; /* have tests of their own */

        for (size_t i = 0; i < ARRAY_LEN(faults) && !found; i++)
            found = strcmp(faults[i].rule, vast_rule_name((enum vast_rule)rule)) == 0;
        if (!found)
            fail_msg("no case for %s", vast_rule_name((enum vast_rule)rule));
    }
}

static void a_clean_document_has_no_findings(void **state)
{
    struct vast_findings findings = lint(clean);
    (void)state;

    if (findings.n)
        fail_msg("found %s", vast_rule_name(findings.items[0].rule));
}

static void a_long_url_is_noted(void **state)
{
    struct vast_findings findings;
    char path[2101], text[4096];
    (void)state;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    snprintf(text, sizeof(text), V("4.2", "<Error>https://t.test/%s</Error>"), path);
    findings = lint(text);
    assert_true(has(&findings, "url-long"));
}

static void findings_stand_in_line_order_with_their_lines(void **state)
{
    struct vast_findings findings =
        lint("<VAST version=\"4.2\">\n<Ad id=\"a\">\n<InLine>\n<AdSystem>s</AdSystem>\n"
             "<Impression>http://t.test/</Impression>\n</InLine></Ad></VAST>");
    int last = 0;
    (void)state;

    for (int i = 0; i < findings.n; i++) {
        assert_true(findings.items[i].line >= last);
        last = findings.items[i].line;
        if (findings.items[i].rule == VAST_LINT_URL_INSECURE)
            assert_int_equal(findings.items[i].line, 5);
    }
    assert_int_equal(last, 5);
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 64 * 1024 * 1024);
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
        cmocka_unit_test(every_rule_finds_its_fault),
        cmocka_unit_test(every_rule_has_a_case),
        cmocka_unit_test(a_clean_document_has_no_findings),
        cmocka_unit_test(a_long_url_is_noted),
        cmocka_unit_test(findings_stand_in_line_order_with_their_lines),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
