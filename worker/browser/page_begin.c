/*
 * page_begin.c - is the request possible, and what a tab is told before its first page.
 */
#include "worker/browser/page.h"

#include "common/guard.h"
#include "common/json.h"

enum { STARVATION_TASKS = 10000 }; /* that a page may run at one instant before time passes all the same */

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return true;
    return false;
}

bool page_check_request(struct page *p)
{
    const struct trace_request *r = &p->options.request;
    struct guard_policy policy = {.allow_private = r->allow_private};
    struct err *err = &p->result->err;
    struct url url;

    if (has_controls(r->user_agent) || has_controls(r->referrer))
        return err_set(err, ERR_BAD_INPUT, "user agent or referrer has control characters");
    if (!url_parse(p->options.arena, r->url, NULL, &url, err))
        return false;
    if (!url_is_http(&url))
        return err_set(err, ERR_BAD_URL,
                       "only http and https URLs can be traced, not %.*s:", STR_ARG(url.scheme));
    p->url = url;
    if (guard_allows_hop(&url, &policy, err))
        return true;
    if (!page_add_hop(p, &url, VIA_START, STR("GET")))
        return false;
    return false;
}

/* --- commands -------------------------------------------------------------------------------------- */

static json_t *fetch_params(void)
{
    return json_packed("{s:b, s:[{s:s}, {s:s, s:s, s:s}]}", "handleAuthRequests", 1, "patterns", "urlPattern",
                       "*", "urlPattern", "*", "resourceType", "Document", "requestStage", "Response");
}

static json_t *attach_params(void)
{
    return json_packed("{s:b, s:b, s:b}", "autoAttach", 1, "waitForDebuggerOnStart", 1, "flatten", 1);
}

static json_t *agent_params(const struct page *p)
{
    json_t *params = json_object();

    json_put_str(params, "userAgent", p->options.request.user_agent);
    return params;
}

static json_t *download_params(const struct page *p)
{
    json_t *params = json_packed("{s:s, s:b}", "behavior", "deny", "eventsEnabled", 1);

    json_put_str(params, "browserContextId", page_id_str(&p->context));
    return params;
}

static json_t *navigate_params(const struct page *p)
{
    json_t *params = json_object();

    json_put_str(params, "url", p->url.href);
    if (p->options.request.referrer.len) {
        json_put_str(params, "referrer", p->options.request.referrer);
        json_put_str(params, "referrerPolicy", STR("noReferrerWhenDowngrade"));
    }
    return params;
}

/* A failure of the first page is told by its request; here only what never became one. */
static void on_navigated(struct page *p, const json_t *result, const struct err *err)
{
    struct str error = json_get_str(result, "errorText", STR(""));

    if (p->result->chain.nhops || (err->code == ERR_OK && !error.len))
        return;
    if (err->code != ERR_OK)
        return page_fail(p, err);
    page_explain(p, error);
    page_end_with_error(p);
}

static void on_prepared(struct page *p, const json_t *result, const struct err *err)
{
    (void)result;
    (void)err;
    if (--p->preparing == 0)
        page_command(p, page_id_str(&p->session), "Page.navigate", navigate_params(p), on_navigated);
}

/* Without it requests would leave that nobody has judged. */
static void on_guarded(struct page *p, const json_t *result, const struct err *err)
{
    if (err->code != ERR_OK)
        return page_fail(p, err);
    on_prepared(p, result, err);
}

static void prepare_console(struct page *p, struct str session)
{
    p->preparing += 2;
    page_command(p, session, "Runtime.enable", NULL, on_prepared);
    page_command(p, session, "Log.enable", NULL, on_prepared);
}

/*
 * The first page is asked for when all of this has been answered: what was not goes lost when the tab moves
 * into another process for that page, and with it the page's first words.
 */
void page_prepare_tab(struct page *p)
{
    const struct {
        struct str session;
        const char *method;
        json_t *params;
        page_answer_fn answer;
    } commands[] = {
        {page_id_str(&p->session), "Page.enable", NULL, on_prepared},
        {page_id_str(&p->session), "Network.enable", NULL, on_prepared},
        {page_id_str(&p->session), "Inspector.enable", NULL, on_prepared},
        {page_id_str(&p->session), "Network.setBypassServiceWorker", json_packed("{s:b}", "bypass", 1),
         on_prepared},
        {page_id_str(&p->session), "Target.setAutoAttach", attach_params(), on_prepared},
        {page_id_str(&p->session), "Emulation.setUserAgentOverride", agent_params(p), on_prepared},
        {STR(""), "Browser.setDownloadBehavior", download_params(p), on_prepared},
        {page_id_str(&p->session), "Fetch.enable", fetch_params(), on_guarded},
    };

    p->preparing = ARRAY_LEN(commands);
    if (page_keeps_console(p))
        prepare_console(p, page_id_str(&p->session));
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        page_command(p, commands[i].session, commands[i].method, commands[i].params, commands[i].answer);
}

void page_prepare_child(struct page *p, struct str session)
{
    page_command(p, session, "Network.enable", NULL, NULL);
    page_command(p, session, "Target.setAutoAttach", attach_params(), NULL);
    page_command(p, session, "Emulation.setUserAgentOverride", agent_params(p), NULL);
    page_command(p, session, "Fetch.enable", fetch_params(), NULL);
    if (page_keeps_console(p)) {
        page_command(p, session, "Runtime.enable", NULL, NULL);
        page_command(p, session, "Log.enable", NULL, NULL);
    }
    page_command(p, session, "Runtime.runIfWaitingForDebugger", NULL, NULL);
}

/* --- settling -------------------------------------------------------------------------------------- */

/*
 * Timers run by virtual time, as fast as the page can work them off: what would happen within settle_ms is
 * known after milliseconds. Budgets that ended before Chromium took this one are no news.
 */
static void on_granted(struct page *p, const json_t *result, const struct err *err)
{
    (void)result;
    if (p->grants_open > 0)
        p->grants_open--;
    if (err->code != ERR_OK)
        page_step(p, PAGE_EV_EXPIRED);
}

void page_settle(struct page *p, const char *policy)
{
    p->grants_open++;
    page_command(p, page_id_str(&p->session), "Emulation.setVirtualTimePolicy",
                 json_packed("{s:s, s:I, s:i}", "policy", policy, "budget", (json_int_t)p->options.settle_ms,
                             "maxVirtualTimeTaskStarvationCount", STARVATION_TASKS),
                 on_granted);
}

/* A page whose virtual time is used up stands still, and the next one would before it is loaded. */
void page_let_time_pass(struct page *p)
{
    p->is_time_up = false;
    page_settle(p, "pauseIfNetworkFetchesPending");
}
