/*
 * provider_json.c - reads a provider from JSON: one table of members, each with what it takes. Values of one
 * kind are provider_member.c, those that shape a request provider_request.c.
 */
#include "common/json.h"
#include "worker/vast/provider_member.h"

#include <libxml/xpath.h>
#include <string.h>

enum {
    TIMEOUT_MIN_MS = 100,
    TIMEOUT_MAX_MS = 60000,
    RETRIES_MAX = 5,
    TTL_MAX_S = 86400,
    RATE_MAX = 100000,
    XPATH_MAX = 1024,
};

static bool read_name(struct reading *r, const char *name, const json_t *value)
{
    return member_text(r, name, value, &r->p->name);
}

static bool read_hosts(struct reading *r, const char *name, const json_t *value)
{
    return member_names(r, name, value, &r->p->hosts);
}

static bool read_is_active(struct reading *r, const char *name, const json_t *value)
{
    r->p->is_active = json_is_true(value);
    return json_is_boolean(value) || member_refuse(r, name, value, "true or false");
}

static bool read_rate(struct reading *r, const char *name, const json_t *value)
{
    int64_t n = 0;
    bool is_read = member_number(r, name, value, 1, RATE_MAX, &n);

    r->p->requests_per_minute = (int)n;
    return is_read;
}

static bool read_timeout(struct reading *r, const char *name, const json_t *value)
{
    return member_number(r, name, value, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS, &r->p->timeout_ms);
}

static bool read_retries(struct reading *r, const char *name, const json_t *value)
{
    int64_t n = 0;
    bool is_read = member_number(r, name, value, 0, RETRIES_MAX, &n);

    r->p->retries = (int)n;
    return is_read;
}

static bool read_max_wrappers(struct reading *r, const char *name, const json_t *value)
{
    int64_t n = 0;
    bool is_read = member_number(r, name, value, 0, VAST_WRAPPERS_MAX, &n);

    r->p->max_wrappers = (int)n;
    return is_read;
}

static bool read_cache_ttl(struct reading *r, const char *name, const json_t *value)
{
    int64_t s = 0;
    bool is_read = member_number(r, name, value, 0, TTL_MAX_S, &s);

    r->p->cache_ttl_ms = s * 1000;
    return is_read;
}

static bool read_macro_mode(struct reading *r, const char *name, const json_t *value)
{
    bool is_iab = false, is_read = member_choice(r, name, value, "leave", "iab", &is_iab);

    r->p->macro_mode = is_iab ? VAST_MACRO_IAB : VAST_MACRO_LEAVE;
    return is_read;
}

static bool read_macro_formats(struct reading *r, const char *name, const json_t *value)
{
    struct vast_names formats;
    bool has_brackets = false, has_dollars = false;

    if (!member_names(r, name, value, &formats))
        return false;
    for (int i = 0; i < formats.n; i++) {
        bool is_dollars = str_equal(formats.items[i], STR("${}"));

        if (!is_dollars && !str_equal(formats.items[i], STR("[]")))
            return member_refuse(r, name, value, "a list of \"[]\" and \"${}\"");
        has_dollars |= is_dollars;
        has_brackets |= !is_dollars;
    }
    if (!has_brackets && !has_dollars)
        return member_refuse(r, name, value, "a list of \"[]\" and \"${}\"");
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
            values.items[0] = member_copy(r, value);
    } else if (json_is_null(value)) {
        out->is_withheld = true;
    } else if (!member_names(r, name, value, &values)) {
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
        return member_refuse(r, name, members, "an object");
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
        return member_refuse(r, name, members, "an object");
    json_object_foreach((json_t *)members, key, value)
    {
        bool is_include = strcmp(key, "include") == 0;

        if (!is_include && strcmp(key, "exclude") != 0)
            return member_refuse(r, name, members, "of include and exclude");
        if (!member_names(r, name, value, is_include ? &r->p->include : &r->p->exclude))
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
        return member_refuse(r, name, members, "an object of at most 32 members");
    r->p->nextras = 0;
    r->p->extras = arena_alloc(r->arena, (json_object_size(members) + 1) * sizeof(*r->p->extras));
    json_object_foreach((json_t *)members, key, value)
    {
        struct vast_extra *extra = r->p->extras ? &r->p->extras[r->p->nextras++] : NULL;

        if (!extra)
            return true;
        extra->name = arena_copy(r->arena, str_from(key));
        if (!member_text(r, name, value, &extra->xpath))
            return false;
        if (!is_xpath(extra->xpath.ptr))
            return member_refuse(r, name, value, "XPath expressions of at most 1024 bytes");
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
    {"base_url",            member_base_url},
    {"params",              member_params},
    {"encoding",            member_encoding},
    {"headers",             member_headers},
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
            return member_refuse(r, key, NULL, "a member or column that a provider has");
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
