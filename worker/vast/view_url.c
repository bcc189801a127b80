/*
 * view_url.c - the URL that an event comes to when it is sent (view.h). How macros expand is macros.c.
 */
#include "worker/vast/view.h"

enum { MACROS_MAX = 64, LIST_MAX = 32, URL_BYTES_MAX = URL_MAX_BYTES };

static struct str text_of(const json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

/* A text, or a list of texts; null is known but withheld; anything else is no value. */
static bool read_values(struct arena *a, const json_t *value, struct vast_macro *out)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    struct str *values;

    out->is_withheld = json_is_null(value);
    if (out->is_withheld)
        return true;
    if (n > LIST_MAX || (!json_is_array(value) && !json_is_string(value)))
        return false;
    values = arena_alloc(a, sizeof(*values) * (n + 1));
    for (size_t i = 0; values && i < n; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;

        values[i] = json_is_string(item) ? text_of(item) : STR("");
    }
    out->values = values;
    out->nvalues = values ? (int)n : 0;
    return values != NULL;
}

static void add_text(struct arena *a, struct vast_macro *items, int *n, struct str name, struct str text)
{
    struct str *value = arena_alloc(a, sizeof(*value));

    if (!value || *n == MACROS_MAX)
        return;
    *value = text;
    items[(*n)++] = (struct vast_macro){.name = name, .values = value, .nvalues = 1};
}

static int read_macros(struct arena *a, const json_t *object, const struct vast_sender *sender,
                       struct vast_macro *items)
{
    const char *key;
    json_t *value;
    int n = 0;

    /* What we say of ourselves is not the caller's to change. */
    add_text(a, items, &n, STR("SERVERSIDE"), STR("2"));
    add_text(a, items, &n, STR("SERVERUA"), sender->user_agent);
    json_object_foreach((json_t *)object, key, value)
    {
        struct vast_macro macro = {.name = str_from(key)};

        if (n < MACROS_MAX && read_values(a, value, &macro))
            items[n++] = macro;
    }
    return n;
}

static void put_params(struct buf *out, const json_t *params)
{
    const char *key;
    json_t *value;
    char glue = str_find(buf_str(out), 0, '?') == out->len ? '?' : '&';

    json_object_foreach((json_t *)params, key, value)
    {
        if (!json_is_string(value))
            continue;
        buf_append_char(out, glue);
        url_percent_encode(out, str_from(key), URL_ENCODE_COMPONENT);
        buf_append_char(out, '=');
        url_percent_encode(out, text_of(value), URL_ENCODE_COMPONENT);
        glue = '&';
    }
}

bool vast_event_url(struct arena *a, struct str url_template, const json_t *macros, const json_t *params,
                    const struct vast_sender *sender, struct url *out, struct err *err)
{
    struct vast_macro items[MACROS_MAX];
    struct vast_macros all = {.items = items,
                              .formats = sender->formats,
                              .wall_ms = sender->wall_ms,
                              .random = sender->random,
                              .arg = sender->arg};
    SCOPED_VALUE(buf) text = {.max = URL_BYTES_MAX};

    all.n = read_macros(a, macros, sender, items);
    if (a->is_full || !vast_macro_expand(url_template, &all, sender->mode, &text))
        return err_set(err, ERR_TOO_BIG, "an expanded URL of more than %d bytes", URL_BYTES_MAX);
    put_params(&text, params);
    if (text.is_full)
        return err_set(err, ERR_TOO_BIG, "an expanded URL of more than %d bytes", URL_BYTES_MAX);
    return url_parse(a, buf_str(&text), NULL, out, err);
}
