/*
 * url_query.c - the parameters of a query, one after the other.
 */
#include "common/url.h"

void url_query_init(struct url_query_iter *it, struct str query)
{
    it->rest = query;
}

bool url_query_next_raw(struct url_query_iter *it, struct str *name, struct str *value)
{
    struct str piece;
    size_t equals;

    do {
        if (!str_cut(&it->rest, '&', &piece))
            return false;
    } while (piece.len == 0);
    equals = str_find(piece, 0, '=');
    *name = str_slice(piece, 0, equals);
    *value = str_slice(piece, equals + 1, piece.len);
    return true;
}

static void append_decoded(struct buf *out, struct str s)
{
    bool is_first = true;

    for (struct str part; str_cut(&s, '+', &part); is_first = false) {
        if (!is_first)
            buf_append_char(out, ' ');
        url_percent_decode(out, part);
    }
}

static bool decode(struct arena *a, struct str *s)
{
    SCOPED_VALUE(buf) text = {.max = s->len};

    append_decoded(&text, *s);
    *s = arena_copy(a, buf_str(&text));
    return s->ptr != NULL;
}

bool url_query_decode(struct arena *a, struct str *s)
{
    return (str_find(*s, 0, '%') == s->len && str_find(*s, 0, '+') == s->len) || decode(a, s);
}

bool url_query_next(struct url_query_iter *it, struct arena *a, struct str *name, struct str *value)
{
    struct str raw_name, raw_value;

    if (!url_query_next_raw(it, &raw_name, &raw_value))
        return false;
    if (!url_query_decode(a, &raw_name) || !url_query_decode(a, &raw_value))
        return false;
    *name = raw_name;
    *value = raw_value;
    return true;
}
