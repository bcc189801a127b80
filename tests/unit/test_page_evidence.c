/*
 * test_page_evidence.c - what a page does differently for evidence: it listens to the console, and loads what
 * a screenshot shows.
 */
#include "tests/unit/page_fixture.h"

static void says_everything(struct fixture *f)
{
    event(f, "Runtime.exceptionThrown",
          "{\"exceptionDetails\":{\"text\":\"Uncaught\",\"url\":\"http://a.test/x.js\",\"lineNumber\":6,"
          "\"columnNumber\":0,\"exception\":{\"description\":\"TypeError: no\\n  at x.js\"}}}");
    event(f, "Runtime.consoleAPICalled",
          "{\"type\":\"error\",\"args\":[{\"type\":\"string\",\"value\":\"bad\"},{\"type\":\"number\","
          "\"description\":\"7\",\"value\":7},{\"type\":\"undefined\"},null],\"stackTrace\":{\"callFrames\":["
          "{}]}}");
    event(f, "Runtime.consoleAPICalled",
          "{\"type\":\"log\",\"args\":[{\"type\":\"string\",\"value\":\"fine\"}]}");
    event(f, "Log.entryAdded",
          "{\"entry\":{\"level\":\"warning\",\"text\":\"old\",\"url\":\"http://a.test/\"}}");
    event(f, "Log.entryAdded",
          "{\"entry\":{\"level\":\"error\",\"text\":\"Failed: net::ERR_BLOCKED_BY_CLIENT\"}}");
    event(f, "Log.entryAdded", "{\"entry\":[]}");
}

static void the_console_is_kept_where_it_is_wanted(void **state)
{
    struct fixture *f = *state;
    const struct kept *kept;

    f->options.request.evidence = evidence_bit(EVIDENCE_CONSOLE);
    begin(f);
    assert_true(was_sent(f, "Runtime.enable"));
    shows(f, "http://a.test/");
    says_everything(f);
    expires(f);
    kept = &f->page.result->kept;
    assert_int_equal(kept->nmessages, 3);
    assert_str(kept->messages[0].kind, "exception");
    assert_str(kept->messages[0].text, "Uncaught TypeError: no");
    assert_str(kept->messages[0].source, "http://a.test/x.js");
    assert_int_equal(kept->messages[0].line, 7);
    assert_int_equal(kept->messages[0].column, 1);
    assert_str(kept->messages[1].text, "bad 7 undefined ");
    assert_int_equal(kept->messages[1].line, 0);
    assert_str(kept->messages[2].kind, "warning");
}

static void nobody_listens_to_it_otherwise(void **state)
{
    struct fixture *f = *state;

    begin(f);
    assert_false(was_sent(f, "Runtime.enable"));
    shows(f, "http://a.test/");
    says_everything(f);
    assert_int_equal(f->page.result->kept.nmessages, 0);
}

static void a_screenshot_has_its_images_and_still_no_reports(void **state)
{
    struct fixture *f = *state;

    f->options.request.evidence = evidence_bit(EVIDENCE_SCREENSHOT);
    begin(f);
    shows(f, "http://a.test/");
    f->sent[0] = '\0';
    event(f, "Fetch.requestPaused",
          "{\"requestId\":\"R1\",\"frameId\":\"F\",\"resourceType\":\"Image\",\"request\":{\"url\":\"http://"
          "a.test/i\"}}");
    assert_true(was_sent(f, "Fetch.continueRequest"));
    event(f, "Fetch.requestPaused",
          "{\"requestId\":\"R2\",\"frameId\":\"F\",\"resourceType\":\"Ping\",\"request\":{\"url\":\"http://"
          "a.test/p\"}}");
    assert_true(was_sent(f, "Fetch.failRequest"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_console_is_kept_where_it_is_wanted),
        TEST(nobody_listens_to_it_otherwise),
        TEST(a_screenshot_has_its_images_and_still_no_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
