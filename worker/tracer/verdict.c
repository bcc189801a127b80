/*
 * verdict.c - the rules, strongest first. The first that applies decides.
 */
#include "worker/tracer/verdict.h"

#include <assert.h>

/* Bytes of visible text below which a page is no page that anybody reads. */
enum { THIN_TEXT = 200 };

static const struct {
    const char *name;
    bool needs_browser;
} verdicts[] = {
#define VERDICT_ROW(code, name, browser) {name, browser},
    VERDICT_MAP(VERDICT_ROW)
#undef VERDICT_ROW
};

const char *verdict_name(enum verdict v)
{
    assert(v < VERDICT_COUNT);
    return verdicts[v].name;
}

bool verdict_is_learnt(struct str name)
{
    return str_equal(name, str_from(verdict_name(VERDICT_LEARNT_MISSED))) ||
           str_equal(name, str_from(verdict_name(VERDICT_LEARNT_NEEDED)));
}

bool verdict_needs_browser(enum verdict v)
{
    assert(v < VERDICT_COUNT);
    return verdicts[v].needs_browser;
}

static bool is_thin(const struct page_signs *page)
{
    return page->visible_text < THIN_TEXT;
}

static bool is_missing_params(const struct trace_result *r, const struct trace_request *request)
{
    return request->nexpected_params > 0 &&
           !trace_result_has_params(r, request->expected_params, request->nexpected_params);
}

/*
 * How a trace that did not end well is judged: only an origin that was too slow may be a browser's business.
 */
static enum verdict on_failure(const struct trace_result *r)
{
    if (r->err.code == ERR_TARGET_TIMEOUT)
        return VERDICT_HTTP_TIMEOUT;
    if (r->outcome == OUTCOME_ERROR || r->outcome == OUTCOME_TIMEOUT)
        return VERDICT_HTTP_ERROR;
    return VERDICT_HTTP_SUFFICIENT; /* loop, too many hops, blocked, app link: a browser would see the same */
}

static enum verdict on_page(const struct page_signs *page, bool is_missing, bool has_redirected)
{
    bool is_doubtful = is_thin(page) || is_missing, is_alive = page->scripts || page->frames;

    if (page->submits && is_doubtful)
        return VERDICT_FORM_AUTOSUBMIT;
    if ((page->navigates || page->is_packed) && is_doubtful)
        return VERDICT_JS_REDIRECT;
    if (is_thin(page) && page->has_app_root && page->scripts)
        return VERDICT_JS_FRAMEWORK;
    if (is_thin(page) && is_alive)
        return VERDICT_EMPTY_BODY;
    if (is_missing && is_alive)
        return VERDICT_PARAMS_MISSING;
    if (!has_redirected && (is_alive || page->forms))
        return VERDICT_NO_REDIRECTS;
    return VERDICT_HTTP_SUFFICIENT;
}

enum verdict verdict_on(const struct trace_result *r, const struct trace_request *request)
{
    enum verdict verdict;

    if (r->outcome != OUTCOME_OK)
        return on_failure(r);
    if (!r->page.is_html)
        return VERDICT_NON_HTML;
    verdict = on_page(&r->page, is_missing_params(r, request), r->chain.nhops > 1);
    if (verdict == VERDICT_HTTP_SUFFICIENT && evidence_needs_browser(request->evidence))
        return VERDICT_EVIDENCE;
    return verdict;
}
