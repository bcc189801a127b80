/*
 * test_verdict.c - when a page gets a browser, and why; and when it never does.
 */
#include "tests/unit/test.h"

#include "worker/tracer/verdict.h"

/* clang-format off */
static const struct {
    const char *why;
    struct page_signs page;
    int nhops;
    bool is_missing;
    enum verdict want;
} pages[] = {
    {"a landing page",             {.is_html = true, .visible_text = 900},                                      2, false, VERDICT_HTTP_SUFFICIENT},
    {"with analytics",             {.is_html = true, .visible_text = 900, .scripts = 3, .navigates = true},     2, false, VERDICT_HTTP_SUFFICIENT},
    {"rendered on the server",     {.is_html = true, .visible_text = 900, .scripts = 3, .has_app_root = true},  2, false, VERDICT_HTTP_SUFFICIENT},
    {"thin, nothing alive in it",  {.is_html = true, .visible_text = 9},                                        2, false, VERDICT_HTTP_SUFFICIENT},
    {"a file",                     {.is_html = false},                                                          2, false, VERDICT_NON_HTML},
    {"a script that goes on",      {.is_html = true, .visible_text = 20, .scripts = 1, .navigates = true},      1, false, VERDICT_JS_REDIRECT},
    {"packed code",                {.is_html = true, .visible_text = 20, .scripts = 1, .is_packed = true},      2, false, VERDICT_JS_REDIRECT},
    {"a form that sends itself",   {.is_html = true, .visible_text = 20, .scripts = 1, .submits = true, .forms = 1}, 1, false, VERDICT_FORM_AUTOSUBMIT},
    {"an empty application",       {.is_html = true, .visible_text = 0, .scripts = 1, .has_app_root = true},    2, false, VERDICT_JS_FRAMEWORK},
    {"hardly any text, a script",  {.is_html = true, .visible_text = 20, .scripts = 1},                         2, false, VERDICT_EMPTY_BODY},
    {"hardly any text, a frame",   {.is_html = true, .visible_text = 20, .frames = 1},                          2, false, VERDICT_EMPTY_BODY},
    {"no parameter, a script",     {.is_html = true, .visible_text = 900, .scripts = 1},                        2, true,  VERDICT_PARAMS_MISSING},
    {"no parameter, code that goes on", {.is_html = true, .visible_text = 900, .scripts = 1, .navigates = true}, 2, true, VERDICT_JS_REDIRECT},
    {"no parameter, nothing alive", {.is_html = true, .visible_text = 900},                                     2, true,  VERDICT_HTTP_SUFFICIENT},
    {"no redirect, a script",      {.is_html = true, .visible_text = 900, .scripts = 1},                        1, false, VERDICT_NO_REDIRECTS},
    {"no redirect, a form",        {.is_html = true, .visible_text = 900, .forms = 1},                          1, false, VERDICT_NO_REDIRECTS},
    {"no redirect, text alone",    {.is_html = true, .visible_text = 900},                                      1, false, VERDICT_HTTP_SUFFICIENT},
};

static const struct {
    enum outcome outcome;
    enum err_code err;
    enum verdict want;
} failures[] = {
    {OUTCOME_TIMEOUT,         ERR_TARGET_TIMEOUT,  VERDICT_HTTP_TIMEOUT},
    {OUTCOME_ERROR,           ERR_PROXY_TIMEOUT,   VERDICT_HTTP_ERROR},
    {OUTCOME_ERROR,           ERR_PROXY_REFUSED,   VERDICT_HTTP_ERROR},
    {OUTCOME_ERROR,           ERR_TARGET_REFUSED,  VERDICT_HTTP_ERROR},
    {OUTCOME_ERROR,           ERR_TARGET_TLS,      VERDICT_HTTP_ERROR},
    {OUTCOME_TIMEOUT,         ERR_TRACE_TIMEOUT,   VERDICT_HTTP_ERROR},
    {OUTCOME_LOOP,            ERR_REDIRECT_LOOP,   VERDICT_HTTP_SUFFICIENT},
    {OUTCOME_TOO_MANY_HOPS,   ERR_TOO_MANY_HOPS,   VERDICT_HTTP_SUFFICIENT},
    {OUTCOME_BLOCKED,         ERR_BLOCKED_ADDRESS, VERDICT_HTTP_SUFFICIENT},
    {OUTCOME_EXTERNAL_SCHEME, ERR_OK,              VERDICT_HTTP_SUFFICIENT},
};
/* clang-format on */

static void pages_are_judged(void **state)
{
    const struct str expected[] = {STR("click_id")};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        struct trace_result result = {.page = pages[i].page, .chain.nhops = pages[i].nhops};
        struct trace_request request = {.expected_params = expected, .nexpected_params = pages[i].is_missing};
        enum verdict got = verdict_on(&result, &request);

        if (got != pages[i].want)
            fail_msg("%s: %s", pages[i].why, verdict_name(got));
    }
}

/* Where HTTP would do, what only a browser can show is a reason of its own; and never for what is no page. */
static void evidence_may_need_a_browser(void **state)
{
    const unsigned har = evidence_bit(EVIDENCE_HAR) | evidence_bit(EVIDENCE_COOKIES);
    struct trace_result result = {.page = {.is_html = true, .visible_text = 900}, .chain.nhops = 2};
    struct trace_request request = {.evidence = har};
    (void)state;

    assert_int_equal(verdict_on(&result, &request), VERDICT_HTTP_SUFFICIENT);
    request.evidence = har | evidence_bit(EVIDENCE_CONSOLE);
    assert_int_equal(verdict_on(&result, &request), VERDICT_EVIDENCE);
    request.evidence = evidence_bit(EVIDENCE_SCREENSHOT);
    assert_int_equal(verdict_on(&result, &request), VERDICT_EVIDENCE);
    assert_true(verdict_needs_browser(VERDICT_EVIDENCE));
    result.page.scripts = 1;
    result.chain.nhops = 1;
    assert_int_equal(verdict_on(&result, &request), VERDICT_NO_REDIRECTS);
    result.page.is_html = false;
    assert_int_equal(verdict_on(&result, &request), VERDICT_NON_HTML);
    result.outcome = OUTCOME_LOOP;
    assert_int_equal(verdict_on(&result, &request), VERDICT_HTTP_SUFFICIENT);
}

static void a_failure_of_proxy_or_transport_never_gets_a_browser(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        struct trace_result result = {
            .outcome = failures[i].outcome, .err.code = failures[i].err, .chain.nhops = 2};
        struct trace_request request = {.nexpected_params = 0};
        enum verdict got = verdict_on(&result, &request);

        if (got != failures[i].want)
            fail_msg("%s: %s", err_name(failures[i].err), verdict_name(got));
        assert_int_equal(verdict_needs_browser(got), got == VERDICT_HTTP_TIMEOUT);
    }
}

static void an_expected_parameter_counts_wherever_it_was_seen(void **state)
{
    const struct str expected[] = {STR("cid")};
    struct chain_param seen[] = {{.name = STR("cid"), .value = STR("7"), .hop = 0}};
    struct trace_result result = {.page = {.is_html = true, .visible_text = 900, .scripts = 1},
                                  .chain.nhops = 3,
                                  .params = seen,
                                  .nparams = 1};
    struct trace_request request = {.expected_params = expected, .nexpected_params = 1};
    (void)state;

    assert_int_equal(verdict_on(&result, &request), VERDICT_HTTP_SUFFICIENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_judged),
        cmocka_unit_test(evidence_may_need_a_browser),
        cmocka_unit_test(a_failure_of_proxy_or_transport_never_gets_a_browser),
        cmocka_unit_test(an_expected_parameter_counts_wherever_it_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
