/*
 * vast_rules.c - see vast_rules.h. A section becomes the same JSON that a row is, so that one judge reads
 * both.
 */
#include "worker/vast_rules.h"

#include "common/json.h"

#include <string.h>

enum { RULES_MEMORY_MAX = 16 * 1024 * 1024 };

/* --- a section as JSON ------------------------------------------------------------------------------ */

static bool is_one_of(const char *key, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

static json_t *list_of(const char *value)
{
    json_t *list = json_array();

    for (struct str rest = str_from(value), part; str_cut(&rest, ',', &part);)
        if (str_trim(part).len)
            json_add(list, json_from_str(str_trim(part)));
    return list;
}

/* A number that is none stays a text, for the judge to name it. */
static json_t *value_of(const char *key, const char *value)
{
    static const char *const lists[] = {"hosts", "macro_formats", "encoding.raw", "events.include",
                                        "events.exclude"};
    static const char *const numbers[] = {"timeout_ms", "retries", "max_wrappers", "cache_ttl_s",
                                          "requests_per_minute"};
    int64_t number;

    if (is_one_of(key, lists, ARRAY_LEN(lists)))
        return list_of(value);
    if (is_one_of(key, numbers, ARRAY_LEN(numbers)) && str_to_int(str_from(value), &number))
        return json_integer(number);
    if (strcmp(key, "is_active") == 0 && (strcmp(value, "true") == 0 || strcmp(value, "false") == 0))
        return json_boolean(strcmp(value, "true") == 0);
    return json_from_str(str_from(value));
}

/* "params.zone" is the member zone of the object params. */
static void put_line(json_t *object, const struct conf_named *line)
{
    struct str rest = str_from(line->key), parent;
    json_t *value = value_of(line->key, line->value), *inner;
    char name[64];

    str_cut(&rest, '.', &parent);
    if (!rest.len) {
        json_put(object, line->key, value);
        return;
    }
    snprintf(name, sizeof(name), "%.*s", STR_ARG(parent));
    inner = json_object_get(object, name);
    if (!json_is_object(inner)) {
        inner = json_object();
        json_put(object, name, inner);
    }
    json_put(inner, rest.ptr, value);
}

/* As names and texts of JSON have to be. */
static bool is_utf8(const char *text)
{
    SCOPED_VALUE(buf) clean = {.max = 3 * strlen(text)};

    json_clean_utf8(str_from(text), &clean);
    return str_equal(buf_str(&clean), str_from(text));
}

static bool is_first(const struct conf *conf, const struct conf_named *line)
{
    for (const struct conf_named *n = conf->named; n != line; n = n->next)
        if (strcmp(n->section, line->section) == 0 && strcmp(n->name, line->name) == 0)
            return false;
    return strcmp(line->section, "vast_provider") == 0;
}

static bool read_section(struct vast_rules *r, const struct conf_named *first, struct vast_provider *out,
                         struct err *err)
{
    SCOPED(json_t) object = json_object();
    struct err wrong;

    for (const struct conf_named *n = first; n; n = n->next) {
        if (strcmp(n->section, first->section) != 0 || strcmp(n->name, first->name) != 0)
            continue;
        if (!is_utf8(n->key) || !is_utf8(n->value))
            return err_set(err, ERR_BAD_SETTING, "%s: must be UTF-8", n->where);
        put_line(object, n);
    }
    json_put_str(object, "provider", str_from(first->name));
    return vast_provider_from(&r->arena, object, &r->defaults, out, &wrong) ||
           err_set(err, ERR_BAD_SETTING, "%s: %s", first->where, wrong.detail);
}

/* --- all of them ------------------------------------------------------------------------------------ */

static struct vast_provider defaults_of(const struct conf *conf)
{
    struct vast_provider p = vast_provider_default();

    p.timeout_ms = conf->vast_timeout_ms;
    p.max_wrappers = (int)conf->vast_max_wrappers;
    p.cache_ttl_ms = conf->vast_cache_ttl_s * 1000;
    p.macro_mode = strcmp(conf->tracking_macros, "iab") == 0 ? VAST_MACRO_IAB : VAST_MACRO_LEAVE;
    return p;
}

bool vast_rules_init(struct vast_rules *r, const struct conf *conf, struct err *err)
{
    size_t n = 0;

    *r = (struct vast_rules){.defaults = defaults_of(conf)};
    arena_init(&r->arena, RULES_MEMORY_MAX);
    for (const struct conf_named *line = conf->named; line; line = line->next)
        n += is_first(conf, line);
    r->ini = arena_alloc(&r->arena, (n + 1) * sizeof(*r->ini));
    for (const struct conf_named *line = conf->named; r->ini && line; line = line->next) {
        if (!is_first(conf, line))
            continue;
        if (!read_section(r, line, &r->ini[r->nini], err)) {
            vast_rules_finish(r);
            return false;
        }
        r->nini++;
    }
    return true;
}

void vast_rules_finish(struct vast_rules *r)
{
    arena_finish(&r->arena);
    *r = (struct vast_rules){0};
}

const struct vast_provider *vast_rules_section(const struct vast_rules *r, struct str name)
{
    for (int i = 0; i < r->nini; i++)
        if (str_equal(r->ini[i].name, name))
            return &r->ini[i];
    return NULL;
}

bool vast_rules_find(const struct vast_rules *r, struct arena *a, struct str name, struct str row,
                     struct vast_provider *out, struct err *err)
{
    const struct vast_provider *section = vast_rules_section(r, name);
    struct vast_provider found = r->defaults;

    if (row.len && !vast_provider_read(a, row, &r->defaults, &found, err))
        return false;
    if (!row.len && section)
        found = *section;
    else if (!row.len && name.len)
        return err_set(
            err, ERR_BAD_INPUT,
            "provider %.60s: neither in vast_providers nor a section [vast_provider] of this worker's ini",
            arena_cstr(a, name));
    if (!found.is_active)
        return err_set(err, ERR_BAD_INPUT, "provider %.60s: is_active is false", arena_cstr(a, name));
    *out = found;
    return true;
}
