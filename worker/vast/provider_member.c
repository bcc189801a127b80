/*
 * provider_member.c - see provider_member.h.
 */
#include "worker/vast/provider_member.h"

#include <string.h>

enum { SHOWN_MAX = 60 };

bool member_refuse(struct reading *r, const char *name, const json_t *value, const char *allowed)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    err_set(r->err, ERR_BAD_INPUT, "provider %.40s: %.40s%s%.*s: must be %s",
            r->name ? r->name : "without a name", name, text ? " " : "", SHOWN_MAX, text ? text : "",
            allowed);
    free(text);
    return false;
}

struct str member_copy(struct reading *r, const json_t *value)
{
    return arena_copy(r->arena, (struct str){json_string_value(value), json_string_length(value)});
}

bool member_text(struct reading *r, const char *name, const json_t *value, struct str *out)
{
    if (!json_is_string(value))
        return member_refuse(r, name, value, "a string");
    *out = member_copy(r, value);
    return true;
}

bool member_number(struct reading *r, const char *name, const json_t *value, int64_t min, int64_t max,
                   int64_t *out)
{
    int64_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < min || number > max)
        return member_refuse(
            r, name, value,
            arena_printf(r->arena, "a number from %lld to %lld", (long long)min, (long long)max));
    *out = number;
    return true;
}

bool member_choice(struct reading *r, const char *name, const json_t *value, const char *first,
                   const char *second, bool *out)
{
    const char *text = json_string_value(value);

    if (!text || (strcmp(text, first) != 0 && strcmp(text, second) != 0))
        return member_refuse(r, name, value, arena_printf(r->arena, "\"%s\" or \"%s\"", first, second));
    *out = strcmp(text, second) == 0;
    return true;
}

bool member_names(struct reading *r, const char *name, const json_t *value, struct vast_names *out)
{
    struct str *items = arena_alloc(r->arena, (json_array_size(value) + 1) * sizeof(*items));

    if (!json_is_array(value))
        return member_refuse(r, name, value, "a list of strings");
    for (size_t i = 0; items && i < json_array_size(value); i++)
        if (!member_text(r, name, json_array_get(value, i), &items[i]))
            return false;
    *out = (struct vast_names){items, items ? (int)json_array_size(value) : 0};
    return true;
}
