/*
 * cookies.c - what the cookie jar of a trace holds, as libcurl tells it: lines of Netscape's cookie file.
 *
 *     #HttpOnly_.shop.test  TRUE  /path  FALSE  1793000000  name  value      with tabs in between
 *
 * libcurl does not tell SameSite.
 */
#include "worker/tracer/internal.h"

/* FNV-1a over what identifies a cookie and its value: not its expiry, which moves with the clock. */
static uint64_t cookie_hash(struct str line)
{
    uint64_t hash = 0xcbf29ce484222325;
    struct str field;

    for (int i = 0; str_cut(&line, '\t', &field); i++) {
        if (i == 4)
            continue;
        for (size_t k = 0; k < field.len; k++)
            hash = (hash ^ (unsigned char)field.ptr[k]) * 0x100000001b3;
        hash = (hash ^ '\t') * 0x100000001b3;
    }
    return hash;
}

uint64_t transfer_cookie_state(struct transfer *t)
{
    struct curl_slist *cookies = NULL;
    uint64_t state = 0;

    curl_easy_getinfo(t->easy, CURLINFO_COOKIELIST, &cookies);
    for (struct curl_slist *c = cookies; c; c = c->next)
        state += cookie_hash(str_from(c->data)); /* a sum: their order means nothing */
    curl_slist_free_all(cookies);
    return state;
}

enum { FIELDS = 7 };

/* False for a line that is none. */
static bool read_cookie(struct str line, struct kept_cookie *c)
{
    struct str fields[FIELDS] = {{0}}, field;
    int n = 0;

    *c = (struct kept_cookie){.same_site = STR("")};
    c->is_http_only = str_starts(line, STR("#HttpOnly_"));
    if (c->is_http_only)
        line = str_slice(line, strlen("#HttpOnly_"), line.len);
    while (n < FIELDS - 1 && str_cut(&line, '\t', &field))
        fields[n++] = field;
    if (n < FIELDS - 1)
        return false;
    c->domain = str_slice(fields[0], str_starts(fields[0], STR(".")), fields[0].len);
    c->is_host_only = str_equal(fields[1], STR("FALSE"));
    c->path = fields[2];
    c->is_secure = str_equal(fields[3], STR("TRUE"));
    c->name = fields[5];
    c->value = line.ptr ? line : STR("");
    return str_to_int(fields[4], &c->expires_s);
}

void transfer_keep_cookies(struct transfer *t, struct kept *kept)
{
    struct curl_slist *cookies = NULL;
    struct kept_cookie cookie;

    curl_easy_getinfo(t->easy, CURLINFO_COOKIELIST, &cookies);
    for (struct curl_slist *c = cookies; c; c = c->next)
        if (read_cookie(str_from(c->data), &cookie))
            kept_add_cookie(t->arena, kept, &cookie);
    curl_slist_free_all(cookies);
}
