/*
 * test_page.c - traces replayed as lists of protocol events: the table is sound, and each list ends in the
 * chain and outcome that it should. No browser, no loop, no clock.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "worker/browser/page.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 4 * 1024 * 1024, ASKED_MAX = 64 };

struct asked {
    char method[64];
    page_answer_fn answer;
};

struct fixture {
    struct arena arena;
    struct page page;
    struct page_options options;
    struct asked asked[ASKED_MAX]; /* commands whose answer is due */
    int nasked;
    char sent[8192]; /* "method params" a line, since it was cleared */
    const char *cookies;
    int ended;
    int documents;
};

/* --- the browser's part ----------------------------------------------------------------------------- */

static void take_command(void *arg, struct str session, const char *method, json_t *params,
                         page_answer_fn answer)
{
    struct fixture *f = arg;
    char *text = params ? json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS) : strdup("{}");
    size_t len = strlen(f->sent);

    (void)session;
    snprintf(f->sent + len, sizeof(f->sent) - len, "%s %s\n", method, text);
    free(text);
    json_decref(params);
    if (!answer)
        return;
    assert_true(f->nasked < ASKED_MAX);
    snprintf(f->asked[f->nasked].method, sizeof(f->asked[0].method), "%s", method);
    f->asked[f->nasked++].answer = answer;
}

static void on_ended(void *arg)
{
    struct fixture *f = arg;

    f->ended++;
}

static void answer_all(struct fixture *f)
{
    struct err none = {.code = ERR_OK};

    while (f->nasked && !f->ended) {
        struct asked first = f->asked[0];
        json_t *result = json_loads(strcmp(first.method, "Storage.getCookies") ? "{}" : f->cookies, 0, NULL);

        memmove(f->asked, f->asked + 1, (size_t)--f->nasked * sizeof(*f->asked));
        first.answer(&f->page, result, &none);
        json_decref(result);
    }
}

static void event(struct fixture *f, const char *method, const char *params)
{
    json_error_t error;
    json_t *object = json_loads(params, 0, &error);

    if (!object)
        fail_msg("%s: %s", params, error.text);
    page_on_event(&f->page, STR("S"), str_from(method), object);
    json_decref(object);
    answer_all(f);
}

static void eventf(struct fixture *f, const char *method, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void eventf(struct fixture *f, const char *method, const char *format, ...)
{
    char params[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(params, sizeof(params), format, args);
    va_end(args);
    event(f, method, params);
}

/* --- what happens to a document, in the order that Chromium tells it ---------------------------------- */

static void paused(struct fixture *f, const char *method, const char *url, bool is_redirect)
{
    if (!is_redirect)
        f->documents++;
    eventf(f, "Network.requestWillBeSent",
           "{\"requestId\":\"D%d\",\"type\":\"Document\",\"frameId\":\"F\",\"timestamp\":1.5,\"request\":{"
           "\"url\":\"%s\"}}",
           f->documents, url);
    eventf(f, "Fetch.requestPaused",
           "{\"requestId\":\"I%d\",\"networkId\":\"D%d\",\"frameId\":\"F\",\"resourceType\":\"Document\",%s"
           "\"request\":{\"url\":\"%s\",\"method\":\"%s\"}}",
           f->documents, f->documents, is_redirect ? "\"redirectedRequestId\":\"I\"," : "", url, method);
}

static void asks(struct fixture *f, const char *url)
{
    paused(f, "GET", url, false);
}

static void follows(struct fixture *f, const char *url)
{
    paused(f, "GET", url, true);
}

static void answers(struct fixture *f, int status, const char *headers)
{
    eventf(f, "Fetch.requestPaused",
           "{\"requestId\":\"I%d\",\"networkId\":\"D%d\",\"frameId\":\"F\",\"resourceType\":\"Document\","
           "\"responseStatusCode\":%d,\"responseHeaders\":[%s],\"request\":{\"url\":\"\"}}",
           f->documents, f->documents, status, headers);
}

static void redirects(struct fixture *f, int status, const char *location)
{
    char header[1024];

    snprintf(header, sizeof(header), "{\"name\":\"Location\",\"value\":\"%s\"}", location);
    answers(f, status, header);
}

static void loads(struct fixture *f)
{
    eventf(f, "Page.frameNavigated", "{\"frame\":{\"id\":\"F\",\"loaderId\":\"D%d\"}}", f->documents);
    eventf(f, "Network.loadingFinished", "{\"requestId\":\"D%d\",\"timestamp\":2,\"encodedDataLength\":10}",
           f->documents);
    event(f, "Page.loadEventFired", "{}");
}

static void shows(struct fixture *f, const char *url)
{
    asks(f, url);
    answers(f, 200, "{\"name\":\"Content-Type\",\"value\":\"text/html\"}");
    loads(f);
}

static void fails(struct fixture *f, const char *error)
{
    eventf(f, "Network.loadingFailed", "{\"requestId\":\"D%d\",\"errorText\":\"%s\"}", f->documents, error);
}

static void expires(struct fixture *f)
{
    event(f, "Emulation.virtualTimeBudgetExpired", "{}");
}

static void wants(struct fixture *f, const char *reason, double delay, const char *url)
{
    eventf(f, "Page.frameScheduledNavigation",
           "{\"frameId\":\"F\",\"reason\":\"%s\",\"delay\":%g,\"url\":\"%s\"}", reason, delay, url);
    eventf(f, "Page.frameRequestedNavigation",
           "{\"frameId\":\"F\",\"reason\":\"%s\",\"disposition\":\"currentTab\",\"url\":\"%s\"}", reason,
           url);
}

/* --- the frame --------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    arena_init(&f->arena, ARENA_BYTES);
    f->cookies = "{\"cookies\":[]}";
    f->options = (struct page_options){.arena = &f->arena,
                                       .settle_ms = 11000,
                                       .hang_ms = 1000,
                                       .user = STR("u"),
                                       .password = STR("p"),
                                       .ops = {take_command, on_ended, f}};
    f->options.request = (struct trace_request){.url = STR("http://a.test/"),
                                                .user_agent = STR("test"),
                                                .max_hops = 20,
                                                .total_timeout_ms = 10000,
                                                .max_body = 1000,
                                                .block_resources = true};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_finish(&f->arena);
    free(f);
    return 0;
}

static void begin(struct fixture *f)
{
    assert_true(page_begin(&f->page, &f->options, 5000));
    page_opened(&f->page, STR("C"), STR("F"), STR("S"));
    answer_all(f);
}

static void at(struct fixture *f, int64_t ms)
{
    f->page.now_ms = 5000 + ms;
    page_timer(&f->page);
    answer_all(f);
}

/* "status via url" a line. */
static void expect_chain(struct fixture *f, enum outcome outcome, const char *want)
{
    const struct chain *chain = &f->page.result->chain;
    char got[4096] = "";

    for (int i = 0; i < chain->nhops; i++) {
        const struct hop *hop = &chain->hops[i];
        size_t len = strlen(got);

        snprintf(got + len, sizeof(got) - len, "%d %s %.*s\n", hop->status, via_name(hop->via),
                 STR_ARG(hop->url));
    }
    assert_string_equal(got, want);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->page.state, PAGE_ENDED);
    assert_string_equal(outcome_name(f->page.result->outcome), outcome_name(outcome));
    assert_int_equal(f->page.result->err.code == ERR_OK,
                     outcome == OUTCOME_OK || outcome == OUTCOME_EXTERNAL_SCHEME);
}

static bool has_note(struct fixture *f, int hop, const char *part)
{
    const struct hop *h = &f->page.result->chain.hops[hop];

    for (int i = 0; i < h->nnotes; i++)
        if (memmem(h->notes[i].ptr, h->notes[i].len, part, strlen(part)))
            return true;
    return false;
}

static bool was_sent(struct fixture *f, const char *text)
{
    bool was = strstr(f->sent, text) != NULL;

    f->sent[0] = '\0';
    return was;
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_reachable_and_can_end),
        cmocka_unit_test(nothing_happens_to_a_page_that_has_ended),
        TEST(nothing_is_asked_for_before_everything_is_guarded),
        TEST(redirects_keep_their_status_and_the_fragment),
        TEST(a_page_says_why_it_goes_on),
        TEST(what_expires_before_its_grant_is_no_news),
        TEST(a_page_about_to_leave_is_waited_for),
        TEST(one_that_never_leaves_is_not),
        TEST(the_same_url_with_the_same_cookies_is_a_loop),
        TEST(with_other_cookies_it_is_none),
        TEST(hops_are_counted),
        TEST(a_page_that_shows_itself_again_has_been_reached),
        TEST(who_waits_for_more_than_ten_seconds_is_not_followed),
        TEST(a_body_is_cut_at_its_limit),
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
