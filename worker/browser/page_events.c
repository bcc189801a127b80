/*
 * page_events.c - which protocol event means what for the trace. One row each in `handlers`.
 *
 * Events of frames and workers in processes of their own come by their own sessions; from those only what
 * concerns their requests is taken.
 */
#include "worker/browser/page.h"

#include "common/json.h"

enum { REFRESH_MAX_S = 10 };

static bool is_main_frame(const struct page *p, const json_t *params)
{
    return page_id_is(&p->frame, json_get_str(params, "frameId", STR("")));
}

static bool is_document(const struct page *p, const json_t *params)
{
    return !p->is_refused && page_id_is(&p->document, json_get_str(params, "requestId", STR("")));
}

/* --- the document under way -------------------------------------------------------------------------- */

/* Chromium asks nobody about an app link: this event is all there is of it. */
static void leave_for_app(struct page *p, struct str text)
{
    struct page_wish wish = page_take_wish(p);
    struct url url;

    if (wish.delay_s > REFRESH_MAX_S)
        return;
    if (!url_parse(p->options.arena, text, NULL, &url, &p->result->err))
        return page_end_with_error(p);
    page_end_with_link(p, &url, wish.via);
}

/* Nobody was asked: Chromium itself goes to https, because the host wants it (HSTS). */
static bool is_own_redirect(const json_t *response)
{
    return json_get_int(response, "status", 0) == 307 && !json_get_int(response, "remotePort", -1) &&
           !json_get_int(response, "encodedDataLength", -1);
}

static void on_request(struct page *p, const json_t *params)
{
    const json_t *request = json_object_get(params, "request");
    const json_t *redirect = json_object_get(params, "redirectResponse");
    double at_s = json_number_value(json_object_get(params, "timestamp"));
    struct str url = json_get_str(request, "url", STR(""));

    if (!is_main_frame(p, params) || !str_equal(json_get_str(params, "type", STR("")), STR("Document")))
        return;
    p->asked_next_s = at_s;
    if (redirect && is_document(p, params) && page_hop(p)) {
        page_keep_response(p, page_hop(p), redirect);
        page_keep_end(p, page_hop(p), at_s, 0);
        if (is_own_redirect(redirect))
            page_hop(p)->status = 0;
    }
    if (!redirect && !str_starts(url, STR("http:")) && !str_starts(url, STR("https:")))
        leave_for_app(p, url);
}

static void on_response(struct page *p, const json_t *params)
{
    if (is_document(p, params) && page_hop(p))
        page_keep_response(p, page_hop(p), json_object_get(params, "response"));
}

/* One for each answer of a request, in their order, and in no step with the rest. (A 407 is the relay's.) */
static void on_raw_headers(struct page *p, const json_t *params)
{
    struct chain *chain = &p->result->chain;

    if (is_document(p, params) && p->told_hop < chain->nhops && json_get_int(params, "statusCode", 0) != 407)
        page_keep_cookies(p, &chain->hops[p->told_hop++], json_object_get(params, "headers"));
}

static void on_data(struct page *p, const json_t *params)
{
    size_t max = p->options.request.max_body;

    if (!is_document(p, params) || p->document_bytes > max)
        return;
    p->document_bytes += (size_t)json_get_int(params, "dataLength", 0);
    if (p->document_bytes <= max)
        return;
    page_note(p, "body cut at %zu bytes", max);
    page_command(p, page_id_str(&p->session), "Page.stopLoading", NULL, NULL);
}

static void on_finished(struct page *p, const json_t *params)
{
    if (!is_document(p, params) || !page_hop(p))
        return;
    p->is_document_whole = true;
    page_keep_end(p, page_hop(p), json_number_value(json_object_get(params, "timestamp")),
                  json_get_int(params, "encodedDataLength", 0));
}

/* An answered document that fails is a 204, a download, or a page that was cut short or left. */
static void fail_answered(struct page *p, struct str error)
{
    bool is_aborted = str_equal(error, STR("net::ERR_ABORTED"));

    p->is_document_whole = true;
    if (!is_aborted)
        page_note(p, "body incomplete: %.*s", STR_ARG(error));
    if (is_aborted || p->state == PAGE_ASKING)
        page_step(p, PAGE_EV_DROPPED);
}

static void on_failed(struct page *p, const json_t *params)
{
    struct str error = json_get_str(params, "errorText", STR(""));

    if (!is_document(p, params) || !page_hop(p))
        return;
    if (page_hop(p)->status)
        return fail_answered(p, error);
    if (p->held.is_there) /* given up before it was let go */
        p->held.is_there = false;
    if (str_equal(error, STR("net::ERR_ABORTED")) && p->result->chain.nhops > 1)
        return page_step(p, PAGE_EV_DROPPED);
    page_explain(p, error);
    page_end_with_error(p);
}

static void on_shown(struct page *p, const json_t *params)
{
    const json_t *frame = json_object_get(params, "frame");

    if (!page_id_is(&p->frame, json_get_str(frame, "id", STR(""))) ||
        !page_id_is(&p->document, json_get_str(frame, "loaderId", STR(""))))
        return;
    p->is_shown = true;
    page_step(p, PAGE_EV_SHOWN);
}

static void on_loaded(struct page *p, const json_t *params)
{
    (void)params;
    page_step(p, PAGE_EV_LOADED);
}

/* Without a load event: the page, or our limit for its body, stopped it. */
static void on_stopped(struct page *p, const json_t *params)
{
    if (is_main_frame(p, params) && p->state == PAGE_LOADING)
        page_step(p, PAGE_EV_DROPPED);
}

static void on_expired(struct page *p, const json_t *params)
{
    (void)params;
    if (p->grants_open)
        return;
    p->is_time_up = true;
    if (p->state == PAGE_LOADING)
        page_let_time_pass(p);
    else
        page_step(p, p->wish.is_there ? PAGE_EV_DEPARTS : PAGE_EV_EXPIRED);
}

/* --- where the page wants to go ---------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *reason;
    enum via via;
    bool is_refresh, is_reload;
} reasons[] = {
    {"httpHeaderRefresh",  VIA_REFRESH_HEADER, true,  false},
    {"metaTagRefresh",     VIA_META_REFRESH,   true,  false},
    {"anchorClick",        VIA_ANCHOR_CLICK,   false, false},
    {"formSubmissionGet",  VIA_FORM_GET,       false, false},
    {"formSubmissionPost", VIA_FORM_POST,      false, false},
    {"reload",             VIA_JS_LOCATION,    false, true},
    {"",                   VIA_JS_LOCATION,    false, false}, /* scriptInitiated, and whatever is new */
};
/* clang-format on */

static size_t reason_of(const json_t *params)
{
    struct str reason = json_get_str(params, "reason", STR(""));
    size_t i = 0;

    while (reasons[i].reason[0] && !str_equal(reason, str_from(reasons[i].reason)))
        i++;
    return i;
}

static void on_scheduled(struct page *p, const json_t *params)
{
    size_t i = reason_of(params);

    if (!is_main_frame(p, params))
        return;
    p->wish = (struct page_wish){.via = reasons[i].via, .is_reload = reasons[i].is_reload};
    p->wish.delay_s = json_number_value(json_object_get(params, "delay"));
    if (p->wish.delay_s > REFRESH_MAX_S)
        page_note(p, "refresh after %.0f s not followed: a browser would be on the page for longer than 10 s",
                  p->wish.delay_s);
}

static void on_requested(struct page *p, const json_t *params)
{
    size_t i = reason_of(params);
    struct str where = json_get_str(params, "disposition", STR(""));

    if (!is_main_frame(p, params))
        return;
    if (!str_equal(where, STR("currentTab")))
        return page_note(p, "opens %.*s: %.*s", STR_ARG(where),
                         STR_ARG(json_get_str(params, "url", STR(""))));
    if (!reasons[i].is_refresh)
        p->wish.delay_s = 0;
    p->wish.via = reasons[i].via;
    p->wish.is_reload = reasons[i].is_reload;
    p->wish.is_there = true;
}

static void on_navigating(struct page *p, const json_t *params)
{
    if (is_main_frame(p, params) && p->state != PAGE_ASKING &&
        !str_ends_nocase(json_get_str(params, "navigationType", STR("")), STR("sameDocument")))
        p->wish.is_there = true;
}

/* --- events of a hop --------------------------------------------------------------------------------- */

static void on_same_document(struct page *p, const json_t *params)
{
    if (is_main_frame(p, params))
        page_note(p, "address changed without a load: %.*s", STR_ARG(json_get_str(params, "url", STR(""))));
}

static void on_window(struct page *p, const json_t *params)
{
    page_note(p, "wants to open a window: %.*s", STR_ARG(json_get_str(params, "url", STR(""))));
}

static void on_download(struct page *p, const json_t *params)
{
    struct hop *hop = page_hop(p);

    bool is_end = is_main_frame(p, params) && hop && !p->is_shown;

    if (is_end && !hop->status && p->result->chain.nhops > 1)
        page_drop_hop(p); /* of a link that says so: it is not even answered */
    page_note(p, "download, not taken: %.*s", STR_ARG(json_get_str(params, "suggestedFilename", STR(""))));
    if (is_end)
        page_end(p, OUTCOME_OK);
}

static void on_dialog(struct page *p, const json_t *params)
{
    struct str type = json_get_str(params, "type", STR("")), text = json_get_str(params, "message", STR(""));

    page_note(p, "%.*s: %.*s", STR_ARG(type), STR_ARG(str_slice(text, 0, 200)));
    page_command(p, page_id_str(&p->session), "Page.handleJavaScriptDialog",
                 json_packed("{s:b}", "accept", 1), NULL);
}

static void on_crashed(struct page *p, const json_t *params)
{
    struct err err;

    (void)params;
    err_set(&err, ERR_PAGE_CRASHED, "%.*s: the page's process ended", STR_ARG(p->url.host));
    page_fail(p, &err);
}

/* --- other targets ----------------------------------------------------------------------------------- */

static void close_target(struct page *p, struct str target)
{
    json_t *params = json_object();

    json_put_str(params, "targetId", target);
    page_command(p, STR(""), "Target.closeTarget", params, NULL);
}

/* One that is not told to go on stays where it is: nothing runs in it that we could not see. */
static void on_attached(struct page *p, const json_t *params)
{
    const json_t *info = json_object_get(params, "targetInfo");
    struct str type = json_get_str(info, "type", STR(""));
    struct str session = json_get_str(params, "sessionId", STR(""));

    if (str_equal(type, STR("page")) || str_equal(type, STR("tab"))) {
        page_note(p, "opened a window, which was closed: %.*s", STR_ARG(json_get_str(info, "url", STR(""))));
        return close_target(p, json_get_str(info, "targetId", STR("")));
    }
    if (p->nchildren == PAGE_CHILDREN_MAX)
        return page_note(p, "more than %d frames and workers", PAGE_CHILDREN_MAX);
    p->children[p->nchildren++] = page_id_from(session);
    page_prepare_child(p, session);
}

static void on_detached(struct page *p, const json_t *params)
{
    struct str session = json_get_str(params, "sessionId", STR(""));

    for (int i = 0; i < p->nchildren; i++) {
        if (!page_id_is(&p->children[i], session))
            continue;
        p->children[i] = p->children[--p->nchildren];
        return;
    }
}

/* --- who hears what ---------------------------------------------------------------------------------- */

/* clang-format off */
static const struct handler {
    const char *method;
    void (*handle)(struct page *p, const json_t *params);
} handlers[] = {
    {"Network.requestWillBeSent",         on_request},
    {"Network.responseReceived",          on_response},
    {"Network.responseReceivedExtraInfo", on_raw_headers},
    {"Network.dataReceived",              on_data},
    {"Network.loadingFinished",           on_finished},
    {"Network.loadingFailed",             on_failed},
    {"Page.frameNavigated",               on_shown},
    {"Page.loadEventFired",               on_loaded},
    {"Page.frameStoppedLoading",          on_stopped},
    {"Page.frameScheduledNavigation",     on_scheduled},
    {"Page.frameRequestedNavigation",     on_requested},
    {"Page.frameStartedNavigating",       on_navigating},
    {"Page.navigatedWithinDocument",      on_same_document},
    {"Page.windowOpen",                   on_window},
    {"Page.downloadWillBegin",            on_download},
    {"Page.javascriptDialogOpening",      on_dialog},
    {"Inspector.targetCrashed",           on_crashed},
    {"Emulation.virtualTimeBudgetExpired", on_expired},
};
/* clang-format on */

static bool is_child(const struct page *p, struct str session)
{
    for (int i = 0; i < p->nchildren; i++)
        if (page_id_is(&p->children[i], session))
            return true;
    return false;
}

bool page_has_session(const struct page *p, struct str session)
{
    return page_id_is(&p->session, session) || is_child(p, session);
}

/* From every session alike. False: it is something else. */
static bool on_any_event(struct page *p, struct str session, struct str method, const json_t *params)
{
    if (str_equal(method, STR("Fetch.requestPaused")))
        page_on_paused(p, session, params);
    else if (str_equal(method, STR("Fetch.authRequired")))
        page_on_auth(p, session, params);
    else if (str_equal(method, STR("Target.attachedToTarget")))
        on_attached(p, params);
    else if (str_equal(method, STR("Target.detachedFromTarget")))
        on_detached(p, params);
    else
        return page_keeps_console(p) && page_on_console(p, method, params);
    return true;
}

void page_on_event(struct page *p, struct str session, struct str method, const json_t *params)
{
    if (p->state == PAGE_ENDED || p->state == PAGE_OPENING)
        return;
    if (str_starts(method, STR("Network.")) || str_starts(method, STR("Fetch.")))
        p->active_ms = p->now_ms;
    if (on_any_event(p, session, method, params) || is_child(p, session))
        return;
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (str_equal(method, str_from(handlers[i].method)))
            return handlers[i].handle(p, params);
}
