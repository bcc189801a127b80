/*
 * page_answer.c - an answer for the main document: what is kept of it, and where it leads.
 *
 * Chromium holds the answer back until it is judged here (Fetch, response stage), so a redirect that must
 * not be followed never is, and one that Chromium would hide (an app link) is seen.
 */
#include "worker/browser/page.h"

#include "common/json.h"

/* What browsers never open for a page, though no app does either. */
static const char *const blocked_schemes[] = {"about",      "blob",       "chrome",      "data", "file",
                                              "filesystem", "javascript", "view-source", "ws",   "wss"};

static bool is_blocked_scheme(struct str scheme)
{
    for (size_t i = 0; i < ARRAY_LEN(blocked_schemes); i++)
        if (str_equal(scheme, str_from(blocked_schemes[i])))
            return true;
    return false;
}

bool page_may_follow(struct page *p)
{
    struct err *err = &p->result->err;
    int hops = p->result->chain.nhops;

    if (p->is_repeated) {
        err_set(err, ERR_REDIRECT_LOOP, "hop %d is a URL visited before, with the same cookies", hops);
    } else if (hops >= p->options.request.max_hops) {
        err_set(err, ERR_TOO_MANY_HOPS, "more than %d hops", p->options.request.max_hops);
    } else {
        return true;
    }
    page_end_with_error(p);
    return false;
}

void page_end_with_link(struct page *p, const struct url *url, enum via via)
{
    struct err *err = &p->result->err;

    if (!page_may_follow(p))
        return;
    if (!page_add_hop(p, url, via, STR("")))
        return page_end_with_error(p);
    if (!is_blocked_scheme(url->scheme))
        return page_end(p, OUTCOME_EXTERNAL_SCHEME);
    err_set(err, ERR_BLOCKED_ADDRESS, "%.*s: is never opened", STR_ARG(url->scheme));
    page_end_with_error(p);
}

enum via page_via_of_status(int status)
{
    switch (status) {
    case 301:
        return VIA_HTTP_301;
    case 303:
        return VIA_HTTP_303;
    case 307:
        return VIA_HTTP_307;
    case 308:
        return VIA_HTTP_308;
    default:
        return VIA_HTTP_302;
    }
}

static bool end_with_bad_location(struct page *p, const struct err *why)
{
    page_note(p, "%s", why->detail);
    p->result->err = *why;
    if (why->code == ERR_BAD_URL)
        p->result->err.code = ERR_TARGET_URL;
    page_end_with_error(p);
    return false;
}

/*
 * As Chromium words its own redirect of a host that wants https; what it was is known with the next request.
 */
static bool may_be_own(struct page *p, const struct url *to)
{
    return page_hop(p)->status == 307 && str_equal(p->url.scheme, STR("http")) &&
           str_equal(to->scheme, STR("https")) && str_equal(to->host, p->url.host);
}

/* True when Chromium may follow. */
static bool take_redirect(struct page *p)
{
    struct arena *a = p->options.arena;
    struct url url;
    struct err err;

    if (!url_parse(a, p->location, &p->url, &url, &err))
        return end_with_bad_location(p, &err);
    if (!url.fragment.ptr && p->url.fragment.ptr && !url_with_fragment(a, &url, p->url.fragment, &url, &err))
        return end_with_bad_location(p, &err);
    p->location = url.href;
    if (!url_is_http(&url)) {
        page_end_with_link(p, &url, page_via_of_status(page_hop(p)->status));
        return false;
    }
    p->is_unchecked = may_be_own(p, &url);
    return p->is_unchecked || page_may_follow(p);
}

bool page_take_answer(struct page *p, const json_t *params)
{
    struct hop *hop = page_hop(p);

    if (!hop)
        return true;
    hop->status = (int)json_get_int(params, "responseStatusCode", 0);
    page_keep_headers(p, json_object_get(params, "responseHeaders"));
    if (p->options.arena->is_full) {
        err_set(&p->result->err, ERR_TOO_BIG, "a trace's memory is used up");
        page_end_with_error(p);
        return false;
    }
    if (p->result->proxy_ms < 0 && p->options.request.proxy.scheme.len)
        p->result->proxy_ms =
            p->now_ms - p->started_ms; /* the relay knows it better, and says so in the end */
    return !p->location.len || take_redirect(p);
}
