/*
 * provider_json.c - reads a provider from JSON: one table of members, each with what it takes.
 */
#include "common/json.h"
#include "worker/vast/provider.h"

#include <libxml/xpath.h>
#include <string.h>
#include <strings.h>

enum {
    TIMEOUT_MIN_MS = 100,
    TIMEOUT_MAX_MS = 60000,
    RETRIES_MAX = 5,
    TTL_MAX_S = 86400,
    RATE_MAX = 100000,
    XPATH_MAX = 1024,
    SHOWN_MAX = 60
};

struct reading {
    struct arena *arena;
    const char *name; /* of the provider, for errors; NULL: none was given */
    struct vast_provider *p;
    struct err *err;
};

/* value NULL: not to be shown. */
static bool refuse(struct reading *r, const char *name, const json_t *value, const char *allowed)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    err_set(r->err, ERR_BAD_INPUT, "provider %.40s: %.40s%s%.*s: must be %s",
            r->name ? r->name : "without a name", name, text ? " " : "", SHOWN_MAX, text ? text : "",
            allowed);
    free(text);
    return false;
}

static struct str text_of(struct reading *r, const json_t *value)
{
    return arena_copy(r->arena, (struct str){json_string_value(value), json_string_length(value)});
}

static bool read_text(struct reading *r, const char *name, const json_t *value, struct str *out)
{
    if (!json_is_string(value))
        return refuse(r, name, value, "a string");
    *out = text_of(r, value);
    return true;
}

static bool read_number(struct reading *r, const char *name, const json_t *value, int64_t min, int64_t max,
                        int64_t *out)
{
    int64_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < min || number > max)
        return refuse(r, name, value,
                      arena_printf(r->arena, "a number from %lld to %lld", (long long)min, (long long)max));
    *out = number;
    return true;
}

/* One of two words; *out: it is the second. */
static bool read_choice(struct reading *r, const char *name, const json_t *value, const char *first,
                        const char *second, bool *out)
{
    const char *text = json_string_value(value);

    if (!text || (strcmp(text, first) != 0 && strcmp(text, second) != 0))
        return refuse(r, name, value, arena_printf(r->arena, "\"%s\" or \"%s\"", first, second));
    *out = strcmp(text, second) == 0;
    return true;
}

static bool read_names(struct reading *r, const char *name, const json_t *value, struct vast_names *out)
{
    struct str *items = arena_alloc(r->arena, (json_array_size(value) + 1) * sizeof(*items));

    if (!json_is_array(value))
        return refuse(r, name, value, "a list of strings");
    for (size_t i = 0; items && i < json_array_size(value); i++)
        if (!read_text(r, name, json_array_get(value, i), &items[i]))
            return false;
    *out = (struct vast_names){items, items ? (int)json_array_size(value) : 0};
    return true;
}

/* --- members ---------------------------------------------------------------------------------------- */

static bool read_name(struct reading *r, const char *name, const json_t *value)
{
    return read_text(r, name, value, &r->p->name);
}

static bool read_base_url(struct reading *r, const char *name, const json_t *value)
{
    struct url url;
    struct err err;

    if (!read_text(r, name, value, &r->p->base_url))
        return false;
    if (!url_parse(r->arena, r->p->base_url, NULL, &url, &err) || !url_is_http(&url))
        return refuse(r, name, value, "an http or https URL");
    return true;
}

static bool add_param(struct reading *r, const char *name, const json_t *value)
{
    struct vast_param *param = &r->p->params[r->p->nparams++];

    param->name = arena_copy(r->arena, str_from(name));
    return read_text(r, name, value, &param->value);
}

static size_t count_values(const json_t *params)
{
    size_t n = 0;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)params, name, value)
    {
        n += json_is_array(value) ? json_array_size(value) : 1;
    }
    return n;
}

/* A list gives one parameter for each item. */
static bool read_params(struct reading *r, const char *name, const json_t *members)
{
    const char *key;
    json_t *value;

    if (!json_is_object(members))
        return refuse(r, name, members, "an object");
    r->p->nparams = 0;
    r->p->params = arena_alloc(r->arena, (count_values(members) + 1) * sizeof(*r->p->params));
    if (!r->p->params)
        return true;
    json_object_foreach((json_t *)members, key, value)
    {
        size_t n = json_is_array(value) ? json_array_size(value) : 1;

        for (size_t i = 0; i < n; i++)
            if (!add_param(r, key, json_is_array(value) ? json_array_get(value, i) : value))
                return false;
    }
    return true;
}

static void mark_raw(struct vast_provider *p, const struct vast_names *raw)
{
    for (int i = 0; i < p->nparams; i++)
        for (int k = 0; k < raw->n; k++)
            p->params[i].is_raw |= str_equal(p->params[i].name, raw->items[k]);
}

static bool read_encoding(struct reading *r, const char *name, const json_t *members)
{
    struct vast_names raw = {0};
    const char *key;
    json_t *value;

    if (!json_is_object(members))
        return refuse(r, name, members, "an object");
    json_object_foreach((json_t *)members, key, value)
    {
        bool is_read;

        if (strcmp(key, "space") == 0)
            is_read = read_choice(r, "encoding.space", value, "percent", "plus", &r->p->is_space_plus);
        else if (strcmp(key, "unicode") == 0)
            is_read = read_choice(r, "encoding.unicode", value, "encode", "keep", &r->p->is_unicode_kept);
        else if (strcmp(key, "raw") == 0)
            is_read = read_names(r, "encoding.raw", value, &raw);
        else
            return refuse(r, name, members, "of space, unicode and raw");
        if (!is_read)
            return false;
    }
    mark_raw(r->p, &raw);
    return true;
}

static bool is_header_text(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return true;
}

/* What the client itself has to say; a second one would confuse the request. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"Host",       "Content-Length", "Transfer-Encoding", "Connection",
                                       "Keep-Alive", "Upgrade",        "Accept-Encoding",   "TE"};

    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return strncasecmp(name, "Proxy-", 6) == 0;
}

static bool is_header(const char *name, const json_t *value)
{
    struct str text = {json_string_value(value), json_string_length(value)};

    return json_is_string(value) && name[0] && !strpbrk(name, ": \t\"(),/;<=>?@[\\]{}") &&
           is_header_text(str_from(name)) && is_header_text(text) && !is_ours(name);
}

/* A header's value may be worth hiding, so errors show its name alone. */
static bool read_headers(struct reading *r, const char *name, const json_t *members)
{
    const char *key;
    json_t *value;

    if (!json_is_object(members))
        return refuse(r, name, NULL, "an object");
    r->p->nheaders = 0;
    r->p->headers = arena_alloc(r->arena, (json_object_size(members) + 1) * sizeof(*r->p->headers));
    json_object_foreach((json_t *)members, key, value)
    {
        SCOPED(json_t) shown = json_string(key);

        if (!is_header(key, value))
            return refuse(r, name, shown,
                          "of names that are not the connection's own, and texts without line breaks");
        if (r->p->headers)
            r->p->headers[r->p->nheaders++] =
                str_from(arena_printf(r->arena, "%s: %s", key, json_string_value(value)));
    }
    return true;
}

static bool read_hosts(struct reading *r, const char *name, const json_t *value)
{
    return read_names(r, name, value, &r->p->hosts);
}

static bool read_is_active(struct reading *r, const char *name, const json_t *value)
{
    r->p->is_active = json_is_true(value);
    return json_is_boolean(value) || refuse(r, name, value, "true or false");
}

static bool read_rate(struct reading *r, const char *name, const json_t *value)
{
    int64_t n = 0;
    bool is_read = read_number(r, name, value, 1, RATE_MAX, &n);

    r->p->requests_per_minute = (int)n;
    return is_read;
}

static bool read_timeout(struct reading *r, const char *name, const json_t *value)
{
    return read_number(r, name, value, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS, &r->p->timeout_ms);
}

static bool read_retries(struct reading *r, const char *name, const json_t *value)
{
    int64_t n = 0;
    bool is_read = read_number(r, name, value, 0, RETRIES_MAX, &n);

    r->p->retries = (int)n;
    return is_read;
}

static bool read_max_wrappers(struct reading *r, const char *name, const json_t *value)
{
    int64_t n = 0;
    bool is_read = read_number(r, name, value, 0, VAST_WRAPPERS_MAX, &n);

    r->p->max_wrappers = (int)n;
    return is_read;
}

static bool read_cache_ttl(struct reading *r, const char *name, const json_t *value)
{
    int64_t s = 0;
    bool is_read = read_number(r, name, value, 0, TTL_MAX_S, &s);

    r->p->cache_ttl_ms = s * 1000;
    return is_read;
}

static bool read_macro_mode(struct reading *r, const char *name, const json_t *value)
{
    bool is_iab = false, is_read = read_choice(r, name, value, "leave", "iab", &is_iab);

    r->p->macro_mode = is_iab ? VAST_MACRO_IAB : VAST_MACRO_LEAVE;
    return is_read;
}

static bool read_macro_formats(struct reading *r, const char *name, const json_t *value)
{
    struct vast_names formats;
    bool has_brackets = false, has_dollars = false;

    if (!read_names(r, name, value, &formats))
        return false;
    for (int i = 0; i < formats.n; i++) {
        bool is_dollars = str_equal(formats.items[i], STR("${}"));

        if (!is_dollars && !str_equal(formats.items[i], STR("[]")))
            return refuse(r, name, value, "a list of \"[]\" and \"${}\"");
        has_dollars |= is_dollars;
        has_brackets |= !is_dollars;
    }
    if (!has_brackets && !has_dollars)
        return refuse(r, name, value, "a list of \"[]\" and \"${}\"");
    r->p->macro_formats = has_brackets && has_dollars ? VAST_MACRO_BOTH
                          : has_dollars               ? VAST_MACRO_DOLLARS
                                                      : VAST_MACRO_BRACKETS;
    return true;
}

/* A string, a list of strings, or null: known, but withheld. */
static bool read_macro(struct reading *r, const char *name, const json_t *value, struct vast_macro *out)
{
    struct vast_names values = {0};

    *out = (struct vast_macro){.name = arena_copy(r->arena, str_from(name))};
    if (json_is_string(value)) {
        values.items = arena_alloc(r->arena, sizeof(*values.items));
        values.n = values.items != NULL;
        if (values.items)
            values.items[0] = text_of(r, value);
    } else if (json_is_null(value)) {
        out->is_withheld = true;
    } else if (!read_names(r, name, value, &values)) {
        return false;
    }
    out->values = values.items;
    out->nvalues = values.n;
    return true;
}

static bool read_macros(struct reading *r, const char *name, const json_t *members)
{
    const char *key;
    json_t *value;

    if (!json_is_object(members))
        return refuse(r, name, members, "an object");
    r->p->nmacros = 0;
    r->p->macros = arena_alloc(r->arena, (json_object_size(members) + 1) * sizeof(*r->p->macros));
    json_object_foreach((json_t *)members, key, value)
    {
        if (r->p->macros && !read_macro(r, key, value, &r->p->macros[r->p->nmacros++]))
            return false;
    }
    return true;
}

static bool read_events(struct reading *r, const char *name, const json_t *members)
{
    const char *key;
    json_t *value;

    if (!json_is_object(members))
        return refuse(r, name, members, "an object");
    json_object_foreach((json_t *)members, key, value)
    {
        bool is_include = strcmp(key, "include") == 0;

        if (!is_include && strcmp(key, "exclude") != 0)
            return refuse(r, name, members, "of include and exclude");
        if (!read_names(r, name, value, is_include ? &r->p->include : &r->p->exclude))
            return false;
    }
    return true;
}

static void ignore(void *arg, xmlError *error)
{
    (void)arg;
    (void)error;
}

static bool is_xpath(const char *text)
{
    xmlXPathContext *context = xmlXPathNewContext(NULL);
    xmlXPathCompExpr *compiled;

    if (!context)
        abort();
    context->error = ignore;
    compiled = strlen(text) <= XPATH_MAX ? xmlXPathCtxtCompile(context, (const xmlChar *)text) : NULL;
    xmlXPathFreeContext(context);
    xmlXPathFreeCompExpr(compiled);
    return compiled != NULL;
}

static bool read_extras(struct reading *r, const char *name, const json_t *members)
{
    const char *key;
    json_t *value;

    if (!json_is_object(members) || json_object_size(members) > VAST_EXTRAS_MAX)
        return refuse(r, name, members, "an object of at most 32 members");
    r->p->nextras = 0;
    r->p->extras = arena_alloc(r->arena, (json_object_size(members) + 1) * sizeof(*r->p->extras));
    json_object_foreach((json_t *)members, key, value)
    {
        struct vast_extra *extra = r->p->extras ? &r->p->extras[r->p->nextras++] : NULL;

        if (!extra)
            return true;
        extra->name = arena_copy(r->arena, str_from(key));
        if (!read_text(r, name, value, &extra->xpath))
            return false;
        if (!is_xpath(extra->xpath.ptr))
            return refuse(r, name, value, "XPath expressions of at most 1024 bytes");
    }
    return true;
}

/* What is for people. */
static bool pass_over(struct reading *r, const char *name, const json_t *value)
{
    (void)r;
    (void)name;
    (void)value;
    return true;
}

/* clang-format off */
static const struct member {
    const char *name;
    bool (*read)(struct reading *r, const char *name, const json_t *value);
} members[] = { /* encoding marks parameters, so it comes behind them */
    {"provider",            read_name},
    {"base_url",            read_base_url},
    {"params",              read_params},
    {"encoding",            read_encoding},
    {"headers",             read_headers},
    {"timeout_ms",          read_timeout},
    {"retries",             read_retries},
    {"max_wrappers",        read_max_wrappers},
    {"cache_ttl_s",         read_cache_ttl},
    {"macro_mode",          read_macro_mode},
    {"macro_formats",       read_macro_formats},
    {"macros",              read_macros},
    {"events",              read_events},
    {"extras",              read_extras},
    {"hosts",               read_hosts},
    {"is_active",           read_is_active},
    {"requests_per_minute", read_rate},
    {"notes",               pass_over},
};
/* clang-format on */

static bool is_member(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (strcmp(name, members[i].name) == 0)
            return true;
    return false;
}

static bool read_members(struct reading *r, const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        if (!is_member(key))
            return refuse(r, key, NULL, "a member or column that a provider has");
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        value = json_object_get(object, members[i].name);
        if (value && !members[i].read(r, members[i].name, value))
            return false;
    }
    return true;
}

bool vast_provider_from(struct arena *a, const json_t *object, const struct vast_provider *defaults,
                        struct vast_provider *out, struct err *err)
{
    struct vast_provider p = *defaults;
    struct reading r = {.arena = a, .p = &p, .err = err};

    if (!json_is_object(object))
        return err_set(err, ERR_BAD_INPUT, "provider: must be a JSON object");
    r.name = json_string_value(json_object_get(object, "provider"));
    if (!read_members(&r, object))
        return false;
    if (a->is_full)
        return err_set(err, ERR_TOO_BIG, "provider: no memory left for it");
    *out = p;
    return true;
}

bool vast_provider_read(struct arena *a, struct str json, const struct vast_provider *defaults,
                        struct vast_provider *out, struct err *err)
{
    SCOPED(json_t) object = json_parse(json, err);

    return object && vast_provider_from(a, object, defaults, out, err);
}
