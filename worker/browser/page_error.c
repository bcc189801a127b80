/*
 * page_error.c - failures in our words: Chromium's net errors, the relay's, the deadline's.
 *
 * Behind the relay Chromium knows its nearest neighbour only, so what the relay said about the same hop
 * comes first: it knows whether the proxy or the target was to blame.
 */
#include "worker/browser/page.h"

#include "worker/chain/classify.h"

/* clang-format off */
static const struct {
    const char *start;
    enum err_code code;
} net_errors[] = {
    {"net::ERR_CERT_",                    ERR_TARGET_TLS},
    {"net::ERR_SSL_",                     ERR_TARGET_TLS},
    {"net::ERR_BAD_SSL_",                 ERR_TARGET_TLS},
    {"net::ERR_TOO_MANY_REDIRECTS",       ERR_TOO_MANY_HOPS},
    {"net::ERR_INVALID_REDIRECT",         ERR_TARGET_URL},
    {"net::ERR_INVALID_URL",              ERR_TARGET_URL},
    {"net::ERR_UNSAFE_REDIRECT",          ERR_BLOCKED_ADDRESS},
    {"net::ERR_UNSAFE_PORT",              ERR_BLOCKED_ADDRESS},
    {"net::ERR_BLOCKED_BY_",              ERR_BLOCKED_ADDRESS},
    {"net::ERR_ACCESS_DENIED",            ERR_BLOCKED_ADDRESS},
    {"net::ERR_NAME_NOT_RESOLVED",        ERR_TARGET_RESOLVE},
    {"net::ERR_CONNECTION_REFUSED",       ERR_TARGET_REFUSED},
    {"net::ERR_ADDRESS_UNREACHABLE",      ERR_TARGET_REFUSED},
    {"net::ERR_TIMED_OUT",                ERR_TARGET_TIMEOUT},
    {"net::ERR_CONNECTION_TIMED_OUT",     ERR_TARGET_TIMEOUT},
    {"net::ERR_EMPTY_RESPONSE",           ERR_TARGET_CLOSED},
    {"net::ERR_CONNECTION_",              ERR_TARGET_CLOSED},
    {"net::ERR_ABORTED",                  ERR_TARGET_CLOSED},
    {"net::ERR_TUNNEL_CONNECTION_FAILED", ERR_PROXY_TUNNEL},
    {"net::ERR_PROXY_CONNECTION_FAILED",  ERR_INTERNAL}, /* the relay is gone */
    {"net::ERR_RESPONSE_HEADERS_TOO_BIG", ERR_TOO_BIG},
    {"net::ERR_INSUFFICIENT_RESOURCES",   ERR_INTERNAL},
    {"net::ERR_OUT_OF_MEMORY",            ERR_INTERNAL},
    {"net::",                             ERR_TARGET_PROTOCOL},
};
/* clang-format on */

static enum err_code code_of(struct str net_error)
{
    for (size_t i = 0; i < ARRAY_LEN(net_errors); i++)
        if (str_starts(net_error, str_from(net_errors[i].start)))
            return net_errors[i].code;
    return ERR_INTERNAL;
}

enum outcome page_outcome(enum err_code code)
{
    return classify_outcome(code);
}

void page_explain(struct page *p, struct str net_error)
{
    struct err *err = &p->result->err;

    if (p->relay_err.code != ERR_OK)
        *err = p->relay_err;
    else
        err_set(err, code_of(net_error), "%.*s: %.*s", STR_ARG(p->url.host), STR_ARG(net_error));
    if (err->code == ERR_TARGET_TLS && page_hop(p))
        page_hop(p)->certificate.error = arena_copy(p->options.arena, net_error);
    page_note(p, "%s", err->detail);
}

/* --- the relay's ------------------------------------------------------------------------------------ */

/* Whether the relay means the last hop: the same URL, or, for a tunnel, the same host and port. */
static bool is_about_last_hop(struct page *p, struct str text)
{
    SCOPED_VALUE(arena) scratch = {.ceiling = 512 * 1024};
    struct url url;
    struct err ignored;

    if (!url_parse(&scratch, text, NULL, &url, &ignored))
        return false;
    if (str_equal(url_without_fragment(&url), url_without_fragment(&p->url)))
        return true;
    return str_equal(p->url.scheme, STR("https")) && str_equal(url.host, p->url.host) &&
           url_effective_port(&url) == url_effective_port(&p->url);
}

/* Over plain HTTP a 407 may be the target's own, when others came through with the same credentials. */
static bool is_targets_own_joke(struct page *p, const struct err *err)
{
    return err->code == ERR_PROXY_AUTH && p->result->chain.nhops > 1 && str_equal(p->url.scheme, STR("http"));
}

void page_on_relay_failure(struct page *p, struct str url, const struct err *err)
{
    struct hop *hop = page_hop(p);

    if (p->state == PAGE_ENDED || !hop)
        return;
    if (hop->status || !is_about_last_hop(p, url))
        return page_note(p, "not loaded: %.*s: %s", STR_ARG(url), err->detail);
    if (is_targets_own_joke(p, err)) {
        hop->status = 407;
        return page_end(p, OUTCOME_OK);
    }
    p->relay_err = *err;
    page_explain(p, STR(""));
    page_end_with_error(p);
}

/* --- time's ----------------------------------------------------------------------------------------- */

/*
 * Silence is never the proxy's loss here: a connection to it that can't be made is the relay's to tell, and
 * behind one that was made nobody knows who keeps quiet.
 */
void page_explain_deadline(struct page *p)
{
    long long ms = p->options.request.total_timeout_ms;
    int hops = p->result->chain.nhops;
    struct err *err = &p->result->err;

    if (!hops)
        err_set(err, ERR_BROWSER_START, "no tab of the browser within the trace's %lld ms", ms);
    else
        err_set(err, ERR_TRACE_TIMEOUT, "hop %d not done within the trace's %lld ms", hops, ms);
    page_note(p, "%s", err->detail);
}
