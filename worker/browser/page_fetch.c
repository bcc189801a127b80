/*
 * page_fetch.c - every request of the page, held by Chromium until it is judged here.
 *
 * The main document's is a hop of the chain: it goes on when the cookies that it goes with are known, for a
 * loop is the same URL with the same cookies. Others are let through, refused by the address guard, or
 * dropped because nobody will look at what they would bring.
 */
#include "worker/browser/page.h"

#include "common/guard.h"
#include "common/json.h"

enum { REFRESH_MAX_S = 10, PASSED_OVER_MAX = 3, SCRATCH_MAX = 512 * 1024 };

static void let_go(struct page *p, struct str session, struct str fetch)
{
    json_t *params = json_object();

    json_put_str(params, "requestId", fetch);
    page_command(p, session, "Fetch.continueRequest", params, NULL);
}

static void refuse(struct page *p, struct str session, struct str fetch, const char *reason)
{
    json_t *params = json_object();

    json_put_str(params, "requestId", fetch);
    json_put_str(params, "errorReason", str_from(reason));
    page_command(p, session, "Fetch.failRequest", params, NULL);
}

/* --- the relay's question --------------------------------------------------------------------------- */

static json_t *auth_answer(const struct page *p, bool is_relay)
{
    json_t *answer = json_object();

    json_put_str(answer, "response", is_relay ? STR("ProvideCredentials") : STR("CancelAuth"));
    if (is_relay) {
        json_put_str(answer, "username", p->options.user);
        json_put_str(answer, "password", p->options.password);
    }
    return answer;
}

/* Credentials are for the relay alone; a site that asks for some gets none, and its 401 is the answer. */
void page_on_auth(struct page *p, struct str session, const json_t *params)
{
    const json_t *challenge = json_object_get(params, "authChallenge");
    struct str source = json_get_str(challenge, "source", STR("")), fetch;
    json_t *answer = json_object();

    fetch = json_get_str(params, "requestId", STR(""));
    json_put_str(answer, "requestId", fetch);
    json_put(answer, "authChallengeResponse",
             auth_answer(p, str_equal(source, STR("Proxy")) && !page_id_is(&p->refused_auth, fetch)));
    p->refused_auth = page_id_from(fetch);
    page_command(p, session, "Fetch.continueWithAuth", answer, NULL);
}

/* --- the main document ------------------------------------------------------------------------------ */

static uint64_t hash_text(uint64_t hash, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

/* A number that changes when the trace's cookies do, in whatever order they come. */
static uint64_t cookie_state(const json_t *result)
{
    static const char *const parts[] = {"domain", "path", "name", "value"};
    uint64_t sum = 0;
    const json_t *cookie;
    size_t i;

    json_array_foreach(json_object_get(result, "cookies"), i, cookie)
    {
        uint64_t hash = 0xcbf29ce484222325u;

        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
            hash = hash_text(hash, json_get_str(cookie, parts[k], STR("")));
        sum += hash;
    }
    return sum;
}

static bool was_visited(const struct page *p, const struct page_visit *visit)
{
    for (int i = 0; i < p->result->chain.nhops; i++)
        if (p->visits[i].cookies == visit->cookies && str_equal(p->visits[i].url, visit->url))
            return true;
    return false;
}

/* A page that shows itself again and again has been reached, and one that waits for long is too. */
static bool is_passed_over(struct page *p, const struct page_held *held, const struct page_visit *visit)
{
    int n = p->result->chain.nhops;
    bool is_same =
        n && p->visits[n - 1].cookies == visit->cookies && str_equal(p->visits[n - 1].url, visit->url);

    if (held->is_redirect || !n)
        return false;
    if (held->wish.delay_s > REFRESH_MAX_S)
        return true; /* its note was made when the page announced it */
    if (!is_same || (held->wish.delay_s <= 0 && !held->wish.is_reload))
        return false;
    page_note(p, "refresh after %d s not followed: the page only shows itself again",
              (int)held->wish.delay_s);
    return true;
}

static void pass_over(struct page *p, struct str fetch)
{
    refuse(p, page_id_str(&p->session), fetch, "Aborted");
    p->is_refused = true;
    if (++p->passed_over >= PASSED_OVER_MAX)
        return page_end(p, OUTCOME_OK);
    page_step(p, PAGE_EV_DROPPED);
}

static void visit(struct page *p, const struct page_held *held, const struct page_visit *now)
{
    const struct trace_request *r = &p->options.request;
    struct guard_policy policy = {.allow_private = r->allow_private};
    bool is_repeated;

    if (held->is_internal)
        p->result->chain.nhops--;
    is_repeated = was_visited(p, now);
    if (!page_add_hop(p, &held->url, held->wish.via, held->method))
        return page_end_with_error(p);
    p->is_repeated = is_repeated;
    p->visits[p->result->chain.nhops - 1] = *now;
    if (!held->is_redirect)
        p->told_hop = p->result->chain.nhops - 1;
    p->location = (struct str){0};
    p->relay_err = (struct err){.code = ERR_OK};
    p->document_bytes = 0;
    p->is_document_whole = p->is_shown = false;
    p->is_alone = true;
    p->asked_at_s = p->asked_next_s;
    if (guard_allows_hop(&held->url, &policy, &p->result->err))
        return let_go(p, page_id_str(&p->session), page_id_str(&held->fetch));
    refuse(p, page_id_str(&p->session), page_id_str(&held->fetch), "BlockedByClient");
    page_end_with_error(p);
}

static void on_cookies(struct page *p, const json_t *result, const struct err *err)
{
    struct page_held held = p->held;
    struct page_visit now = {.cookies = cookie_state(result)};
    bool is_due = p->is_unchecked && !held.is_internal;

    if (!held.is_there)
        return;
    p->is_unchecked = false;
    p->held.is_there = false;
    if (err->code != ERR_OK)
        return page_fail(p, err);
    if (!held.is_redirect && p->result->chain.nhops > 1 && !page_hop(p)->status)
        page_drop_hop(p);
    now.url = url_without_fragment(&held.url);
    if (is_passed_over(p, &held, &now))
        pass_over(p, page_id_str(&held.fetch));
    else if ((held.is_redirect && !is_due) || page_may_follow(p))
        visit(p, &held, &now);
}

/*
 * The URL as an address bar shows it. Of a redirect it is the one that its Location gave, which kept the
 * fragment; Chromium's own where it went elsewhere (HSTS).
 */
static bool read_url(struct page *p, const json_t *params, bool is_redirect, struct url *out)
{
    const json_t *request = json_object_get(params, "request");
    struct str url = json_get_str(request, "url", STR("")), whole;
    struct str fragment = json_get_str(request, "urlFragment", STR(""));
    struct arena *a = p->options.arena;
    struct err *err = &p->result->err;
    struct url told;

    whole = str_from(arena_printf(a, "%.*s%.*s", STR_ARG(url), STR_ARG(fragment)));
    if (!url_parse(a, whole, NULL, out, err))
        return false;
    if (is_redirect && p->location.len && url_parse(a, p->location, NULL, &told, err) &&
        str_equal(url_without_fragment(&told), url_without_fragment(out)))
        *out = told;
    return true;
}

static struct page_wish wish_for(struct page *p, const struct page_held *held)
{
    struct hop *last = page_hop(p);

    if (!last)
        return (struct page_wish){.via = VIA_START};
    if (held->is_internal)
        return (struct page_wish){.via = last->via};
    if (held->is_redirect)
        return (struct page_wish){.via = page_via_of_status(last->status)};
    return page_take_wish(p);
}

static void hold(struct page *p, const json_t *params)
{
    const json_t *request = json_object_get(params, "request");
    struct hop *last = page_hop(p);
    struct page_held held = {.is_there = true};
    json_t *context = json_object();

    held.is_redirect = last && json_get_str(params, "redirectedRequestId", STR("")).len;
    held.is_internal = held.is_redirect && !last->status;
    held.fetch = page_id_from(json_get_str(params, "requestId", STR("")));
    held.method = arena_copy(p->options.arena, json_get_str(request, "method", STR("GET")));
    held.wish = wish_for(p, &held);
    if (!held.method.ptr || !read_url(p, params, held.is_redirect, &held.url)) {
        json_decref(context);
        return page_end_with_error(p);
    }
    p->document = page_id_from(json_get_str(params, "networkId", STR("")));
    p->is_refused = false;
    p->held = held;
    json_put_str(context, "browserContextId", page_id_str(&p->context));
    page_step(p, PAGE_EV_ASKED);
    page_command(p, STR(""), "Storage.getCookies", context, on_cookies);
}

/* --- everything else -------------------------------------------------------------------------------- */

static bool is_one_of(struct str type, const char *const *types)
{
    for (; *types; types++)
        if (str_equal(type, str_from(*types)))
            return true;
    return false;
}

/* What nobody looks at, and what only reports: a trace is no view of an ad. */
static bool is_unwanted(const struct page *p, struct str type)
{
    static const char *const reports[] = {"Ping", "CSPViolationReport", NULL};
    static const char *const resources[] = {"Image", "Font", "Media", NULL};
    const struct trace_request *r = &p->options.request;

    bool is_seen = !r->block_resources || evidence_has(r->evidence, EVIDENCE_SCREENSHOT);

    return is_one_of(type, reports) || (!is_seen && is_one_of(type, resources));
}

/* Anything but http and https never reaches a network. */
static bool is_allowed(struct page *p, struct str text, struct err *err)
{
    SCOPED_VALUE(arena) scratch = {.ceiling = SCRATCH_MAX};
    struct guard_policy policy = {.allow_private = p->options.request.allow_private};
    struct url url;

    if (!str_starts(text, STR("http:")) && !str_starts(text, STR("https:")))
        return true;
    return url_parse(&scratch, text, NULL, &url, err) && guard_allows_hop(&url, &policy, err);
}

static void judge_other(struct page *p, struct str session, const json_t *params, struct str fetch)
{
    struct str url = json_get_str(json_object_get(params, "request"), "url", STR(""));
    struct str type = json_get_str(params, "resourceType", STR(""));
    struct err err;

    if (is_unwanted(p, type))
        return refuse(p, session, fetch, "BlockedByClient");
    if (!is_allowed(p, url, &err)) {
        page_note(p, "refused: %s", err.detail);
        return refuse(p, session, fetch, "BlockedByClient");
    }
    if (str_equal(type, STR("Document")))
        page_note(p, "frame: %.*s", STR_ARG(url));
    p->is_alone = false;
    let_go(p, session, fetch);
}

static bool is_main(const struct page *p, struct str session, const json_t *params)
{
    return page_id_is(&p->session, session) &&
           page_id_is(&p->frame, json_get_str(params, "frameId", STR(""))) &&
           str_equal(json_get_str(params, "resourceType", STR("")), STR("Document"));
}

void page_on_paused(struct page *p, struct str session, const json_t *params)
{
    struct str fetch = json_get_str(params, "requestId", STR(""));
    bool is_answer =
        json_object_get(params, "responseStatusCode") || json_object_get(params, "responseErrorReason");

    if (!is_answer && is_main(p, session, params))
        return hold(p, params);
    if (!is_answer)
        return judge_other(p, session, params, fetch);
    if (!is_main(p, session, params) || p->is_refused ||
        !page_id_is(&p->document, json_get_str(params, "networkId", STR(""))) ||
        !json_object_get(params, "responseStatusCode") || page_take_answer(p, params))
        let_go(p, session, fetch);
    else
        refuse(p, session, fetch, "Aborted");
}
