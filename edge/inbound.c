/*
 * inbound.c - cuts a query into parameters.
 */
#include "edge/inbound.h"

#include "common/click_ids.h"
#include "common/url.h"

static size_t count_pieces(struct str query)
{
    size_t n = query.len > 0;

    for (size_t at = str_find(query, 0, '&'); at < query.len; at = str_find(query, at + 1, '&'))
        n++;
    return n;
}

static bool is_encoded(struct str query)
{
    return str_find(query, 0, '%') < query.len || str_find(query, 0, '+') < query.len;
}

static bool read_param(struct arena *a, struct url_query_iter *it, bool decodes, struct inbound_param *p)
{
    if (!url_query_next_raw(it, &p->raw_name, &p->value))
        return false;
    p->raw = (struct str){p->raw_name.ptr, (size_t)(p->value.ptr + p->value.len - p->raw_name.ptr)};
    p->name = p->raw_name;
    if (decodes && (!url_query_decode(a, &p->name) || !url_query_decode(a, &p->value)))
        return false;
    p->is_click_id = click_id_is(p->name);
    return true;
}

bool inbound_read(struct arena *a, struct str query, struct inbound *out, struct err *err)
{
    struct inbound in = {.params = arena_alloc(a, count_pieces(query) * sizeof(struct inbound_param))};
    bool decodes = is_encoded(query);
    struct url_query_iter it;

    url_query_init(&it, query);
    while (in.params && read_param(a, &it, decodes, &in.params[in.n]))
        in.n++;
    if (a->is_full)
        return err_set(err, ERR_TOO_BIG, "a query of %zu bytes has too many parameters", query.len);
    *out = in;
    return true;
}

struct str inbound_take(struct inbound *in, struct str name)
{
    struct str value = {NULL, 0};

    for (size_t i = 0; i < in->n; i++) {
        struct inbound_param *p = &in->params[i];

        if (p->is_own || !str_equal(p->name, name))
            continue;
        p->is_own = true;
        if (!value.ptr)
            value = p->value;
    }
    return value;
}

const struct inbound_param *inbound_last(const struct inbound *in, struct str name)
{
    for (size_t i = in->n; i-- > 0;)
        if (!in->params[i].is_own && str_equal(in->params[i].name, name))
            return &in->params[i];
    return NULL;
}
