/*
 * chain.c - a growing list of hops, and the parameters that their URLs carry.
 *
 * Leaves the JSON form to chain_json.c, and what a hop is to the tracer that adds it.
 */
#include "worker/chain/chain.h"

#include "common/url.h"

#include <assert.h>
#include <string.h>

enum {
    FIRST_HOPS = 8,
    NAMES_MAX = 10, /* of a certificate; some have hundreds */
    NAME_BYTES = 260,
    PARAMS_MAX = 1000, /* names kept of one trace; a URL of 128 KiB could carry 60,000 */
};

#define ROW_NAME(code, name, ...) name,
static const char *const outcome_names[] = {OUTCOME_MAP(ROW_NAME)};
static const char *const via_names[] = {VIA_MAP(ROW_NAME)};
static const char *const mode_names[] = {MODE_MAP(ROW_NAME)};
#undef ROW_NAME

#define ROW_STATUS(code, name, status) status,
static const char *const outcome_statuses[] = {OUTCOME_MAP(ROW_STATUS)};
#undef ROW_STATUS

const char *outcome_name(enum outcome o)
{
    assert(o < OUTCOME_COUNT);
    return outcome_names[o];
}

const char *outcome_status(enum outcome o)
{
    assert(o < OUTCOME_COUNT);
    return outcome_statuses[o];
}

const char *via_name(enum via v)
{
    assert(v < VIA_COUNT);
    return via_names[v];
}

const char *trace_mode_name(enum trace_mode m)
{
    assert(m < MODE_COUNT);
    return mode_names[m];
}

bool trace_mode_from(struct str name, enum trace_mode *out)
{
    for (int m = 0; m < MODE_COUNT; m++) {
        if (!str_equal(name, str_from(mode_names[m])))
            continue;
        *out = (enum trace_mode)m;
        return true;
    }
    return false;
}

/* A copy of n items with room for one more, when n is a power of two (or 0); the old place otherwise. */
static void *grow(struct arena *a, void *items, int n, size_t size)
{
    void *bigger;

    if (n & (n - 1))
        return items;
    bigger = arena_alloc(a, (n ? (size_t)n * 2 : 1) * size);
    if (bigger && n)
        memcpy(bigger, items, (size_t)n * size);
    return bigger;
}

struct hop *chain_add_hop(struct arena *a, struct chain *c)
{
    struct hop *hop;

    if (c->nhops == c->capacity) {
        int capacity = c->capacity ? c->capacity * 2 : FIRST_HOPS;
        struct hop *hops = arena_alloc(a, (size_t)capacity * sizeof(*hops));

        if (!hops)
            return NULL;
        if (c->nhops)
            memcpy(hops, c->hops, (size_t)c->nhops * sizeof(*hops));
        c->hops = hops;
        c->capacity = capacity;
    }
    hop = &c->hops[c->nhops++];
    *hop = (struct hop){.timing = {-1, -1, -1, -1, -1}, .started_ms = -1};
    return hop;
}

void certificate_add_name(struct arena *a, struct hop_certificate *c, struct str name)
{
    struct str *names;

    c->names_total++;
    if (c->nnames == NAMES_MAX || !name.len)
        return;
    names = grow(a, c->names, c->nnames, sizeof(*names));
    if (!names)
        return;
    names[c->nnames] = arena_copy(a, str_slice(name, 0, NAME_BYTES));
    c->names = names;
    c->nnames += names[c->nnames].ptr != NULL;
}

bool hop_add_note(struct arena *a, struct hop *hop, const char *note)
{
    struct str *notes = grow(a, hop->notes, hop->nnotes, sizeof(*notes));
    struct str text = arena_copy(a, str_from(note));

    if (!notes || !text.ptr)
        return false;
    notes[hop->nnotes++] = text;
    hop->notes = notes;
    return true;
}

/* What stands between the first '?' and the '#' of a serialised URL: nothing else can be its query. */
static struct str query_of(struct str href)
{
    struct str visible = str_slice(href, 0, str_find(href, 0, '#'));
    size_t mark = str_find(visible, 0, '?');

    return str_slice(visible, mark + 1, visible.len);
}

static bool keep_param(struct arena *a, struct trace_result *r, struct str name, struct str value, int hop)
{
    struct chain_param *params;

    for (int i = 0; i < r->nparams; i++) {
        if (!str_equal(r->params[i].name, name))
            continue;
        if (!str_equal(r->params[i].value, value))
            r->params[i].since = hop;
        r->params[i].value = value;
        r->params[i].hop = hop;
        return true;
    }
    if (r->nparams == PARAMS_MAX)
        return true;
    params = grow(a, r->params, r->nparams, sizeof(*params));
    if (!params)
        return false;
    params[r->nparams++] = (struct chain_param){.name = name, .value = value, .hop = hop, .since = hop};
    r->params = params;
    return true;
}

static bool extract_hop(struct arena *a, struct trace_result *r, int hop)
{
    struct url_query_iter it;
    struct str name, value;

    url_query_init(&it, query_of(r->chain.hops[hop].url));
    while (url_query_next(&it, a, &name, &value))
        if (!keep_param(a, r, name, value, hop))
            return false;
    return !a->is_full;
}

bool trace_result_extract(struct arena *a, struct trace_result *r)
{
    r->final_url = r->chain.nhops ? r->chain.hops[r->chain.nhops - 1].url : STR("");
    r->params = NULL;
    r->nparams = 0;
    for (int i = 0; i < r->chain.nhops; i++)
        if (!extract_hop(a, r, i))
            return false;
    return true;
}

bool trace_result_has_params(const struct trace_result *r, const struct str *names, int n)
{
    for (int i = 0; i < n; i++) {
        bool found = false;

        for (int k = 0; k < r->nparams && !found; k++)
            found = str_equal(r->params[k].name, names[i]);
        if (!found)
            return false;
    }
    return true;
}
