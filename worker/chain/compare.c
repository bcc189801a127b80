/*
 * compare.c - see compare.h. Works on serialised URLs, where the first '?' begins the query and the first
 * '#' the fragment, so that nothing has to be parsed again.
 */
#include "worker/chain/compare.h"

#include "common/json.h"

#include <assert.h>
#include <string.h>

static const char *const difference_names[] = {
#define ROW_NAME(code, name) name,
    DIFFERENCE_MAP(ROW_NAME)
#undef ROW_NAME
};

const char *difference_name(enum difference d)
{
    assert(d < DIFFERENCE_COUNT);
    return difference_names[d];
}

/* Up to the query: scheme, host and path. */
static struct str place_of(struct str url)
{
    url = str_slice(url, 0, str_find(url, 0, '#'));
    return str_slice(url, 0, str_find(url, 0, '?'));
}

/* Host and port; of an app link the scheme. */
static struct str host_of(struct str url)
{
    struct str place = place_of(url), rest;
    size_t colon = str_find(place, 0, ':');

    if (colon + 2 >= place.len || place.ptr[colon + 1] != '/' || place.ptr[colon + 2] != '/')
        return str_slice(place, 0, colon);
    rest = str_slice(place, colon + 3, place.len);
    rest = str_slice(rest, 0, str_find(rest, 0, '/'));
    return str_slice(rest, str_find(rest, 0, '@') < rest.len ? str_find(rest, 0, '@') + 1 : 0, rest.len);
}

static struct str host_at(const struct trace_result *r, int hop)
{
    return host_of(r->chain.hops[hop].url);
}

static struct str place_at(const struct trace_result *r, int hop)
{
    return place_of(r->chain.hops[hop].url);
}

static const struct hop *last_hop(const struct trace_result *r)
{
    return &r->chain.hops[r->chain.nhops - 1];
}

/* Whether b has every name that a has; of the last hop's names, when is_last says so. */
static bool has_names_of(const struct trace_result *a, const struct trace_result *b, bool is_last)
{
    for (int i = 0; i < a->nparams; i++) {
        bool is_there = is_last && a->params[i].hop != a->chain.nhops - 1;

        for (int j = 0; j < b->nparams && !is_there; j++)
            is_there = str_equal(a->params[i].name, b->params[j].name) &&
                       (!is_last || b->params[j].hop == b->chain.nhops - 1);
        if (!is_there)
            return false;
    }
    return true;
}

static bool is_same_names(const struct trace_result *a, const struct trace_result *b, bool is_last)
{
    return has_names_of(a, b, is_last) && has_names_of(b, a, is_last);
}

/* The hop behind `hop` whose host is another one; nhops when there is none. */
static int next_host(const struct trace_result *r, int hop)
{
    int next = hop + 1;

    while (next < r->chain.nhops && str_equal(host_at(r, next), host_at(r, hop)))
        next++;
    return next;
}

static bool is_same_way(const struct trace_result *a, const struct trace_result *b)
{
    int i = 0, j = 0;

    while (i < a->chain.nhops && j < b->chain.nhops && str_equal(host_at(a, i), host_at(b, j))) {
        i = next_host(a, i);
        j = next_host(b, j);
    }
    return i == a->chain.nhops && j == b->chain.nhops;
}

static int first_difference(const struct trace_result *a, const struct trace_result *b,
                            struct str (*part)(const struct trace_result *r, int hop))
{
    int i = 0;

    while (i < a->chain.nhops && i < b->chain.nhops && str_equal(part(a, i), part(b, i)))
        i++;
    return i;
}

static bool is_servers_word(enum via via)
{
    return via == VIA_HTTP_301 || via == VIA_HTTP_302 || via == VIA_HTTP_303 || via == VIA_HTTP_307 ||
           via == VIA_HTTP_308 || via == VIA_REFRESH_HEADER;
}

/*
 * Hosts first: a path that carries a click id differs on each visit, and must not hide that a script went
 * on behind it.
 */
static enum difference why_different(const struct trace_result *http, const struct trace_result *browser)
{
    int at = first_difference(http, browser, host_at);

    if (at == http->chain.nhops && at == browser->chain.nhops)
        at = first_difference(http, browser, place_at);
    if (at == browser->chain.nhops)
        return at < http->chain.nhops ? DIFFERENCE_SHORT : DIFFERENCE_SERVED;
    return at == 0 || is_servers_word(browser->chain.hops[at].via) ? DIFFERENCE_SERVED : DIFFERENCE_MISSED;
}

bool compare_can(const struct trace_result *r)
{
    return r->chain.nhops > 0 && strcmp(outcome_status(r->outcome), "completed") == 0;
}

struct comparison compare_results(const struct trace_result *http, const struct trace_result *browser)
{
    struct str one = last_hop(http)->url, other = last_hop(browser)->url;
    struct comparison c = {
        .is_same_host = str_equal(host_of(one), host_of(other)),
        .is_same_url = str_equal(place_of(one), place_of(other)) && is_same_names(http, browser, true),
        .is_same_params = is_same_names(http, browser, false),
        .is_same_hosts = is_same_way(http, browser),
        .is_same_status = last_hop(http)->status / 100 == last_hop(browser)->status / 100,
    };

    if (!c.is_same_host || !c.is_same_url || !c.is_same_params || !c.is_same_hosts || !c.is_same_status)
        c.difference = why_different(http, browser);
    return c;
}

json_t *comparison_json(const struct comparison *c, const struct trace_result *http,
                        const struct trace_result *browser)
{
    json_t *o = json_object();

    json_put(o, "agreed", json_boolean(c->difference == DIFFERENCE_NONE));
    json_put(o, "final_host", json_boolean(c->is_same_host));
    json_put(o, "final_url", json_boolean(c->is_same_url));
    json_put(o, "params", json_boolean(c->is_same_params));
    json_put(o, "hosts", json_boolean(c->is_same_hosts));
    json_put(o, "status", json_boolean(c->is_same_status));
    if (c->difference == DIFFERENCE_NONE)
        return o;
    json_put_str(o, "difference", str_from(difference_name(c->difference)));
    json_put(o, "http", json_from_str(last_hop(http)->url));
    json_put(o, "browser", json_from_str(last_hop(browser)->url));
    return o;
}
