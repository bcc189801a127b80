/*
 * cursors.c - see cursors.h.
 */
#include "worker/cursors.h"

#include <string.h>

static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\' || (unsigned char)s.ptr[i] < ' ')
            return false;
    }
    return s.len > 0;
}

static void put_text(char *to, size_t size, struct str from)
{
    if (from.len == 0 || from.len >= size || !is_word(from))
        return;
    memcpy(to, from.ptr, from.len);
    to[from.len] = '\0';
}

void cursors_put(struct cursors *c, struct str country, struct str request, struct str ip)
{
    struct cursor *at = NULL;

    if (!is_word(country) || country.len >= CURSOR_COUNTRY_MAX)
        return;
    for (int i = 0; i < c->n && !at; i++) {
        if (str_equal(str_from(c->all[i].country), country))
            at = &c->all[i];
    }
    if (!at) {
        if (c->n == CURSORS_MAX)
            return;
        at = &c->all[c->n++];
        *at = (struct cursor){0};
        put_text(at->country, sizeof(at->country), country);
    }
    put_text(at->request, sizeof(at->request), request);
    put_text(at->ip, sizeof(at->ip), ip);
}

static void put_item(struct buf *b, const char *text, bool is_first)
{
    buf_printf(b, "%s\"%s\"", is_first ? "{" : ",", text[0] ? text : "-infinity");
}

static void put_end(struct buf *b)
{
    buf_append_str(b, b->len ? STR("}") : STR("{}"));
}

void cursors_write(const struct cursors *c, struct buf *countries, struct buf *requests, struct buf *ips)
{
    buf_clear(countries);
    buf_clear(requests);
    buf_clear(ips);
    for (int i = 0; i < c->n; i++) {
        put_item(countries, c->all[i].country, i == 0);
        put_item(requests, c->all[i].request, i == 0);
        put_item(ips, c->all[i].ip, i == 0);
    }
    put_end(countries);
    put_end(requests);
    put_end(ips);
}
