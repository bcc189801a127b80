/*
 * wrapper.c - a walk through documents, depth first: a frame for each one that is open, and at most one
 * wrapper that waits for an answer.
 *
 * wrapper_select.c says which ads of a document count; take_ad what becomes of one; close_frame what a
 * document that has no more ads means to the wrapper that led to it.
 */
#include "worker/vast/dom.h"
#include "worker/vast/relative.h"
#include "worker/vast/wrapper_frame.h"

#include <stdio.h>

enum { EXPANDED_MAX = 64 * 1024 };

/* --- failures ------------------------------------------------------------------------------------- */

static void add_errors(struct arena *a, struct vast_urls *out, const struct vast_urls *more)
{
    for (int i = 0; i < more->n; i++)
        dom_add_url(a, out, more->items[i]);
}

/* Outermost first. */
static void add_errors_above(struct arena *a, struct vast_urls *out, const struct vast_frame *f)
{
    if (!f || !f->wrapper)
        return;
    add_errors_above(a, out, f->parent);
    add_errors(a, out, &f->wrapper->errors);
}

/* ad: the one that is lost, below f; or NULL when f's document as a whole is the failure. */
static void fail(struct vast_resolver *r, struct vast_frame *f, const struct vast_ad *ad, int code, int hop,
                 struct str problem)
{
    struct vast_failure *failure =
        DOM_APPEND(r->arena, r->result.failures, r->result.nfailures, r->result.failures_cap);

    if (f)
        f->nfailed++;
    if (!failure)
        return;
    *failure = (struct vast_failure){.code = code, .hop = hop, .problem = problem};
    if (ad)
        failure->ad = ad->id;
    else if (f && f->wrapper)
        failure->ad = f->wrapper->id;
    add_errors_above(r->arena, &failure->errors, f);
    if (ad)
        add_errors(r->arena, &failure->errors, &ad->errors);
    else if (f)
        add_errors(r->arena, &failure->errors, &f->doc->root_errors);
}

/* Nothing came of the ad: a spare takes its place where the document asks for that. */
static void replace(struct vast_frame *f, const struct vast_ad *ad)
{
    if ((ad->fallback_on_no_ad == VAST_YES || f->is_spare) && f->spare_at < f->nspares)
        f->instead = f->spares[f->spare_at++];
}

static void lose(struct vast_resolver *r, struct vast_frame *f, const struct vast_ad *ad, int code, int hop,
                 const char *problem)
{
    fail(r, f, ad, code, hop, arena_copy(r->arena, str_from(problem)));
    replace(f, ad);
}

/* --- opening and closing a document ----------------------------------------------------------------- */

static bool open_document(struct vast_resolver *r, struct vast_doc *doc, const struct url *base, int hop)
{
    struct vast_frame *f = arena_alloc(r->arena, sizeof(*f));

    if (!f)
        return false;
    vast_set_base(doc, base);
    *f = (struct vast_frame){.parent = r->top,
                             .wrapper = r->wrapper,
                             .doc = doc,
                             .base = base,
                             .name = r->wanted_name,
                             .hop = hop,
                             .depth = r->top ? r->top->depth + 1 : 0};
    frame_inherit(f);
    if (!frame_select(r->arena, f))
        return false;
    r->top = f;
    return true;
}

static void close_frame(struct vast_resolver *r)
{
    struct vast_frame *f = r->top, *parent = f->parent;

    if (!f->nfound && !f->nfailed)
        fail(r, f, NULL, VAST_CODE_NO_ADS, f->hop,
             f->doc->nads ? STR("no ad that the wrapper allows") : STR("no ad in the answer"));
    r->top = parent;
    if (!parent)
        return;
    parent->nfound += f->nfound;
    parent->nfailed += f->nfailed;
    if (!f->nfound)
        replace(parent, f->wrapper);
}

/* --- one ad ----------------------------------------------------------------------------------------- */

static void find_ad(struct vast_resolver *r, struct vast_frame *f, const struct vast_ad *ad)
{
    const struct vast_ad **wrappers = arena_alloc(r->arena, ((size_t)f->depth + 1) * sizeof(*wrappers));
    struct vast_found *found = DOM_APPEND(r->arena, r->result.ads, r->result.nads, r->result.ads_cap);
    const struct vast_frame *up = f;
    bool is_alternative = false;

    if (!wrappers || !found)
        return;
    for (int i = f->depth - 1; i >= 0; i--, up = up->parent) {
        wrappers[i] = up->wrapper;
        is_alternative |= frame_is_buffet(up) && up->nfound > 0;
    }
    is_alternative |= frame_is_buffet(up) && up->nfound > 0;
    *found = (struct vast_found){
        .ad = vast_merge(r->arena, wrappers, f->depth, ad), .hop = f->hop, .is_alternative = is_alternative};
    f->nfound++;
}

static bool leads_back(const struct vast_frame *f, struct str name)
{
    for (; f; f = f->parent)
        if (f->name.len && str_equal(f->name, name))
            return true;
    return false;
}

/* Macros first, since they may hold any part of a URL. */
static bool read_uri(struct vast_resolver *r, struct str uri, const struct url *base, struct str *name,
                     struct str *wanted, struct err *err)
{
    static const struct vast_macros none;
    SCOPED_VALUE(buf) expanded = {.max = EXPANDED_MAX};
    struct url plain, url;

    if (!vast_macro_expand(uri, r->options.macros ? r->options.macros : &none, r->options.mode, &expanded))
        return err_set(err, ERR_TOO_BIG, "URL of more than %d bytes", EXPANDED_MAX);
    if (!url_parse(r->arena, buf_str(&expanded), base, &url, err))
        return false;
    if (!url_is_http(&url))
        return err_set(err, ERR_BAD_URL, "%.*s: is never requested", STR_ARG(url.scheme));
    *wanted = url_without_fragment(&url);
    *name = url_parse(r->arena, uri, base, &plain, err) ? url_without_fragment(&plain) : *wanted;
    return true;
}

static void want_answer(struct vast_resolver *r, struct vast_frame *f, const struct vast_ad *ad)
{
    struct str name, wanted;
    struct err err;

    if (!ad->tag_uri.ptr)
        return lose(r, f, ad, VAST_CODE_WRAPPER, f->hop, "the wrapper has no VASTAdTagURI");
    if (f->depth >= r->options.max_wrappers)
        return lose(r, f, ad, VAST_CODE_WRAPPER_LIMIT, f->hop, "more wrappers than are followed");
    if (r->result.nhops >= r->options.max_fetches)
        return lose(r, f, ad, VAST_CODE_WRAPPER_LIMIT, f->hop,
                    "more requests than are made for one document");
    if (!read_uri(r, ad->tag_uri, f->base, &name, &wanted, &err))
        return lose(r, f, ad, VAST_CODE_WRAPPER, f->hop, err.detail);
    if (leads_back(f, name))
        return lose(r, f, ad, VAST_CODE_WRAPPER_LIMIT, f->hop,
                    "the wrapper leads back to where it came from");
    r->wrapper = ad;
    r->wanted = wanted;
    r->wanted_name = name;
}

static void take_ad(struct vast_resolver *r, struct vast_frame *f)
{
    const struct vast_ad *ad = f->instead ? f->instead : f->order[f->at++];

    f->is_spare = f->instead != NULL;
    f->instead = NULL;
    if (ad->kind == VAST_AD_INLINE && frame_blocks(f, ad))
        lose(r, f, ad, VAST_CODE_BLOCKED, f->hop, "its category is blocked by a wrapper");
    else if (ad->kind == VAST_AD_INLINE)
        find_ad(r, f, ad);
    else
        want_answer(r, f, ad);
}

static bool has_more(const struct vast_resolver *r, const struct vast_frame *f)
{
    if (f->instead)
        return true;
    return f->at < f->norder && !(r->options.is_first_only && f->nfound && frame_is_buffet(f));
}

/* --- the walk --------------------------------------------------------------------------------------- */

void vast_resolver_begin(struct vast_resolver *r, struct arena *a,
                         const struct vast_resolver_options *options)
{
    *r = (struct vast_resolver){.arena = a, .options = *options};
}

bool vast_resolver_next(struct vast_resolver *r, struct str *url)
{
    while (!r->wanted.ptr && r->top && !r->arena->is_full) {
        if (has_more(r, r->top))
            take_ad(r, r->top);
        else
            close_frame(r);
    }
    *url = r->wanted;
    return r->wanted.ptr && !r->arena->is_full;
}

static bool is_empty(struct str body)
{
    return str_trim(body).len == 0;
}

/* What is wrong with an answer before anybody reads it; 0: nothing. */
static int judge_answer(const struct vast_answer *answer, char *problem, size_t size)
{
    if (answer->err.code != ERR_OK) {
        snprintf(problem, size, "%s: %s", err_name(answer->err.code), answer->err.detail);
        return VAST_CODE_UNAVAILABLE;
    }
    if (answer->status / 100 != 2) {
        snprintf(problem, size, "the answer's status is %d", answer->status);
        return VAST_CODE_UNAVAILABLE;
    }
    if (is_empty(answer->body)) {
        snprintf(problem, size, "an empty answer");
        return VAST_CODE_NO_ADS;
    }
    return 0;
}

static struct vast_doc *usable(struct vast_doc *doc)
{
    return doc->result == VAST_OK || doc->result == VAST_NO_AD ? doc : doc->repaired;
}

static struct str problem_of(struct arena *a, const struct vast_doc *doc)
{
    if (!vast_result_code(doc->result))
        return (struct str){NULL, 0};
    return str_from(
        arena_printf(a, "%s%s%s", vast_result_name(doc->result), doc->problem[0] ? ": " : "", doc->problem));
}

static void lose_answer(struct vast_resolver *r, const struct vast_ad *wrapper, int code, int hop,
                        struct str problem)
{
    fail(r, r->top, wrapper, code, hop, problem);
    if (wrapper)
        replace(r->top, wrapper);
}

/* Reads what was answered to the wrapper (NULL: to nobody, it is the source). */
static bool read_document(struct vast_resolver *r, struct str bytes, const struct url *base, int hop,
                          struct err *err)
{
    struct vast_doc *doc, *used;
    struct str problem;
    int code;

    if (!vast_parse(r->arena, bytes, &doc, err))
        return false;
    if (!r->result.source && r->options.keep_source)
        r->result.source_bytes = arena_copy(r->arena, bytes);
    if (!r->result.source)
        r->result.source = doc;
    used = usable(doc);
    code = vast_result_code(doc->result);
    problem = problem_of(r->arena, doc);
    if (hop >= 0) {
        r->result.hops[hop].code = code;
        r->result.hops[hop].problem = problem;
        r->result.hops[hop].is_used = used != NULL;
        r->result.hops[hop].nads = used ? used->nads : 0;
    }
    if (used)
        (void)open_document(r, used, base, hop); /* false: the arena is full, which the caller sees */
    else
        lose_answer(r, r->wrapper, code, hop, problem);
    return true;
}

static bool is_in_memory(const struct vast_resolver *r, struct err *err)
{
    return !r->arena->is_full ||
           err_set(err, ERR_TOO_BIG, "the wrapper chain needs more than %zu bytes of memory",
                   r->arena->ceiling);
}

/* The URL that relative ones in the document are read against; NULL when it has none. */
static const struct url *base_of(struct vast_resolver *r, struct str text)
{
    struct url *base = arena_alloc(r->arena, sizeof(*base));
    struct err err;

    return base && text.len && url_parse(r->arena, text, NULL, base, &err) ? base : NULL;
}

bool vast_resolver_source(struct vast_resolver *r, struct str bytes, struct str document_url, struct err *err)
{
    const struct url *base = base_of(r, document_url);

    if (base)
        r->wanted_name = url_without_fragment(base);
    return read_document(r, bytes, base, -1, err) && is_in_memory(r, err);
}

bool vast_resolver_url(struct vast_resolver *r, struct str url, struct err *err)
{
    return read_uri(r, url, NULL, &r->wanted_name, &r->wanted, err) && is_in_memory(r, err);
}

bool vast_resolver_answer(struct vast_resolver *r, const struct vast_answer *answer, struct err *err)
{
    struct vast_hop *hop = DOM_APPEND(r->arena, r->result.hops, r->result.nhops, r->result.hops_cap);
    struct str final = answer->final_url.len ? answer->final_url : r->wanted;
    char problem[sizeof(answer->err.detail) + 64];
    int at = r->result.nhops - 1;

    if (!hop)
        return is_in_memory(r, err);
    *hop = (struct vast_hop){.url = r->wanted,
                             .final_url = arena_copy(r->arena, final),
                             .depth = r->top ? r->top->depth + 1 : 0,
                             .status = answer->status,
                             .ms = answer->ms,
                             .err = answer->err};
    hop->code = judge_answer(answer, problem, sizeof(problem));
    r->wanted = (struct str){NULL, 0};
    if (hop->code) {
        hop->problem = arena_copy(r->arena, str_from(problem));
        lose_answer(r, r->wrapper, hop->code, at, hop->problem);
    } else if (!read_document(r, answer->body, base_of(r, final), at, err)) {
        return false;
    }
    return is_in_memory(r, err);
}

bool vast_resolver_error_url(const struct vast_resolver *r, struct str url_template, int code,
                             struct buf *out)
{
    static const struct vast_macros none;
    struct vast_macros macros = r->options.macros ? *r->options.macros : none;
    struct vast_macro items[64];
    struct str value;
    char text[16];
    int n = macros.n < (int)ARRAY_LEN(items) ? macros.n : (int)ARRAY_LEN(items) - 1;

    snprintf(text, sizeof(text), "%d", code);
    value = str_from(text);
    items[0] = (struct vast_macro){.name = STR("ERRORCODE"), .values = &value, .nvalues = 1};
    for (int i = 0; i + 1 < (int)ARRAY_LEN(items) && i < n; i++)
        items[i + 1] = macros.items[i];
    macros.items = items;
    macros.n = n + 1 < (int)ARRAY_LEN(items) ? n + 1 : (int)ARRAY_LEN(items);
    return vast_macro_expand(url_template, &macros, r->options.mode, out);
}
