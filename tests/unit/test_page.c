/*
 * test_page.c - the page's table is sound, and traces replayed as lists of protocol events end in the chain
 * that they should. What ends a trace early is in test_page_ends.c.
 */
#include "tests/unit/page_fixture.h"

/* --- the table --------------------------------------------------------------------------------------- */

static void every_state_is_reachable_and_can_end(void **state)
{
    bool is_reached[PAGE_STATE_COUNT] = {[PAGE_OPENING] = true};
    enum page_state to;
    (void)state;

    for (int round = 0; round < PAGE_STATE_COUNT; round++)
        for (int from = 0; from < PAGE_STATE_COUNT; from++)
            for (int ev = 0; is_reached[from] && ev < PAGE_EVENT_COUNT; ev++)
                if (page_next((enum page_state)from, (enum page_event)ev, &to))
                    is_reached[to] = true;
    for (int s = 0; s < PAGE_STATE_COUNT; s++) {
        assert_true(is_reached[s]);
        assert_int_equal(page_next((enum page_state)s, PAGE_EV_END, &to), s != PAGE_ENDED);
    }
}

static void nothing_happens_to_a_page_that_has_ended(void **state)
{
    enum page_state to;
    (void)state;

    for (int ev = 0; ev < PAGE_EVENT_COUNT; ev++)
        assert_false(page_next(PAGE_ENDED, (enum page_event)ev, &to));
}

/* --- ordinary chains --------------------------------------------------------------------------------- */

static void nothing_is_asked_for_before_everything_is_guarded(void **state)
{
    struct fixture *f = *state;

    assert_true(page_begin(&f->page, &f->options, 5000));
    page_opened(&f->page, STR("C"), STR("F"), STR("S"));
    assert_null(strstr(f->sent, "Page.navigate"));
    answer_all(f);
    assert_true(was_sent(f, "Fetch.enable {\"handleAuthRequests\":true"));
    shows(f, "http://a.test/");
    expires(f);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n");
}

static void redirects_keep_their_status_and_the_fragment(void **state)
{
    struct fixture *f = *state;

    f->options.request.url = STR("http://a.test/#one");
    begin(f);
    eventf(f, "Fetch.requestPaused",
           "{\"requestId\":\"I1\",\"networkId\":\"D1\",\"frameId\":\"F\",\"resourceType\":\"Document\","
           "\"request\":{\"url\":\"http://a.test/\",\"urlFragment\":\"#one\",\"method\":\"GET\"}}");
    f->documents = 1;
    redirects(f, 301, "/b?x=1");
    follows(f, "http://a.test/b?x=1");
    redirects(f, 307, "http://c.test/#two");
    follows(f, "http://c.test/");
    answers(f, 200, "");
    loads(f);
    expires(f);
    expect_chain(f, OUTCOME_OK,
                 "301 start http://a.test/#one\n307 http_301 http://a.test/b?x=1#one\n"
                 "200 http_307 http://c.test/#two\n");
    assert_int_equal(f->page.result->nparams, 1);
}

/* clang-format off */
static const struct { const char *reason; enum via via; } reasons[] = {
    {"scriptInitiated", VIA_JS_LOCATION}, {"metaTagRefresh", VIA_META_REFRESH}, {"httpHeaderRefresh", VIA_REFRESH_HEADER},
    {"anchorClick", VIA_ANCHOR_CLICK}, {"formSubmissionGet", VIA_FORM_GET}, {"formSubmissionPost", VIA_FORM_POST},
    {"something new", VIA_JS_LOCATION},
};
/* clang-format on */

static void what_chromium_knows_of_an_answer_is_kept(void **state)
{
    struct fixture *f = *state;
    const struct hop *hop;

    f->options.request.proxy = (struct trace_proxy){.scheme = STR("http"), .host = STR("203.0.113.9")};
    begin(f);
    f->page.now_ms = 5070;
    asks(f, "https://a.test/");
    answers(f, 200, "{\"name\":\"Server\",\"value\":\"x\"}");
    event(f, "Network.responseReceivedExtraInfo", "{\"requestId\":\"D1\",\"statusCode\":407,\"headers\":{}}");
    event(f, "Network.responseReceivedExtraInfo",
          "{\"requestId\":\"D1\",\"statusCode\":200,\"headers\":{\"set-cookie\":\"a=1\\nb=2\"}}");
    event(f, "Network.responseReceived",
          "{\"requestId\":\"D1\",\"response\":{\"protocol\":\"h2\",\"encodedDataLength\":80,\"mimeType\":"
          "\"text/html\","
          "\"timing\":{\"dnsEnd\":-1,\"connectEnd\":3.2,\"sslEnd\":7,\"receiveHeadersEnd\":20.6},"
          "\"securityDetails\":"
          "{\"protocol\":\"TLS 1.3\",\"subjectName\":\"a.test\",\"issuer\":\"CA\",\"validFrom\":1700000000,"
          "\"validTo\":1800000000,\"sanList\":[\"a.test\",\"*.a.test\",7]}}}");
    event(f, "Network.loadingFinished",
          "{\"requestId\":\"D1\",\"timestamp\":1.75,\"encodedDataLength\":100}");
    hop = &f->page.result->chain.hops[0];
    assert_str(hop->http_version, "2");
    assert_str(hop->tls_version, "TLSv1.3");
    assert_str(hop->remote_address, "203.0.113.9");
    assert_str(hop->content_type, "text/html");
    assert_str(hop->certificate.subject, "CN=a.test");
    assert_str(hop->certificate.not_before, "2023-11-14T22:13:20Z");
    assert_str(hop->certificate.not_after, "2027-01-15T08:00:00Z");
    assert_int_equal(hop->certificate.nnames, 2);
    assert_str(hop->certificate.names[1], "*.a.test");
    assert_str(hop->alpn, "h2");
    assert_int_equal(hop->ncookie_names, 2);
    assert_str(hop->headers[0].name, "Server");
    assert_int_equal(hop->started_ms, 70);
    assert_int_equal(hop->timing.dns, -1);
    assert_int_equal(hop->timing.connect, 3);
    assert_int_equal(hop->timing.first_byte, 21);
    assert_int_equal(hop->timing.total, 250);
    assert_int_equal(hop->header_bytes, 80);
    assert_int_equal(hop->body_bytes, 20);
}

static void a_page_says_why_it_goes_on(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        struct fixture *f = *state;

        begin(f);
        shows(f, "http://a.test/");
        wants(f, reasons[i].reason, 0, "http://b.test/");
        shows(f, "http://b.test/");
        expires(f);
        assert_int_equal(f->page.result->chain.nhops, 2);
        assert_int_equal(f->page.result->chain.hops[1].via, reasons[i].via);
        teardown(state);
        setup(state);
    }
}

static void what_expires_before_its_grant_is_no_news(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    answers(f, 200, "");
    eventf(f, "Page.frameNavigated", "{\"frame\":{\"id\":\"F\",\"loaderId\":\"D1\"}}");
    page_on_event(&f->page, STR("S"), STR("Page.loadEventFired"), NULL);
    page_on_event(&f->page, STR("S"), STR("Emulation.virtualTimeBudgetExpired"), NULL); /* an older one */
    assert_int_equal(f->page.state, PAGE_SETTLING);
    answer_all(f);
    expires(f);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n");
}

static void a_page_about_to_leave_is_waited_for(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    wants(f, "scriptInitiated", 0, "http://b.test/");
    expires(f);
    assert_int_equal(f->page.state, PAGE_LEAVING);
    shows(f, "http://b.test/");
    expires(f);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n200 js_location http://b.test/\n");
}

static void one_that_never_leaves_is_not(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    wants(f, "scriptInitiated", 0, "http://b.test/");
    expires(f);
    at(f, 999);
    assert_int_equal(f->ended, 0);
    at(f, 1000);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n");
}

/* --- loops and limits -------------------------------------------------------------------------------- */

static void the_same_url_with_the_same_cookies_is_a_loop(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    redirects(f, 302, "/b");
    follows(f, "http://a.test/b");
    redirects(f, 302, "/");
    follows(f, "http://a.test/");
    redirects(f, 302, "/b");
    expect_chain(f, OUTCOME_LOOP,
                 "302 start http://a.test/\n302 http_302 http://a.test/b\n302 http_302 http://a.test/\n");
    assert_int_equal(f->page.result->err.code, ERR_REDIRECT_LOOP);
}

static void with_other_cookies_it_is_none(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    redirects(f, 302, "/");
    f->cookies = "{\"cookies\":[{\"name\":\"a\",\"value\":\"1\",\"domain\":\"a.test\",\"path\":\"/\"}]}";
    follows(f, "http://a.test/");
    redirects(f, 302, "/c");
    follows(f, "http://a.test/c");
    answers(f, 200, "");
    loads(f);
    expires(f);
    expect_chain(f, OUTCOME_OK,
                 "302 start http://a.test/\n302 http_302 http://a.test/\n200 http_302 http://a.test/c\n");
}

/* What Chromium says when a host wants https: a 307 that came over no connection. */
static void goes_to_https(struct fixture *f, const char *url, const char *https, int port)
{
    follows(f, url);
    redirects(f, 307, https);
    eventf(
        f, "Network.requestWillBeSent",
        "{\"requestId\":\"D%d\",\"type\":\"Document\",\"frameId\":\"F\",\"timestamp\":1.5,\"request\":{"
        "\"url\":\"%s\"},\"redirectResponse\":{\"status\":307,\"remotePort\":%d,\"encodedDataLength\":%d}}",
        f->documents, https, port, port ? 90 : 0);
    eventf(f, "Fetch.requestPaused",
           "{\"requestId\":\"I%d\",\"networkId\":\"D%d\",\"frameId\":\"F\",\"resourceType\":\"Document\","
           "\"redirectedRequestId\":\"I\",\"request\":{\"url\":\"%s\",\"method\":\"GET\"}}",
           f->documents, f->documents, https);
}

static void a_host_that_wants_https_is_one_hop(void **state)
{
    struct fixture *f = *state;

    f->options.request.url = STR("https://a.test/");
    f->options.request.max_hops = 2;
    begin(f);
    asks(f, "https://a.test/");
    redirects(f, 302, "http://a.test/2");
    goes_to_https(f, "http://a.test/2", "https://a.test/2", 0);
    answers(f, 200, "");
    loads(f);
    expires(f);
    expect_chain(f, OUTCOME_OK, "302 start https://a.test/\n200 http_302 https://a.test/2\n");
}

static void one_that_only_looks_so_is_two(void **state)
{
    struct fixture *f = *state;

    f->options.request.url = STR("https://a.test/");
    f->options.request.max_hops = 2;
    begin(f);
    asks(f, "https://a.test/");
    redirects(f, 302, "http://a.test/2");
    goes_to_https(f, "http://a.test/2", "https://a.test/2", 1080);
    expect_chain(f, OUTCOME_TOO_MANY_HOPS, "302 start https://a.test/\n307 http_302 http://a.test/2\n");
}

static void hops_are_counted(void **state)
{
    struct fixture *f = *state;

    f->options.request.max_hops = 2;
    begin(f);
    asks(f, "http://a.test/");
    redirects(f, 302, "/2");
    follows(f, "http://a.test/2");
    redirects(f, 302, "/3");
    expect_chain(f, OUTCOME_TOO_MANY_HOPS, "302 start http://a.test/\n302 http_302 http://a.test/2\n");
}

static void a_page_that_shows_itself_again_has_been_reached(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    wants(f, "metaTagRefresh", 5, "http://a.test/");
    asks(f, "http://a.test/");
    assert_true(was_sent(f, "Fetch.failRequest {\"errorReason\":\"Aborted\",\"requestId\":\"I2\"}"));
    fails(f, "net::ERR_ABORTED");
    expires(f);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n");
    assert_true(has_note(f, 0, "only shows itself again"));
}

static void who_waits_for_more_than_ten_seconds_is_not_followed(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    wants(f, "metaTagRefresh", 11, "http://b.test/");
    asks(f, "http://b.test/");
    expires(f);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n");
    assert_true(has_note(f, 0, "refresh after 11 s not followed"));
}

static void a_body_is_cut_at_its_limit(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    answers(f, 200, "");
    event(f, "Page.frameNavigated", "{\"frame\":{\"id\":\"F\",\"loaderId\":\"D1\"}}");
    event(f, "Network.dataReceived", "{\"requestId\":\"D1\",\"dataLength\":600}");
    assert_false(was_sent(f, "Page.stopLoading"));
    event(f, "Network.dataReceived", "{\"requestId\":\"D1\",\"dataLength\":600}");
    event(f, "Network.dataReceived", "{\"requestId\":\"D1\",\"dataLength\":600}");
    assert_true(was_sent(f, "Page.stopLoading"));
    event(f, "Page.frameStoppedLoading", "{\"frameId\":\"F\"}");
    expires(f);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n");
    assert_true(has_note(f, 0, "body cut at 1000 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_reachable_and_can_end),
        cmocka_unit_test(nothing_happens_to_a_page_that_has_ended),
        TEST(nothing_is_asked_for_before_everything_is_guarded),
        TEST(redirects_keep_their_status_and_the_fragment),
        TEST(what_chromium_knows_of_an_answer_is_kept),
        TEST(a_page_says_why_it_goes_on),
        TEST(what_expires_before_its_grant_is_no_news),
        TEST(a_page_about_to_leave_is_waited_for),
        TEST(one_that_never_leaves_is_not),
        TEST(the_same_url_with_the_same_cookies_is_a_loop),
        TEST(with_other_cookies_it_is_none),
        TEST(a_host_that_wants_https_is_one_hop),
        TEST(one_that_only_looks_so_is_two),
        TEST(hops_are_counted),
        TEST(a_page_that_shows_itself_again_has_been_reached),
        TEST(who_waits_for_more_than_ten_seconds_is_not_followed),
        TEST(a_body_is_cut_at_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
