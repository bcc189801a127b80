/*
 * test_page_ends.c - what a page may not do, what goes wrong with it, and time: replayed as lists of
 * protocol events.
 */
#include "tests/unit/page_fixture.h"

/* --- what is never opened ---------------------------------------------------------------------------- */

static void a_redirect_to_an_app_ends_the_chain(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    redirects(f, 302, "intent://open/#Intent;end");
    expect_chain(f, OUTCOME_EXTERNAL_SCHEME,
                 "302 start http://a.test/\n0 http_302 intent://open/#Intent;end\n");
}

static void so_does_a_page_that_opens_one(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    wants(f, "scriptInitiated", 0, "market://x");
    event(f, "Network.requestWillBeSent",
          "{\"requestId\":\"D9\",\"type\":\"Document\",\"frameId\":\"F\",\"request\":{\"url\":\"market://"
          "x\"}}");
    expect_chain(f, OUTCOME_EXTERNAL_SCHEME, "200 start http://a.test/\n0 js_location market://x\n");
}

static void a_file_is_blocked(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    redirects(f, 302, "file:///etc/hostname");
    expect_chain(f, OUTCOME_BLOCKED, "302 start http://a.test/\n0 http_302 file:///etc/hostname\n");
}

static void a_private_address_is_recorded_and_never_asked(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    redirects(f, 302, "http://0x7f.1/");
    f->sent[0] = '\0';
    follows(f, "http://127.0.0.1/");
    expect_chain(f, OUTCOME_BLOCKED, "302 start http://a.test/\n0 http_302 http://127.0.0.1/\n");
    assert_false(was_sent(f, "Fetch.continueRequest"));
}

static void a_private_start_needs_no_browser(void **state)
{
    struct fixture *f = *state;

    f->options.request.url = STR("http://localhost/");
    assert_false(page_begin(&f->page, &f->options, 5000));
    expect_chain(f, OUTCOME_BLOCKED, "0 start http://localhost/\n");
    assert_string_equal(f->sent, "");
}

static void other_schemes_cannot_be_traced(void **state)
{
    struct fixture *f = *state;

    f->options.request.url = STR("ftp://a.test/");
    assert_false(page_begin(&f->page, &f->options, 5000));
    assert_int_equal(f->page.result->err.code, ERR_BAD_URL);
}

static void resource(struct fixture *f, const char *type, const char *url)
{
    f->sent[0] = '\0';
    eventf(f, "Fetch.requestPaused",
           "{\"requestId\":\"R\",\"frameId\":\"F\",\"resourceType\":\"%s\",\"request\":{\"url\":\"%s\"}}",
           type, url);
}

static void resources_are_judged(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    resource(f, "Script", "http://b.test/s.js");
    assert_true(was_sent(f, "Fetch.continueRequest {\"requestId\":\"R\"}"));
    resource(f, "Image", "http://b.test/i.png");
    assert_true(was_sent(f, "Fetch.failRequest"));
    resource(f, "Ping", "http://b.test/ping");
    assert_true(was_sent(f, "Fetch.failRequest"));
    resource(f, "XHR", "http://169.254.169.254/latest/");
    assert_true(was_sent(f, "Fetch.failRequest"));
    assert_true(has_note(f, 0, "refused: 169.254.169.254"));
    f->page.options.request.block_resources = false;
    resource(f, "Image", "http://b.test/i.png");
    assert_true(was_sent(f, "Fetch.continueRequest"));
    resource(f, "Ping", "http://b.test/ping");
    assert_true(was_sent(f, "Fetch.failRequest"));
}

/* --- credentials ------------------------------------------------------------------------------------- */

static void credentials_are_for_the_relay_alone_and_once(void **state)
{
    struct fixture *f = *state;

    begin(f);
    f->sent[0] = '\0';
    event(f, "Fetch.authRequired", "{\"requestId\":\"I1\",\"authChallenge\":{\"source\":\"Proxy\"}}");
    assert_true(was_sent(f, "\"password\":\"p\",\"response\":\"ProvideCredentials\",\"username\":\"u\""));
    event(f, "Fetch.authRequired", "{\"requestId\":\"I1\",\"authChallenge\":{\"source\":\"Proxy\"}}");
    assert_true(was_sent(f, "CancelAuth"));
    event(f, "Fetch.authRequired", "{\"requestId\":\"I2\",\"authChallenge\":{\"source\":\"Server\"}}");
    assert_true(was_sent(f, "CancelAuth"));
}

/* --- failures ---------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *net; enum err_code code; enum outcome outcome; } failures[] = {
    {"net::ERR_CERT_DATE_INVALID",      ERR_TARGET_TLS,      OUTCOME_ERROR},
    {"net::ERR_SSL_PROTOCOL_ERROR",     ERR_TARGET_TLS,      OUTCOME_ERROR},
    {"net::ERR_EMPTY_RESPONSE",         ERR_TARGET_CLOSED,   OUTCOME_ERROR},
    {"net::ERR_CONNECTION_REFUSED",     ERR_TARGET_REFUSED,  OUTCOME_ERROR},
    {"net::ERR_NAME_NOT_RESOLVED",      ERR_TARGET_RESOLVE,  OUTCOME_ERROR},
    {"net::ERR_TIMED_OUT",              ERR_TARGET_TIMEOUT,  OUTCOME_TIMEOUT},
    {"net::ERR_TOO_MANY_REDIRECTS",     ERR_TOO_MANY_HOPS,   OUTCOME_TOO_MANY_HOPS},
    {"net::ERR_INVALID_HTTP_RESPONSE",  ERR_TARGET_PROTOCOL, OUTCOME_ERROR},
    {"net::ERR_NEVER_HEARD_OF",         ERR_TARGET_PROTOCOL, OUTCOME_ERROR},
};
/* clang-format on */

static void chromiums_errors_have_names_of_ours(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        struct fixture *f = *state;

        begin(f);
        asks(f, "http://a.test/");
        fails(f, failures[i].net);
        expect_chain(f, failures[i].outcome, "0 start http://a.test/\n");
        assert_string_equal(err_name(f->page.result->err.code), err_name(failures[i].code));
        teardown(state);
        setup(state);
    }
}

static void the_relay_knows_better(void **state)
{
    struct fixture *f = *state;
    struct err err;

    begin(f);
    asks(f, "https://a.test/x");
    err_set(&err, ERR_PROXY_TUNNEL, "through 203.0.113.9:1: refused");
    page_on_relay_failure(&f->page, STR("https://other.test/"), &err);
    assert_int_equal(f->ended, 0);
    page_on_relay_failure(&f->page, STR("https://a.test/"), &err);
    expect_chain(f, OUTCOME_ERROR, "0 start https://a.test/x\n");
    assert_int_equal(f->page.result->err.code, ERR_PROXY_TUNNEL);
}

static void a_location_that_is_no_url_is_the_targets_fault(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    redirects(f, 302, "http://[");
    expect_chain(f, OUTCOME_ERROR, "302 start http://a.test/\n");
    assert_int_equal(f->page.result->err.code, ERR_TARGET_URL);
}

static void a_crash_ends_the_trace(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    event(f, "Inspector.targetCrashed", "{}");
    expect_chain(f, OUTCOME_ERROR, "200 start http://a.test/\n");
    assert_int_equal(f->page.result->err.code, ERR_PAGE_CRASHED);
}

static void a_204_leaves_the_page_where_it_is(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    answers(f, 204, "");
    fails(f, "net::ERR_ABORTED");
    expires(f);
    expect_chain(f, OUTCOME_OK, "204 start http://a.test/\n");
}

static void what_a_page_takes_back_is_no_hop(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    wants(f, "scriptInitiated", 0, "http://b.test/");
    asks(f, "http://b.test/");
    wants(f, "scriptInitiated", 0, "http://c.test/");
    fails(f, "net::ERR_ABORTED");
    shows(f, "http://c.test/");
    expires(f);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n200 js_location http://c.test/\n");
    assert_true(has_note(f, 0, "asked for and taken back: http://b.test/"));
}

static void a_download_ends_the_trace(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    answers(f, 200, "{\"name\":\"Content-Disposition\",\"value\":\"attachment\"}");
    event(f, "Page.downloadWillBegin", "{\"frameId\":\"F\",\"suggestedFilename\":\"f.zip\"}");
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n");
    assert_true(has_note(f, 0, "f.zip"));
}

/* --- events of a hop --------------------------------------------------------------------------------- */

static void events_become_notes_and_notes_have_an_end(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    event(f, "Page.windowOpen", "{\"url\":\"http://pop.test/\"}");
    event(f, "Page.navigatedWithinDocument", "{\"frameId\":\"F\",\"url\":\"http://a.test/s\"}");
    event(f, "Target.attachedToTarget",
          "{\"sessionId\":\"P\",\"targetInfo\":{\"type\":\"page\",\"targetId\":\"T\",\"url\":\"\"}}");
    assert_true(was_sent(f, "Target.closeTarget {\"targetId\":\"T\"}"));
    for (int i = 0; i < 500; i++)
        event(f, "Page.javascriptDialogOpening", "{\"type\":\"alert\",\"message\":\"hi\"}");
    assert_true(was_sent(f, "Page.handleJavaScriptDialog {\"accept\":true}"));
    assert_true(has_note(f, 0, "http://pop.test/") && has_note(f, 0, "http://a.test/s") &&
                has_note(f, 0, "alert: hi") && has_note(f, 0, "and more"));
    assert_true(f->page.result->chain.hops[0].nnotes <= 40);
}

static void frames_of_other_sites_are_judged_too(void **state)
{
    struct fixture *f = *state;
    json_t *params = json_pack("{s:s, s:s, s:{s:s}}", "requestId", "R", "resourceType", "Ping", "request",
                               "url", "http://b.test/");

    begin(f);
    shows(f, "http://a.test/");
    f->sent[0] = '\0';
    event(f, "Target.attachedToTarget", "{\"sessionId\":\"K\",\"targetInfo\":{\"type\":\"iframe\"}}");
    assert_true(was_sent(f, "Runtime.runIfWaitingForDebugger"));
    assert_true(page_has_session(&f->page, STR("K")));
    page_on_event(&f->page, STR("K"), STR("Fetch.requestPaused"), params);
    assert_true(was_sent(f, "Fetch.failRequest"));
    json_decref(params);
    event(f, "Target.detachedFromTarget", "{\"sessionId\":\"K\"}");
    assert_false(page_has_session(&f->page, STR("K")));
}

/* --- time -------------------------------------------------------------------------------------------- */

static void a_page_that_fetches_for_ever_is_pushed_and_left(void **state)
{
    struct fixture *f = *state;

    begin(f);
    shows(f, "http://a.test/");
    assert_true(was_sent(f, "\"policy\":\"pauseIfNetworkFetchesPending\""));
    assert_int_equal(page_due(&f->page), 6000);
    at(f, 1000);
    assert_true(was_sent(f, "\"policy\":\"advance\""));
    at(f, 2000);
    expect_chain(f, OUTCOME_OK, "200 start http://a.test/\n");
}

static void a_document_that_never_loads_is_looked_at_all_the_same(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    answers(f, 200, "");
    event(f, "Page.frameNavigated", "{\"frame\":{\"id\":\"F\",\"loaderId\":\"D1\"}}");
    at(f, 5000);
    assert_int_equal(f->page.state, PAGE_LOADING); /* its body is not even here */
    event(f, "Network.loadingFinished", "{\"requestId\":\"D1\"}");
    at(f, 9999);
    assert_int_equal(f->page.state, PAGE_LOADING);
    at(f, 10000);
    expect_chain(f, OUTCOME_TIMEOUT, "200 start http://a.test/\n");
}

static void the_deadline_is_the_end(void **state)
{
    struct fixture *f = *state;

    begin(f);
    asks(f, "http://a.test/");
    assert_int_equal(page_due(&f->page), 15000);
    at(f, 10000);
    expect_chain(f, OUTCOME_TIMEOUT, "0 start http://a.test/\n");
    assert_int_equal(f->page.result->err.code, ERR_TRACE_TIMEOUT);
    at(f, 20000);
    assert_int_equal(f->ended, 1);
}

static void waiting_for_a_tab_is_nobodys_fault_but_ours(void **state)
{
    struct fixture *f = *state;

    assert_true(page_begin(&f->page, &f->options, 5000));
    at(f, 10000);
    expect_chain(f, OUTCOME_ERROR, "");
    assert_int_equal(err_blame(f->page.result->err.code), BLAME_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_redirect_to_an_app_ends_the_chain),
        TEST(so_does_a_page_that_opens_one),
        TEST(a_file_is_blocked),
        TEST(a_private_address_is_recorded_and_never_asked),
        TEST(a_private_start_needs_no_browser),
        TEST(other_schemes_cannot_be_traced),
        TEST(resources_are_judged),
        TEST(credentials_are_for_the_relay_alone_and_once),
        TEST(chromiums_errors_have_names_of_ours),
        TEST(the_relay_knows_better),
        TEST(a_location_that_is_no_url_is_the_targets_fault),
        TEST(a_crash_ends_the_trace),
        TEST(a_204_leaves_the_page_where_it_is),
        TEST(what_a_page_takes_back_is_no_hop),
        TEST(a_download_ends_the_trace),
        TEST(events_become_notes_and_notes_have_an_end),
        TEST(frames_of_other_sites_are_judged_too),
        TEST(a_page_that_fetches_for_ever_is_pushed_and_left),
        TEST(a_document_that_never_loads_is_looked_at_all_the_same),
        TEST(the_deadline_is_the_end),
        TEST(waiting_for_a_tab_is_nobodys_fault_but_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
