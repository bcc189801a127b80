/*
 * page_fixture.h - a page without a browser: commands are written down and answered at once, and documents
 * come and go in the order of events that Chromium has.
 */
#ifndef TRACEPOOL_TESTS_UNIT_PAGE_FIXTURE_H
#define TRACEPOOL_TESTS_UNIT_PAGE_FIXTURE_H

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

UNUSED static void take_command(void *arg, struct str session, const char *method, json_t *params,
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

UNUSED static void on_ended(void *arg)
{
    struct fixture *f = arg;

    f->ended++;
}

UNUSED static void answer_all(struct fixture *f)
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

UNUSED static void event(struct fixture *f, const char *method, const char *params)
{
    json_error_t error;
    json_t *object = json_loads(params, 0, &error);

    if (!object)
        fail_msg("%s: %s", params, error.text);
    page_on_event(&f->page, STR("S"), str_from(method), object);
    json_decref(object);
    answer_all(f);
}

UNUSED static void eventf(struct fixture *f, const char *method, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

UNUSED static void eventf(struct fixture *f, const char *method, const char *format, ...)
{
    char params[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(params, sizeof(params), format, args);
    va_end(args);
    event(f, method, params);
}

/* --- what happens to a document, in the order that Chromium tells it ---------------------------------- */

UNUSED static void paused(struct fixture *f, const char *method, const char *url, bool is_redirect)
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

UNUSED static void asks(struct fixture *f, const char *url)
{
    paused(f, "GET", url, false);
}

UNUSED static void follows(struct fixture *f, const char *url)
{
    paused(f, "GET", url, true);
}

UNUSED static void answers(struct fixture *f, int status, const char *headers)
{
    eventf(f, "Fetch.requestPaused",
           "{\"requestId\":\"I%d\",\"networkId\":\"D%d\",\"frameId\":\"F\",\"resourceType\":\"Document\","
           "\"responseStatusCode\":%d,\"responseHeaders\":[%s],\"request\":{\"url\":\"\"}}",
           f->documents, f->documents, status, headers);
}

UNUSED static void redirects(struct fixture *f, int status, const char *location)
{
    char header[1024];

    snprintf(header, sizeof(header), "{\"name\":\"Location\",\"value\":\"%s\"}", location);
    answers(f, status, header);
}

UNUSED static void loads(struct fixture *f)
{
    eventf(f, "Page.frameNavigated", "{\"frame\":{\"id\":\"F\",\"loaderId\":\"D%d\"}}", f->documents);
    eventf(f, "Network.loadingFinished", "{\"requestId\":\"D%d\",\"timestamp\":2,\"encodedDataLength\":10}",
           f->documents);
    event(f, "Page.loadEventFired", "{}");
}

UNUSED static void shows(struct fixture *f, const char *url)
{
    asks(f, url);
    answers(f, 200, "{\"name\":\"Content-Type\",\"value\":\"text/html\"}");
    loads(f);
}

UNUSED static void fails(struct fixture *f, const char *error)
{
    eventf(f, "Network.loadingFailed", "{\"requestId\":\"D%d\",\"errorText\":\"%s\"}", f->documents, error);
}

UNUSED static void expires(struct fixture *f)
{
    event(f, "Emulation.virtualTimeBudgetExpired", "{}");
}

UNUSED static void wants(struct fixture *f, const char *reason, double delay, const char *url)
{
    eventf(f, "Page.frameScheduledNavigation",
           "{\"frameId\":\"F\",\"reason\":\"%s\",\"delay\":%g,\"url\":\"%s\"}", reason, delay, url);
    eventf(f, "Page.frameRequestedNavigation",
           "{\"frameId\":\"F\",\"reason\":\"%s\",\"disposition\":\"currentTab\",\"url\":\"%s\"}", reason,
           url);
}

/* --- the frame --------------------------------------------------------------------------------------- */

UNUSED static int setup(void **state)
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

UNUSED static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_finish(&f->arena);
    free(f);
    return 0;
}

UNUSED static void begin(struct fixture *f)
{
    assert_true(page_begin(&f->page, &f->options, 5000));
    page_opened(&f->page, STR("C"), STR("F"), STR("S"));
    answer_all(f);
}

UNUSED static void at(struct fixture *f, int64_t ms)
{
    f->page.now_ms = 5000 + ms;
    page_timer(&f->page);
    answer_all(f);
}

/* "status via url" a line. */
UNUSED static void expect_chain(struct fixture *f, enum outcome outcome, const char *want)
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

UNUSED static bool has_note(struct fixture *f, int hop, const char *part)
{
    const struct hop *h = &f->page.result->chain.hops[hop];

    for (int i = 0; i < h->nnotes; i++)
        if (memmem(h->notes[i].ptr, h->notes[i].len, part, strlen(part)))
            return true;
    return false;
}

UNUSED static bool was_sent(struct fixture *f, const char *text)
{
    bool was = strstr(f->sent, text) != NULL;

    f->sent[0] = '\0';
    return was;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
