/*
 * provider_request.c - the members of a provider that shape the request of its tags: URL, parameters and how
 * they are encoded, headers.
 */
#include "worker/vast/provider_member.h"

#include "common/json.h"

#include <string.h>
#include <strings.h>

bool member_base_url(struct reading *r, const char *name, const json_t *value)
{
    struct url url;
    struct err err;

    if (!member_text(r, name, value, &r->p->base_url))
        return false;
    if (!url_parse(r->arena, r->p->base_url, NULL, &url, &err) || !url_is_http(&url))
        return member_refuse(r, name, value, "an http or https URL");
    return true;
}

static bool add_param(struct reading *r, const char *name, const json_t *value)
{
    struct vast_param *param = &r->p->params[r->p->nparams++];

    param->name = arena_copy(r->arena, str_from(name));
    return member_text(r, name, value, &param->value);
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
bool member_params(struct reading *r, const char *name, const json_t *members)
{
    const char *key;
    json_t *value;

    if (!json_is_object(members))
        return member_refuse(r, name, members, "an object");
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

bool member_encoding(struct reading *r, const char *name, const json_t *members)
{
    struct vast_names raw = {0};
    const char *key;
    json_t *value;

    if (!json_is_object(members))
        return member_refuse(r, name, members, "an object");
    json_object_foreach((json_t *)members, key, value)
    {
        bool is_read;

        if (strcmp(key, "space") == 0)
            is_read = member_choice(r, "encoding.space", value, "percent", "plus", &r->p->is_space_plus);
        else if (strcmp(key, "unicode") == 0)
            is_read = member_choice(r, "encoding.unicode", value, "encode", "keep", &r->p->is_unicode_kept);
        else if (strcmp(key, "raw") == 0)
            is_read = member_names(r, "encoding.raw", value, &raw);
        else
            return member_refuse(r, name, members, "of space, unicode and raw");
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
bool member_headers(struct reading *r, const char *name, const json_t *members)
{
    const char *key;
    json_t *value;

    if (!json_is_object(members))
        return member_refuse(r, name, NULL, "an object");
    r->p->nheaders = 0;
    r->p->headers = arena_alloc(r->arena, (json_object_size(members) + 1) * sizeof(*r->p->headers));
    json_object_foreach((json_t *)members, key, value)
    {
        SCOPED(json_t) shown = json_string(key);

        if (!is_header(key, value))
            return member_refuse(r, name, shown,
                                 "of names that are not the connection's own, and texts without line breaks");
        if (r->p->headers)
            r->p->headers[r->p->nheaders++] =
                str_from(arena_printf(r->arena, "%s: %s", key, json_string_value(value)));
    }
    return true;
}
