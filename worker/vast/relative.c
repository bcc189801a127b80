/*
 * relative.c - see relative.h. Dots in paths ("../i") are left for url_parse, which resolves them once the
 * macros are expanded.
 */
#include "worker/vast/relative.h"

/* --- where each URL came from ----------------------------------------------------------------------- */

static void set_urls(struct vast_urls *urls, const struct url *base)
{
    for (int i = 0; i < urls->n; i++)
        urls->items[i].base = base;
}

static void set_trackings(struct vast_trackings *trackings, const struct url *base)
{
    for (int i = 0; i < trackings->n; i++)
        trackings->items[i].base = base;
}

static void set_creative(struct vast_creative *c, const struct url *base)
{
    set_trackings(&c->tracking, base);
    set_urls(&c->click_tracking, base);
    set_urls(&c->custom_click, base);
    for (int i = 0; i < c->nicons; i++) {
        set_urls(&c->icons[i].view_tracking, base);
        set_urls(&c->icons[i].click_tracking, base);
    }
    for (int i = 0; i < c->nvariations; i++) {
        set_urls(&c->variations[i].click_tracking, base);
        set_trackings(&c->variations[i].tracking, base);
    }
}

static void set_ad(struct vast_ad *ad, const struct url *base)
{
    set_urls(&ad->errors, base);
    set_urls(&ad->impressions, base);
    set_urls(&ad->viewable, base);
    set_urls(&ad->not_viewable, base);
    set_urls(&ad->view_undetermined, base);
    for (int i = 0; i < ad->nverifications; i++)
        set_trackings(&ad->verifications[i].tracking, base);
    for (int i = 0; i < ad->ncreatives; i++)
        set_creative(&ad->creatives[i], base);
}

void vast_set_base(struct vast_doc *doc, const struct url *base)
{
    set_urls(&doc->root_errors, base);
    for (int i = 0; i < doc->nads; i++)
        set_ad(&doc->ads[i], base);
}

/* --- making it absolute ----------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "scheme:" (RFC 3986, 3.1). */
static bool has_scheme(struct str url)
{
    for (size_t i = 0; i < url.len; i++) {
        char c = url.ptr[i];

        if (c == ':')
            return i > 0;
        if (!is_letter(c) && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return false;
    }
    return false;
}

static bool begins_with_macro(struct str url)
{
    return url.ptr[0] == '[' || url.ptr[0] == '%' || (url.len > 1 && url.ptr[0] == '$' && url.ptr[1] == '{');
}

/* How much of the base goes before the reference. */
static struct str kept_of(struct str base, size_t authority, struct str url)
{
    size_t path = str_find(base, authority, '/'), query = str_find(base, authority, '?'), end;

    if (url.len > 1 && url.ptr[0] == '/' && url.ptr[1] == '/')
        return str_slice(base, 0, authority - 2);
    if (query < path)
        path = query;
    if (url.ptr[0] == '/')
        return str_slice(base, 0, path);
    if (url.ptr[0] == '?')
        return str_slice(base, 0, query);
    for (end = query; end > path && base.ptr[end - 1] != '/'; end--)
        ;
    return str_slice(base, 0, end);
}

struct str vast_absolute(struct arena *a, struct str url, const struct url *base)
{
    struct str whole, kept;
    const char *text;

    if (!url.len || !base || !url_is_http(base) || has_scheme(url) || begins_with_macro(url))
        return url;
    whole = url_without_fragment(base);
    kept = kept_of(whole, base->scheme.len + 3, url);
    text = arena_printf(a, "%.*s%.*s", STR_ARG(kept), STR_ARG(url));
    return text ? str_from(text) : url;
}
