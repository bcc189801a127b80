/*
 * provider.c - what a provider does to a URL and to the log. provider_json.c reads it.
 */
#include "worker/vast/provider.h"

struct vast_provider vast_provider_default(void)
{
    return (struct vast_provider){
        .is_active = true, .timeout_ms = VAST_TIMEOUT_DEFAULT_MS, .max_wrappers = VAST_WRAPPERS_DEFAULT};
}

/* --- the URL ---------------------------------------------------------------------------------------- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void put_encoded(const struct vast_provider *p, struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (is_unreserved(text.ptr[i]) || (c >= 0x80 && p->is_unicode_kept))
            buf_append_char(out, text.ptr[i]);
        else if (c == ' ' && p->is_space_plus)
            buf_append_char(out, '+');
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* A macro in a value is left for whoever expands the URL, which encodes what comes in its place. */
static void put_value(const struct vast_provider *p, struct buf *out, const struct vast_param *param)
{
    size_t at = 0, from = 0;
    struct str name;

    if (param->is_raw) {
        buf_append_str(out, param->value);
        return;
    }
    while (vast_macro_next(param->value, &at, &name)) {
        bool is_dollar = param->value.ptr[at - 1] == '}';
        size_t begin = at - name.len - (is_dollar ? 3 : 2);

        put_encoded(p, out, str_slice(param->value, from, begin));
        buf_append_str(out, str_slice(param->value, begin, at));
        from = at;
    }
    put_encoded(p, out, str_slice(param->value, from, param->value.len));
}

static bool has_name(const struct vast_param *params, int n, struct str name)
{
    for (int i = 0; i < n; i++)
        if (str_equal(params[i].name, name))
            return true;
    return false;
}

static void put_param(const struct vast_provider *p, struct buf *out, const struct vast_param *param)
{
    struct str before = buf_str(out);
    char last = before.len ? before.ptr[before.len - 1] : '\0';

    if (last != '?' && last != '&')
        buf_append_char(out, str_find(before, 0, '?') < before.len ? '&' : '?');
    put_encoded(p, out, param->name);
    buf_append_char(out, '=');
    put_value(p, out, param);
}

/* Names in the query of a URL, as they are written there. */
static bool url_has(const struct vast_provider *p, struct str url, const struct vast_param *param)
{
    SCOPED_VALUE(buf) encoded = {.max = 4096};
    struct str query = str_slice(url, str_find(url, 0, '?') + 1, url.len), name, value;
    struct url_query_iter it;

    put_encoded(p, &encoded, param->name);
    url_query_init(&it, query);
    while (url_query_next_raw(&it, &name, &value))
        if (str_equal(name, param->name) || str_equal(name, buf_str(&encoded)))
            return true;
    return false;
}

bool vast_provider_url(const struct vast_provider *p, struct str tag, const struct vast_param *more,
                       int nmore, struct buf *out)
{
    struct str url = tag.len ? tag : p->base_url;
    size_t end = str_find(url, 0, '#');
    struct str base = str_slice(url, 0, end);

    buf_append_str(out, base);
    for (int i = 0; i < p->nparams; i++)
        if (!has_name(more, nmore, p->params[i].name) && !(tag.len && url_has(p, base, &p->params[i])))
            put_param(p, out, &p->params[i]);
    for (int i = 0; i < nmore; i++)
        put_param(p, out, &more[i]);
    buf_append_str(out, str_slice(url, end, url.len));
    return !out->is_full;
}

/* --- the log ---------------------------------------------------------------------------------------- */

/* '*' is any text, everything else itself. Never goes back further than to the last star. */
static bool is_match(struct str glob, struct str text)
{
    size_t g = 0, t = 0, star = glob.len, mark = 0;

    while (t < text.len) {
        if (g < glob.len && glob.ptr[g] == '*') {
            star = g++;
            mark = t;
        } else if (g < glob.len && glob.ptr[g] == text.ptr[t]) {
            g++;
            t++;
        } else if (star < glob.len) {
            g = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (g < glob.len && glob.ptr[g] == '*')
        g++;
    return g == glob.len;
}

static bool is_any(const struct vast_names *globs, struct str text)
{
    for (int i = 0; i < globs->n; i++)
        if (is_match(globs->items[i], text))
            return true;
    return false;
}

bool vast_provider_logs(const struct vast_provider *p, struct str event)
{
    return (!p->include.n || is_any(&p->include, event)) && !is_any(&p->exclude, event);
}
