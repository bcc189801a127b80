/*
 * url.c - the URL parser: from text and base to parts.
 *
 * url_parser.h explains how it works and which file does what.
 */
#include "common/url_parser.h"

#include <string.h>

static const struct {
    struct str scheme;
    int port;
} SPECIAL[] = {
    {STR("http"), 80}, {STR("https"), 443}, {STR("ws"), 80},
    {STR("wss"), 443}, {STR("ftp"), 21},    {STR("file"), -1},
};

/* --- scheme ------------------------------------------------------------------------------------------- */

/* The length of the scheme that input begins with, without its colon; 0: it begins with none. */
static size_t scheme_len(struct str in)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        if (c == ':')
            return i;
        if (!is_letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return 0;
    }
    return 0;
}

static void append_scheme(struct url_parser *p, struct str scheme)
{
    p->scheme = url_append(p, scheme);
    for (size_t i = p->scheme.from; i < p->scheme.to && !p->href->is_full; i++)
        if (p->href->data[i] >= 'A' && p->href->data[i] <= 'Z')
            p->href->data[i] |= 0x20;
    url_append(p, STR(":"));
    for (size_t i = 0; i < ARRAY_LEN(SPECIAL); i++)
        if (str_equal_nocase(SPECIAL[i].scheme, scheme)) {
            p->is_special = true;
            p->default_port = SPECIAL[i].port;
        }
    p->is_file = str_equal_nocase(scheme, STR("file"));
}

/* "no scheme state" */
static bool parse_without_scheme(struct url_parser *p)
{
    if (!p->base)
        return url_fail(p, "it is relative and there is no base");
    append_scheme(p, p->base->scheme);
    if (p->base->has_opaque_path)
        return url_peek(p) == '#' ? url_parse_tail_on_base(p)
                                  : url_fail(p, "nothing is relative to its base");
    return p->is_file ? url_parse_file(p) : url_parse_relative(p);
}

/* "scheme state", at its colon */
static bool parse_after_scheme(struct url_parser *p, struct str scheme)
{
    append_scheme(p, scheme);
    p->at = scheme.len + 1;
    if (p->is_file)
        return url_parse_file(p);
    if (p->is_special && p->base && str_equal_nocase(p->base->scheme, scheme) &&
        !str_starts(url_unread(p), STR("//")))
        return url_parse_relative(p);
    if (p->is_special)
        return url_parse_authority_after_slashes(p);
    if (str_starts(url_unread(p), STR("//"))) {
        p->at += 2;
        return url_parse_authority(p);
    }
    if (url_peek(p) != '/')
        return url_parse_opaque_path(p);
    p->at++;
    url_begin_path(p);
    return url_parse_segments(p);
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static void shift(struct url_span *s, size_t by)
{
    s->from += by;
    s->to += by;
}

/* "foo:" and a path of "//x" would read as an authority: the standard writes "foo:/.//x". */
static void separate_path(struct url_parser *p)
{
    size_t from = p->path.from;
    struct str path = str_slice(buf_str(p->href), from, p->path.to);

    if (p->has_authority || p->has_opaque_path || !str_starts(path, STR("//")) || !buf_reserve(p->href, 2))
        return;
    memmove(p->href->data + from + 2, p->href->data + from, p->href->len - from + 1); /* its NUL too */
    memcpy(p->href->data + from, "/.", 2);
    p->href->len += 2;
    shift(&p->path, 2);
    shift(&p->query, 2);
    shift(&p->fragment, 2);
}

static struct str view(struct str href, struct url_span s, bool is_there)
{
    return is_there ? str_slice(href, s.from, s.to) : (struct str){NULL, 0};
}

static void fill(const struct url_parser *p, struct str href, struct url *out)
{
    *out = (struct url){
        .href = href,
        .scheme = view(href, p->scheme, true),
        .username = view(href, p->username, true),
        .password = view(href, p->password, true),
        .host = view(href, p->host, p->has_authority),
        .path = view(href, p->path, true),
        .query = view(href, p->query, p->has_query),
        .fragment = view(href, p->fragment, p->has_fragment),
        .port = p->port,
        .host_kind = p->has_authority ? p->host_value.kind : URL_HOST_NONE,
        .has_authority = p->has_authority,
        .has_opaque_path = p->has_opaque_path,
        .is_special = p->is_special,
    };
    memcpy(out->ip, p->host_value.ip, sizeof(out->ip));
}

static bool bad_url(struct err *err, const char *why, struct str input)
{
    SCOPED_VALUE(buf) text = {.max = 120};

    url_scrub(input, &text);
    return err_set(err, ERR_BAD_URL, "not a URL, %s: %s", why, buf_cstr(&text));
}

bool url_parse(struct arena *a, struct str input, const struct url *base, struct url *out, struct err *err)
{
    SCOPED_VALUE(buf) in = {.max = 3 * (size_t)URL_MAX_BYTES};    /* an invalid byte becomes three */
    SCOPED_VALUE(buf) href = {.max = 12 * (size_t)URL_MAX_BYTES}; /* which become nine, behind a base */
    struct url_parser p = {.base = base, .href = &href, .port = -1, .default_port = -1};
    struct str result, scheme;
    bool ok;

    if (input.len > URL_MAX_BYTES || (base && base->href.len > URL_MAX_BYTES))
        return err_set(err, ERR_TOO_BIG, "a URL of more than %d bytes", URL_MAX_BYTES);
    url_strip(input, &in);
    p.in = buf_str(&in);
    scheme = str_slice(p.in, 0, scheme_len(p.in));
    ok = scheme.len ? parse_after_scheme(&p, scheme) : parse_without_scheme(&p);
    if (!ok)
        return bad_url(err, p.why, input);
    separate_path(&p);
    if (href.is_full || href.len > URL_MAX_BYTES)
        return err_set(err, ERR_TOO_BIG, "a URL of more than %d bytes", URL_MAX_BYTES);
    result = arena_copy(a, buf_str(&href));
    if (!result.ptr)
        return err_set(err, ERR_TOO_BIG, "no room for a URL of %zu bytes", href.len);
    fill(&p, result, out);
    return true;
}

bool url_is_http(const struct url *u)
{
    return str_equal(u->scheme, STR("http")) || str_equal(u->scheme, STR("https"));
}

int url_effective_port(const struct url *u)
{
    for (size_t i = 0; u->port < 0 && i < ARRAY_LEN(SPECIAL); i++)
        if (str_equal(SPECIAL[i].scheme, u->scheme))
            return SPECIAL[i].port;
    return u->port;
}

struct str url_origin(struct arena *a, const struct url *u)
{
    struct str host_port;
    char *text;

    if (!u->is_special || str_equal(u->scheme, STR("file")))
        return arena_copy(a, STR("null"));
    host_port = str_slice(u->href, url_span_of(u, u->host).from, url_span_of(u, u->path).from);
    text = arena_printf(a, "%.*s://%.*s", STR_ARG(u->scheme), STR_ARG(host_port));
    return (struct str){text, text ? strlen(text) : 0};
}

struct str url_without_fragment(const struct url *u)
{
    return u->fragment.ptr ? str_slice(u->href, 0, (size_t)(u->fragment.ptr - u->href.ptr) - 1) : u->href;
}

bool url_with_fragment(struct arena *a, const struct url *u, struct str fragment, struct url *out,
                       struct err *err)
{
    SCOPED_VALUE(buf) text = {.max = 4 * (size_t)URL_MAX_BYTES};

    buf_append_str(&text, url_without_fragment(u));
    buf_append_char(&text, '#');
    if (!buf_append_str(&text, fragment))
        return err_set(err, ERR_TOO_BIG, "a fragment of %zu bytes", fragment.len);
    return url_parse(a, buf_str(&text), NULL, out, err);
}
