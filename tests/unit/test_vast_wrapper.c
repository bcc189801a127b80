/*
 * test_vast_wrapper.c - wrapper chains from a scripted web: which ads they lead to, what is added on the way,
 * which error is counted where, and how many requests that takes.
 */
#include "tests/unit/test.h"

#include "worker/vast/wrapper.h"

#include <stdio.h>
#include <string.h>

enum { DOCUMENTS_MAX = 12, TEXT_MAX = 4096 };

static struct arena arena;
static char said[TEXT_MAX]; /* what came of a chain, in short */

struct page {
    const char *url, *body;
    int status;            /* 0: 200 */
    const char *final_url; /* NULL: the URL itself */
    enum err_code failure;
};

#define DOC(version, inside) "<VAST version=\"" version "\">" inside "</VAST>"
#define WRAP(id, attributes, flags, uri, inside)                                                             \
    "<Ad id=\"" id "\" " attributes "><Wrapper " flags "><AdSystem>s</AdSystem><VASTAdTagURI><![CDATA[" uri  \
    "]]></VASTAdTagURI><Error>http://t.test/e?" id "=[ERRORCODE]</Error><Impression>" id                     \
    "</Impression>" inside "</Wrapper></Ad>"
#define AD(id, attributes, inside)                                                                           \
    "<Ad id=\"" id "\" " attributes "><InLine><AdSystem>s</AdSystem><AdTitle>t</AdTitle><Impression>" id     \
    "</Impression><Error>http://t.test/e?" id "=[ERRORCODE]</Error>" inside "</InLine></Ad>"
#define W(id, flags, uri) DOC("4.2", WRAP(id, "", flags, uri, ""))
#define I(id) DOC("4.2", AD(id, "", ""))

static const struct page *find_page(const struct page *pages, struct str url)
{
    for (int i = 0; i < DOCUMENTS_MAX && pages[i].url; i++)
        if (str_equal(url, str_from(pages[i].url)))
            return &pages[i];
    return NULL;
}

static struct vast_answer answer_of(const struct page *page)
{
    struct vast_answer answer = {.status = 404, .body = STR("not here"), .ms = 3};

    if (!page)
        return answer;
    answer.status = page->status ? page->status : 200;
    answer.body = str_from(page->body);
    answer.final_url = str_from(page->final_url);
    if (page->failure) {
        answer.status = 0;
        err_set(&answer.err, page->failure, "as the test says");
    }
    return answer;
}

static void drive(struct vast_resolver *r, const struct page *pages)
{
    struct str url;
    struct err err;

    while (vast_resolver_next(r, &url)) {
        struct vast_answer answer = answer_of(find_page(pages, url));

        assert_true(vast_resolver_answer(r, &answer, &err));
    }
    assert_false(arena.is_full);
}

/* Begins with the first page. */
static struct vast_resolver resolve_with(const struct page *pages, struct vast_resolver_options options)
{
    struct vast_resolver r;
    struct err err;

    options.max_wrappers = options.max_wrappers ? options.max_wrappers : VAST_WRAPPERS_DEFAULT;
    options.max_fetches = options.max_fetches ? options.max_fetches : VAST_FETCHES_DEFAULT;
    vast_resolver_begin(&r, &arena, &options);
    assert_true(vast_resolver_url(&r, str_from(pages[0].url), &err));
    drive(&r, pages);
    return r;
}

static struct vast_resolver resolve(const struct page *pages)
{
    return resolve_with(pages, (struct vast_resolver_options){0});
}

/* "ID(imp imp) ID(imp) | code@hop>error error; code@hop> | requests" */
static const char *in_short(const struct vast_resolver *r)
{
    const struct vast_resolution *x = &r->result;
    SCOPED_VALUE(buf) out = {.max = TEXT_MAX - 1};

    for (int i = 0; i < x->nads; i++) {
        const struct vast_urls *impressions = &x->ads[i].ad->impressions;

        buf_printf(&out, "%s%s(", i ? " " : "", x->ads[i].ad->id.ptr);
        for (int k = 0; k < impressions->n; k++)
            buf_printf(&out, "%s%s", k ? " " : "", impressions->items[k].url.ptr);
        buf_append_str(&out, x->ads[i].is_alternative ? STR(")?") : STR(")"));
    }
    buf_append_str(&out, STR(" |"));
    for (int i = 0; i < x->nfailures; i++) {
        buf_printf(&out, " %d@%d", x->failures[i].code, x->failures[i].hop);
        for (int k = 0; k < x->failures[i].errors.n; k++)
            buf_printf(&out, "%s%.*s", k ? "," : ">", 1, x->failures[i].errors.items[k].url.ptr + 16);
    }
    buf_printf(&out, " | %d", x->nhops);
    memcpy(said, buf_cstr(&out), out.len + 1);
    return said;
}

/* clang-format off */
static const struct chain_case {
    const char *name;
    struct page pages[DOCUMENTS_MAX];
    const char *want;
} cases[] = {
    {"an ad at once", {{.url = "http://a.test/0", .body = I("i")}}, "i(i) | | 1"},
    {"impressions of all wrappers come first, outermost first",
     {{.url = "http://a.test/0", .body = W("v", "", "http://a.test/1")}, {.url = "http://a.test/1", .body = W("w", "", "http://a.test/2")},
      {.url = "http://a.test/2", .body = I("i")}}, "i(v w i) | | 3"},
    {"relative to the document, after redirects",
     {{.url = "http://a.test/x/0", .body = W("w", "", "../y/1?q=1"), .final_url = "http://b.test/z/0"},
      {.url = "http://b.test/y/1?q=1", .body = I("i")}}, "i(w i) | | 2"},
    {"relative to the scheme", {{.url = "https://a.test/0", .body = W("w", "", "//b.test/1")}, {.url = "https://b.test/1", .body = I("i")}},
     "i(w i) | | 2"},
    {"100: no XML", {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = "<VAST><Ad>"}},
     " | 100@1>w | 2"},
    {"100: no XML at the source", {{.url = "http://a.test/0", .body = "oops"}}, " | 100@0 | 1"},
    {"100: a DOCTYPE", {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = "<!DOCTYPE VAST><VAST/>"}},
     " | 100@1>w | 2"},
    {"101: another root", {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = "<html/>"}},
     " | 101@1>w | 2"},
    {"102: VAST 1", {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = "<VideoAdServingTemplate/>"}},
     " | 102@1>w | 2"},
    {"what needed a repair is used",
     {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = " " DOC("4.2", AD("i", "", "<Error>http://t.test/e?j&k</Error>"))}},
     "i(w i) | | 2"},
    {"205: a category that a wrapper blocks",
     {{.url = "http://a.test/0", .body = DOC("4.2", WRAP("v", "", "", "/1", "<BlockedAdCategories authority=\"iab\">IAB7, IAB25</BlockedAdCategories>"))},
      {.url = "http://a.test/1", .body = W("w", "", "/2")},
      {.url = "http://a.test/2", .body = DOC("4.2", AD("i", "", "<Category authority=\"IAB\">iab25</Category>"))}}, " | 205@2>v,w,i | 3"},
    {"205 is not for another code, another authority, or a list further down",
     {{.url = "http://a.test/0", .body = DOC("4.2", WRAP("w", "", "", "/1", "<BlockedAdCategories authority=\"x\">IAB25</BlockedAdCategories>"
                                     "<BlockedAdCategories>IAB2</BlockedAdCategories>"))},
      {.url = "http://a.test/1", .body = DOC("4.2", AD("i", "", "<Category authority=\"IAB\">IAB25</Category><BlockedAdCategories>IAB25</BlockedAdCategories>"))}},
     "i(w i) | | 2"},
    {"205: a stand-in takes the place of an ad that is blocked",
     {{.url = "http://a.test/0", .body = DOC("4.2", WRAP("v", "", "allowMultipleAds=\"true\"", "/1", "<BlockedAdCategories>IAB25</BlockedAdCategories>"))},
      {.url = "http://a.test/1", .body = DOC("4.2", AD("i", "", "<Category>IAB25</Category>") AD("j", "", "<Category>IAB1</Category>"))}},
     "j(v j) | 205@1>v,i | 2"},
    {"300: nowhere to go", {{.url = "http://a.test/0", .body = DOC("4.2", "<Ad id=\"w\"><Wrapper><Error>http://t.test/e?w</Error></Wrapper></Ad>")}},
     " | 300@0>w | 1"},
    {"300: no URL", {{.url = "http://a.test/0", .body = W("w", "", "http://[")}}, " | 300@0>w | 1"},
    {"300: a scheme that is not requested", {{.url = "http://a.test/0", .body = W("w", "", "file:///etc/passwd")}}, " | 300@0>w | 1"},
    {"301: a status", {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = I("i"), .status = 500}}, " | 301@1>w | 2"},
    {"301: a redirect nobody followed", {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = I("i"), .status = 302}},
     " | 301@1>w | 2"},
    {"301: time", {{.url = "http://a.test/0", .body = W("v", "", "/1")}, {.url = "http://a.test/1", .body = W("w", "", "/2")},
      {.url = "http://a.test/2", .body = "", .failure = ERR_TARGET_TIMEOUT}}, " | 301@2>v,w | 3"},
    {"301: the source", {{.url = "http://a.test/0", .body = "", .failure = ERR_TARGET_REFUSED}}, " | 301@0 | 1"},
    {"302: five wrappers are followed",
     {{.url = "http://a.test/0", .body = W("a", "", "/1")}, {.url = "http://a.test/1", .body = W("b", "", "/2")}, {.url = "http://a.test/2", .body = W("c", "", "/3")},
      {.url = "http://a.test/3", .body = W("d", "", "/4")}, {.url = "http://a.test/4", .body = W("e", "", "/5")}, {.url = "http://a.test/5", .body = I("i")}},
     "i(a b c d e i) | | 6"},
    {"302: the sixth is not",
     {{.url = "http://a.test/0", .body = W("a", "", "/1")}, {.url = "http://a.test/1", .body = W("b", "", "/2")}, {.url = "http://a.test/2", .body = W("c", "", "/3")},
      {.url = "http://a.test/3", .body = W("d", "", "/4")}, {.url = "http://a.test/4", .body = W("e", "", "/5")}, {.url = "http://a.test/5", .body = W("f", "", "/6")},
      {.url = "http://a.test/6", .body = I("i")}}, " | 302@5>a,b,c,d,e,f | 6"},
    {"302: back to itself", {{.url = "http://a.test/0", .body = W("w", "", "/0#x")}}, " | 302@0>w | 1"},
    {"302: back to the first, whatever its macros become",
     {{.url = "http://a.test/0?[RANDOM]", .body = W("v", "", "/1")}, {.url = "http://a.test/1", .body = W("w", "", "/0?[RANDOM]")}}, " | 302@1>v,w | 2"},
    {"303: no ad, and the document wants to know",
     {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = DOC("4.2", "<Error>http://t.test/e?r</Error>")}},
     " | 303@1>w,r | 2"},
    {"303: at the source", {{.url = "http://a.test/0", .body = DOC("4.2", "<Error>http://t.test/e?r</Error>")}}, " | 303@0>r | 1"},
    {"303: 204", {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = "", .status = 204}}, " | 303@1>w | 2"},
    {"303: nothing but blanks", {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = " \n"}}, " | 303@1>w | 2"},
    {"303: no further wrapper was allowed",
     {{.url = "http://a.test/0", .body = W("v", "followAdditionalWrappers=\"false\"", "/1")}, {.url = "http://a.test/1", .body = W("w", "", "/2")},
      {.url = "http://a.test/2", .body = I("i")}}, " | 303@1>v | 2"},
    {"of an answer without further wrappers the inline ads are left",
     {{.url = "http://a.test/0", .body = W("v", "followAdditionalWrappers=\"0\" allowMultipleAds=\"true\"", "/1")},
      {.url = "http://a.test/1", .body = DOC("4.2", WRAP("w", "", "", "/2", "") AD("i", "", ""))}}, "i(v i) | | 2"},
    {"one stand-alone ad, since not more were allowed",
     {{.url = "http://a.test/0", .body = W("w", "", "/1")},
      {.url = "http://a.test/1", .body = DOC("4.2", AD("p", "sequence=\"1\"", "") AD("i", "", "") AD("j", "", ""))}}, "i(w i) | | 2"},
    {"303: a pod where one ad was allowed",
     {{.url = "http://a.test/0", .body = W("w", "", "/1")},
      {.url = "http://a.test/1", .body = DOC("4.2", AD("p", "sequence=\"1\"", "") AD("q", "sequence=\"2\"", ""))}}, " | 303@1>w | 2"},
    {"a pod of one is one ad",
     {{.url = "http://a.test/0", .body = W("w", "", "/1")}, {.url = "http://a.test/1", .body = DOC("4.2", AD("p", "sequence=\"1\"", ""))}}, "p(w p) | | 2"},
    {"a pod that was allowed, in its order",
     {{.url = "http://a.test/0", .body = W("w", "allowMultipleAds=\"true\"", "/1")},
      {.url = "http://a.test/1", .body = DOC("4.2", AD("q", "sequence=\"10\"", "") AD("p", "sequence=\"2\"", "") AD("i", "", ""))}},
     "p(w p) q(w q) | | 2"},
    {"who allowed one above allows one below",
     {{.url = "http://a.test/0", .body = W("v", "", "/1")}, {.url = "http://a.test/1", .body = W("w", "allowMultipleAds=\"true\"", "/2")},
      {.url = "http://a.test/2", .body = DOC("4.2", AD("i", "", "") AD("j", "", ""))}}, "i(v w i) | | 3"},
    {"VAST 2 allows all",
     {{.url = "http://a.test/0", .body = DOC("2.0", WRAP("w", "", "", "/1", ""))}, {.url = "http://a.test/1", .body = DOC("2.0", AD("i", "", "") AD("j", "", ""))}},
     "i(w i) j(w j) | | 2"},
    {"a buffet: the first, and others to choose from", {{.url = "http://a.test/0", .body = DOC("4.2", AD("i", "", "") AD("j", "", ""))}},
     "i(i) j(j)? | | 1"},
    {"a buffet goes on after a failure",
     {{.url = "http://a.test/0", .body = DOC("4.2", WRAP("w", "", "", "/1", "") AD("i", "", ""))}}, "i(i) | 301@1>w | 2"},
    {"a pod with wrappers, each with its own failure",
     {{.url = "http://a.test/0", .body = DOC("4.2", WRAP("w", "sequence=\"1\"", "", "/1", "") WRAP("x", "sequence=\"2\"", "", "/2", "")
                                     AD("p", "sequence=\"3\"", ""))},
      {.url = "http://a.test/1", .body = "?"}, {.url = "http://a.test/2", .body = I("i")}}, "i(x i) p(p) | 100@1>w | 3"},
    {"a stand-alone ad takes the place of a wrapper that asks for it",
     {{.url = "http://a.test/0", .body = DOC("4.2", AD("p", "sequence=\"1\"", "") WRAP("w", "sequence=\"2\"", "fallbackOnNoAd=\"true\"", "/1", "")
                                     AD("s", "", ""))}, {.url = "http://a.test/1", .body = DOC("4.2", "")}}, "p(p) s(s) | 303@1>w | 2"},
    {"the next spare when the first gives nothing, either",
     {{.url = "http://a.test/0", .body = DOC("4.2", WRAP("w", "sequence=\"1\"", "fallbackOnNoAd=\"true\"", "/1", "") WRAP("s", "", "", "/2", "")
                                     AD("t", "", ""))}}, "t(t) | 301@1>w 301@2>s | 3"},
    {"no stand-in unless it is asked for",
     {{.url = "http://a.test/0", .body = DOC("4.2", WRAP("w", "sequence=\"1\"", "", "/1", "") AD("s", "", ""))}}, " | 301@1>w | 2"},
};
/* clang-format on */

static void chains_end_as_they_should(void **state)
{
    int wrong = 0;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct vast_resolver r = resolve(cases[i].pages);

        if (strcmp(in_short(&r), cases[i].want) == 0)
            continue;
        print_error("%s:\n got  \"%s\"\n want \"%s\"\n", cases[i].name, said, cases[i].want);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void a_file_without_a_url_has_no_relative_wrappers(void **state)
{
    struct vast_resolver_options options = {.max_wrappers = 5, .max_fetches = 9};
    struct vast_resolver r;
    struct err err;
    (void)state;

    vast_resolver_begin(&r, &arena, &options);
    assert_true(vast_resolver_source(&r, STR(W("w", "", "/1")), STR(""), &err));
    drive(&r, &(struct page){0});
    assert_string_equal(in_short(&r), " | 300@-1>w | 0");
}

static void a_file_with_a_url_has(void **state)
{
    const struct page pages[DOCUMENTS_MAX] = {{.url = "http://a.test/1", .body = I("i")}};
    struct vast_resolver_options options = {.max_wrappers = 5, .max_fetches = 9};
    struct vast_resolver r;
    struct err err;
    (void)state;

    vast_resolver_begin(&r, &arena, &options);
    assert_true(vast_resolver_source(&r, STR(W("w", "", "/1")), STR("http://a.test/0"), &err));
    drive(&r, pages);
    assert_string_equal(in_short(&r), "i(w i) | | 1");
    assert_int_equal(r.result.ads[0].hop, 0);
}

static void a_limit_of_requests_holds_for_all_of_a_pod(void **state)
{
    const struct page pages[DOCUMENTS_MAX] = {
        {.url = "http://a.test/0",
         .body =
             DOC("4.2", WRAP("w", "sequence=\"1\"", "", "/1", "") WRAP("x", "sequence=\"2\"", "", "/2", ""))},
        {.url = "http://a.test/1", .body = I("i")},
        {.url = "http://a.test/2", .body = I("j")}};
    struct vast_resolver r = resolve_with(pages, (struct vast_resolver_options){.max_fetches = 2});
    (void)state;

    assert_string_equal(in_short(&r), "i(w i) | 302@0>x | 2");
}

static void the_first_of_a_buffet_saves_the_other_requests(void **state)
{
    const struct page pages[DOCUMENTS_MAX] = {
        {.url = "http://a.test/0",
         .body = DOC("4.2", WRAP("w", "", "", "/1", "") WRAP("x", "", "", "/2", ""))},
        {.url = "http://a.test/1", .body = I("i")},
        {.url = "http://a.test/2", .body = I("j")}};
    struct vast_resolver r = resolve_with(pages, (struct vast_resolver_options){.is_first_only = true});
    (void)state;

    assert_string_equal(in_short(&r), "i(w i) | | 2");
}

static uint32_t count_up(void *arg)
{
    return ++*(uint32_t *)arg;
}

static void macros_of_a_request_are_fresh_and_an_error_has_its_code(void **state)
{
    const struct page pages[DOCUMENTS_MAX] = {
        {.url = "http://a.test/0", .body = W("w", "", "/[WHERE]?c=[CACHEBUSTING]&n=[NOPE]|")},
        {.url = "http://a.test/a%2Fb?c=00000001&n=[NOPE]|", .body = W("x", "", "/2?c=[CACHEBUSTING]")},
        {.url = "http://a.test/2?c=00000002", .body = "?"}};
    const struct str where = STR("a/b");
    const struct vast_macro known = {.name = STR("WHERE"), .values = &where, .nvalues = 1};
    uint32_t n = 0;
    const struct vast_macros macros = {.items = &known, .n = 1, .random = count_up, .arg = &n};
    struct vast_resolver r = resolve_with(pages, (struct vast_resolver_options){.macros = &macros});
    SCOPED_VALUE(buf) url = {.max = 100};
    (void)state;

    assert_string_equal(in_short(&r), " | 100@2>w,x | 3");
    assert_str(r.result.hops[2].url, "http://a.test/2?c=00000002");
    assert_true(vast_resolver_error_url(&r, STR("e=[ERRORCODE]&c=[CACHEBUSTING]&w=${WHERE}"), 303, &url));
    assert_string_equal(buf_cstr(&url), "e=303&c=00000003&w=a%2Fb");
}

#define LINEAR(inside) "<Creatives><Creative><Linear>" inside "</Linear></Creative></Creatives>"
#define START(url) "<TrackingEvents><Tracking event=\"start\">" url "</Tracking></TrackingEvents>"

static void everything_that_wrappers_add_is_merged(void **state)
{
    const struct page pages[DOCUMENTS_MAX] = {
        {.url = "http://a.test/0",
         .body = DOC(
             "4.2",
             WRAP("w", "sequence=\"3\"", "", "/1",
                  "<ViewableImpression><Viewable>v1</Viewable></ViewableImpression><AdVerifications>"
                  "<Verification "
                  "vendor=\"o\"/></AdVerifications><BlockedAdCategories>b</BlockedAdCategories>" LINEAR(
                      START("s1") "<VideoClicks><ClickTracking>c1</ClickTracking></VideoClicks><Icons><Icon "
                                  "program=\"p\"/><Icon program=\"q\"/></Icons>")))},
        {.url = "http://a.test/1",
         .body = DOC(
             "4.2",
             AD("i", "",
                "<ViewableImpression><Viewable>v2</Viewable></ViewableImpression><AdVerifications>"
                "<Verification vendor=\"i\"/></AdVerifications>" LINEAR("<Duration>00:00:10</Duration>" START(
                    "s2") "<VideoClicks><ClickTracking>c2</ClickTracking></VideoClicks><Icons><Icon "
                          "program=\"p\">"
                          "<IconViewTracking>own</IconViewTracking></Icon></Icons>")))}};
    struct vast_resolver r = resolve(pages);
    const struct vast_ad *ad = r.result.ads[0].ad;
    const struct vast_creative *c = &ad->creatives[0];
    (void)state;

    assert_str(ad->sequence, "3");
    assert_int_equal(ad->viewable.n, 2);
    assert_str(ad->viewable.items[0].url, "v1");
    assert_int_equal(ad->nverifications, 2);
    assert_str(ad->verifications[0].vendor, "o");
    assert_int_equal(ad->errors.n, 2);
    assert_str(ad->blocked_categories.items[0].url, "b");
    assert_int_equal(ad->ncreatives, 1);
    assert_int_equal(c->duration_ms, 10000);
    assert_int_equal(c->tracking.n, 2);
    assert_str(c->tracking.items[0].url, "s1");
    assert_str(c->tracking.items[1].url, "s2");
    assert_str(c->click_tracking.items[0].url, "c1");
    assert_int_equal(c->nicons, 2); /* of the two of one program the ad's own */
    assert_str(c->icons[0].view_tracking.items[0].url, "own");
    assert_str(c->icons[1].program, "q");
}

#define NONLINEAR(width, clicked, event, url)                                                                \
    "<Creatives><Creative><NonLinearAds><TrackingEvents><Tracking event=\"" event "\">" url                  \
    "</Tracking></TrackingEvents><NonLinear width=\"" width "\"><NonLinearClickTracking>" clicked            \
    "</NonLinearClickTracking></NonLinear></NonLinearAds></Creative></Creatives>"

/* What a wrapper tracks of an overlay goes to each of its variations; the document's own stay as they are. */
static void a_wrapper_tracks_an_overlay_too(void **state)
{
    const struct page pages[DOCUMENTS_MAX] = {
        {.url = "http://a.test/0",
         .body = DOC("4.2", WRAP("w", "", "", "/1", NONLINEAR("9", "outer", "creativeView", "v1")))},
        {.url = "http://a.test/1",
         .body = DOC("4.2", AD("i", "", NONLINEAR("300", "own", "creativeView", "v2")))}};
    struct vast_resolver r = resolve(pages);
    const struct vast_creative *c = &r.result.ads[0].ad->creatives[0];
    (void)state;

    assert_int_equal(r.result.ads[0].ad->ncreatives, 1);
    assert_int_equal(c->kind, VAST_NONLINEAR);
    assert_int_equal(c->tracking.n, 2);
    assert_str(c->tracking.items[0].url, "v1");
    assert_str(c->tracking.items[1].url, "v2");
    assert_int_equal(c->nvariations, 1);
    assert_str(c->variations[0].width, "300");
    assert_int_equal(c->variations[0].click_tracking.n, 2);
    assert_str(c->variations[0].click_tracking.items[0].url, "outer");
    assert_str(c->variations[0].click_tracking.items[1].url, "own");
}

#define COMPANION(size, inside)                                                                              \
    "<Creatives><Creative><CompanionAds><Companion " size ">" inside                                         \
    "</Companion></CompanionAds></Creative></Creatives>"

static const struct vast_ad *companions_of(const char *outer, const char *inner)
{
    const struct page pages[DOCUMENTS_MAX] = {{.url = "http://a.test/0", .body = outer},
                                              {.url = "http://a.test/1", .body = inner}};
    struct vast_resolver r = resolve(pages);

    assert_int_equal(r.result.nads, 1);
    return r.result.ads[0].ad;
}

static void companions_are_the_closest_ones(void **state)
{
    const struct vast_ad *ad;
    (void)state;

    ad = companions_of(DOC("4.2", WRAP("w", "", "", "/1",
                                       COMPANION("width=\"1\"", "<StaticResource>outer</StaticResource>"))),
                       I("i"));
    assert_int_equal(ad->ncreatives, 1);
    assert_str(ad->creatives[0].variations[0].statics.items[0].url, "outer");
    ad = companions_of(
        DOC("4.2",
            WRAP("w", "", "", "/1", COMPANION("width=\"1\"", "<StaticResource>outer</StaticResource>"))),
        DOC("4.2", AD("i", "", COMPANION("width=\"2\"", "<StaticResource>own</StaticResource>"))));
    assert_int_equal(ad->ncreatives, 1);
    assert_str(ad->creatives[0].variations[0].statics.items[0].url, "own");
}

static void a_companion_without_a_resource_tracks_those_of_its_size(void **state)
{
    const char *outer = DOC("4.2", WRAP("w", "", "", "/1", COMPANION("width=\"2\"", START("t1"))));
    const struct vast_ad *ad;
    (void)state;

    ad = companions_of(
        outer, DOC("4.2", AD("i", "", COMPANION("width=\"2\"", "<StaticResource>own</StaticResource>"))));
    assert_int_equal(ad->creatives[0].variations[0].tracking.n, 1);
    ad = companions_of(
        outer, DOC("4.2", AD("i", "", COMPANION("width=\"3\"", "<StaticResource>own</StaticResource>"))));
    assert_int_equal(ad->creatives[0].variations[0].tracking.n, 0);
}

static void a_chain_that_needs_too_much_memory_says_so(void **state)
{
    struct vast_resolver_options options = {.max_wrappers = 5, .max_fetches = 9};
    SCOPED_VALUE(arena) small;
    struct vast_resolver r;
    struct err err = {0};
    (void)state;

    arena_init(&small, 512);
    vast_resolver_begin(&r, &small, &options);
    assert_false(vast_resolver_source(&r, STR(DOC("4.2", AD("i", "", "") AD("j", "", ""))), STR(""), &err));
    assert_int_equal(err.code, ERR_TOO_BIG);
}

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 16 * 1024 * 1024);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_end_as_they_should),
        cmocka_unit_test(a_file_without_a_url_has_no_relative_wrappers),
        cmocka_unit_test(a_file_with_a_url_has),
        cmocka_unit_test(a_limit_of_requests_holds_for_all_of_a_pod),
        cmocka_unit_test(the_first_of_a_buffet_saves_the_other_requests),
        cmocka_unit_test(macros_of_a_request_are_fresh_and_an_error_has_its_code),
        cmocka_unit_test(everything_that_wrappers_add_is_merged),
        cmocka_unit_test(a_wrapper_tracks_an_overlay_too),
        cmocka_unit_test(companions_are_the_closest_ones),
        cmocka_unit_test(a_companion_without_a_resource_tracks_those_of_its_size),
        cmocka_unit_test(a_chain_that_needs_too_much_memory_says_so),
    };

    return cmocka_run_group_tests(tests, start, end);
}
