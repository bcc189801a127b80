/*
 * url.c - the URL parser: from text and base to parts.
 *
 * The WHATWG URL Standard describes a state machine that eats one character at a time. Here each of its
 * states that reads a part is a function that eats the whole part, and the serialised URL is written from
 * left to right into one buffer while the parts are noted as positions in it. Names in comments ("relative
 * slash state") are the standard's.
 *
 * Hosts are url_host.c, encoding is url_codec.c.
 */
#include "common/url_internal.h"

#include <string.h>

struct span {
    size_t from, to;
};

struct parser {
    struct str in;          /* stripped, valid UTF-8 */
    size_t at;              /* how much of it has been read */
    const struct url *base; /* or NULL */
    struct buf *href;       /* what has been written */
    struct span scheme, username, password, host, path, query, fragment;
    struct url_host host_value;
    int port, default_port;
    bool is_special, is_file;
    bool has_authority, has_opaque_path, has_query, has_fragment;
    const char *why; /* it is no URL */
};

static const struct {
    struct str scheme;
    int port;
} SPECIAL[] = {
    {STR("http"), 80}, {STR("https"), 443}, {STR("ws"), 80},
    {STR("wss"), 443}, {STR("ftp"), 21},    {STR("file"), -1},
};

static bool fail(struct parser *p, const char *why)
{
    p->why = why;
    return false;
}

/* The character at the reading position, or -1 at the end. */
static int peek(const struct parser *p)
{
    return p->at < p->in.len ? (unsigned char)p->in.ptr[p->at] : -1;
}

static struct str unread(const struct parser *p)
{
    return str_slice(p->in, p->at, p->in.len);
}

/* Special schemes take a backslash for a slash. */
static bool is_slash(const struct parser *p, int c)
{
    return c == '/' || (c == '\\' && p->is_special);
}

/* Where the part that begins here ends: at a slash, '?', '#' or the end. */
static size_t part_end(const struct parser *p)
{
    size_t at = p->at;

    while (at < p->in.len && !is_slash(p, p->in.ptr[at]) && p->in.ptr[at] != '?' && p->in.ptr[at] != '#')
        at++;
    return at;
}

static struct span append(struct parser *p, struct str text)
{
    size_t from = p->href->len;

    buf_append_str(p->href, text);
    return (struct span){from, p->href->len};
}

static struct span append_encoded(struct parser *p, struct str text, enum url_encode_set set)
{
    size_t from = p->href->len;

    url_percent_encode(p->href, text, set);
    return (struct span){from, p->href->len};
}

static void truncate_to(struct parser *p, size_t len)
{
    p->href->len = len;
}

/* --- query and fragment ------------------------------------------------------------------------------- */

/* "?query#fragment", each of which may be missing; reads to the end. */
static bool parse_tail(struct parser *p)
{
    if (peek(p) == '?') {
        size_t end = str_find(p->in, p->at, '#');

        append(p, STR("?"));
        p->has_query = true;
        p->query = append_encoded(p, str_slice(p->in, p->at + 1, end),
                                  p->is_special ? URL_ENCODE_SPECIAL_QUERY : URL_ENCODE_QUERY);
        p->at = end;
    }
    if (peek(p) == '#') {
        append(p, STR("#"));
        p->has_fragment = true;
        p->fragment = append_encoded(p, str_slice(p->in, p->at + 1, p->in.len), URL_ENCODE_FRAGMENT);
        p->at = p->in.len;
    }
    return true;
}

/* --- path --------------------------------------------------------------------------------------------- */

static bool is_drive_letter(struct str s)
{
    return s.len == 2 && (s.ptr[0] | 0x20) >= 'a' && (s.ptr[0] | 0x20) <= 'z' &&
           (s.ptr[1] == ':' || s.ptr[1] == '|');
}

/* "starts with a Windows drive letter" */
static bool starts_with_drive(struct str s)
{
    char third = s.len > 2 ? s.ptr[2] : '/';

    return is_drive_letter(str_slice(s, 0, 2)) &&
           (third == '/' || third == '\\' || third == '?' || third == '#');
}

/* A path that is nothing but "/C:". */
static bool is_drive_path(struct str path)
{
    return path.len == 3 && is_drive_letter(str_slice(path, 1, 3)) && path.ptr[2] == ':';
}

/* "shorten a URL's path": without its last segment, unless that is the drive of a file URL. */
static void shorten_path(struct parser *p)
{
    size_t end = p->href->len;

    if (p->is_file && is_drive_path(str_slice(buf_str(p->href), p->path.from, end)))
        return;
    while (end > p->path.from && p->href->data[end - 1] != '/')
        end--;
    if (end > p->path.from)
        end--;
    truncate_to(p, end);
}

/* How many dots a segment is made of when it is nothing else ("%2e" is one too); 0: it is an ordinary one. */
static int count_dots(struct str segment)
{
    int dots = 0;

    for (; segment.len; dots++) {
        if (segment.ptr[0] == '.')
            segment = str_slice(segment, 1, segment.len);
        else if (str_starts_nocase(segment, STR("%2e")))
            segment = str_slice(segment, 3, segment.len);
        else
            return 0;
    }
    return dots;
}

static void add_segment(struct parser *p, struct str segment, bool is_last)
{
    int dots = count_dots(segment);

    if (dots == 2)
        shorten_path(p);
    if (dots == 1 || dots == 2) {
        if (is_last)
            append(p, STR("/"));
        return;
    }
    append(p, STR("/"));
    if (p->is_file && p->href->len - p->path.from == 1 && is_drive_letter(segment)) {
        append(p, str_slice(segment, 0, 1));
        append(p, STR(":"));
    } else {
        append_encoded(p, segment, URL_ENCODE_PATH);
    }
}

/* "path state": p->path.from is set, a path may have been begun (from a base), its slash has been read. */
static bool parse_segments(struct parser *p)
{
    for (bool more = true; more;) {
        size_t end = part_end(p);

        more = end < p->in.len && is_slash(p, p->in.ptr[end]);
        add_segment(p, str_slice(p->in, p->at, end), !more);
        p->at = end + more;
    }
    p->path.to = p->href->len;
    return parse_tail(p);
}

static void begin_path(struct parser *p)
{
    p->path = (struct span){p->href->len, p->href->len};
}

/* "path start state", behind an authority */
static bool parse_path(struct parser *p)
{
    begin_path(p);
    if (is_slash(p, peek(p)))
        p->at++;
    else if (!p->is_special)
        return part_end(p) > p->at ? parse_segments(p) : parse_tail(p);
    return parse_segments(p);
}

/* "opaque path state" */
static bool parse_opaque_path(struct parser *p)
{
    size_t end = p->at;

    while (end < p->in.len && p->in.ptr[end] != '?' && p->in.ptr[end] != '#')
        end++;
    begin_path(p);
    p->has_opaque_path = true;
    append_encoded(p, str_slice(p->in, p->at, end), URL_ENCODE_CONTROLS);
    if (end > p->at && p->in.ptr[end - 1] == ' ') { /* it would be stripped if the rest went away */
        truncate_to(p, p->href->len - 1);
        append(p, STR("%20"));
    }
    p->path.to = p->href->len;
    p->at = end;
    return parse_tail(p);
}

/* --- authority ---------------------------------------------------------------------------------------- */

static void append_empty_host(struct parser *p)
{
    p->has_authority = true;
    p->host = append(p, STR("//"));
    p->host.from = p->host.to;
    p->host_value.kind = URL_HOST_EMPTY;
}

static bool append_host(struct parser *p, struct str raw)
{
    const char *why = url_host_parse(raw, p->is_special, p->href, &p->host_value);

    p->host.to = p->href->len;
    return !why || fail(p, why);
}

static void append_userinfo(struct parser *p, struct str userinfo)
{
    size_t colon = str_find(userinfo, 0, ':');

    p->username = append_encoded(p, str_slice(userinfo, 0, colon), URL_ENCODE_USERINFO);
    if (colon + 1 < userinfo.len) {
        append(p, STR(":"));
        p->password = append_encoded(p, str_slice(userinfo, colon + 1, userinfo.len), URL_ENCODE_USERINFO);
    }
    if (p->href->len > p->username.from)
        append(p, STR("@"));
}

/* "port state" */
static bool append_port(struct parser *p, struct str digits)
{
    int port = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return fail(p, "its port is no number");
        port = port * 10 + digits.ptr[i] - '0';
        if (port > 65535)
            return fail(p, "its port is above 65535");
    }
    if (digits.len == 0 || port == p->default_port)
        return true;
    p->port = port;
    buf_printf(p->href, ":%d", port);
    return true;
}

/* The colon before the port, which is not one inside of brackets. */
static size_t find_port(struct str host_port)
{
    bool in_brackets = false;

    for (size_t i = 0; i < host_port.len; i++) {
        char c = host_port.ptr[i];

        if (c == ':' && !in_brackets)
            return i;
        in_brackets = c == '[' || (in_brackets && c != ']');
    }
    return host_port.len;
}

static bool append_host_port(struct parser *p, struct str host_port)
{
    size_t colon = find_port(host_port);

    p->host = (struct span){p->href->len, p->href->len};
    p->host_value.kind = URL_HOST_EMPTY;
    if (colon == 0 && (p->is_special || host_port.len))
        return fail(p, "it has no host");
    if (colon && !append_host(p, str_slice(host_port, 0, colon)))
        return false;
    return append_port(p, str_slice(host_port, colon + 1, host_port.len));
}

/* "authority state" and what follows it; the slashes have been read */
static bool parse_authority(struct parser *p)
{
    struct str authority = str_slice(p->in, p->at, part_end(p));
    size_t host_from = 0;

    p->at += authority.len;
    p->has_authority = true;
    append(p, STR("//"));
    for (size_t i = 0; i < authority.len; i++)
        if (authority.ptr[i] == '@')
            host_from = i + 1;
    if (host_from) {
        if (host_from == authority.len)
            return fail(p, "it has no host");
        append_userinfo(p, str_slice(authority, 0, host_from - 1));
    }
    if (!append_host_port(p, str_slice(authority, host_from, authority.len)))
        return false;
    return parse_path(p);
}

static bool parse_authority_after_slashes(struct parser *p)
{
    while (is_slash(p, peek(p)))
        p->at++;
    return parse_authority(p);
}

/* --- relative to a base ------------------------------------------------------------------------------- */

static struct span span_of(const struct url *u, struct str part)
{
    size_t from = part.ptr ? (size_t)(part.ptr - u->href.ptr) : 0;

    return (struct span){from, from + part.len};
}

/* The base's authority. The scheme is the same, so everything keeps its position. */
static void copy_authority(struct parser *p)
{
    const struct url *base = p->base;

    if (!base->has_authority)
        return;
    append(p, str_slice(base->href, p->href->len, span_of(base, base->path).from));
    p->has_authority = true;
    p->username = span_of(base, base->username);
    p->password = span_of(base, base->password);
    p->host = span_of(base, base->host);
    p->host_value.kind = base->host_kind;
    memcpy(p->host_value.ip, base->ip, sizeof(base->ip));
    p->port = base->port;
}

static void copy_path(struct parser *p)
{
    p->path = append(p, p->base->path);
    p->has_opaque_path = p->base->has_opaque_path;
}

static void copy_query(struct parser *p)
{
    if (!p->base->query.ptr)
        return;
    append(p, STR("?"));
    p->has_query = true;
    p->query = append(p, p->base->query);
}

/* Nothing, a query or a fragment: the base with its end replaced. False: it is something else. */
static bool is_tail_only(const struct parser *p)
{
    return peek(p) == -1 || peek(p) == '?' || peek(p) == '#';
}

static bool parse_tail_on_base(struct parser *p)
{
    copy_path(p);
    if (peek(p) != '?')
        copy_query(p);
    return parse_tail(p);
}

/* "relative slash state" */
static bool parse_relative_slash(struct parser *p)
{
    if (is_slash(p, peek(p)) && p->is_special)
        return parse_authority_after_slashes(p);
    if (peek(p) == '/') {
        p->at++;
        return parse_authority(p);
    }
    copy_authority(p);
    begin_path(p);
    return parse_segments(p);
}

/* "relative state" */
static bool parse_relative(struct parser *p)
{
    if (is_slash(p, peek(p))) {
        p->at++;
        return parse_relative_slash(p);
    }
    copy_authority(p);
    if (is_tail_only(p))
        return parse_tail_on_base(p);
    copy_path(p);
    shorten_path(p);
    return parse_segments(p);
}

/* --- file --------------------------------------------------------------------------------------------- */

/* "file host state"; both slashes have been read */
static bool parse_file_host(struct parser *p)
{
    struct str host = str_slice(p->in, p->at, part_end(p));

    append_empty_host(p);
    if (is_drive_letter(host)) { /* file://C:/x is a path; the host is empty */
        begin_path(p);
        return parse_segments(p);
    }
    if (host.len) {
        if (!append_host(p, host))
            return false;
        if (str_equal(str_slice(buf_str(p->href), p->host.from, p->host.to), STR("localhost"))) {
            truncate_to(p, p->host.from);
            p->host.to = p->host.from;
            p->host_value.kind = URL_HOST_EMPTY;
        }
    }
    p->at += host.len;
    return parse_path(p);
}

/* "file slash state"; one slash has been read */
static bool parse_file_slash(struct parser *p, const struct url *base)
{
    struct str drive = base ? str_slice(base->path, 0, str_find(base->path, 1, '/')) : STR("");

    if (is_slash(p, peek(p))) {
        p->at++;
        return parse_file_host(p);
    }
    if (base)
        copy_authority(p);
    else
        append_empty_host(p);
    begin_path(p);
    if (is_drive_path(drive) && !starts_with_drive(unread(p)))
        append(p, drive);
    return parse_segments(p);
}

/* "file state" */
static bool parse_file(struct parser *p)
{
    const struct url *base = p->base && str_equal(p->base->scheme, STR("file")) ? p->base : NULL;

    if (is_slash(p, peek(p))) {
        p->at++;
        return parse_file_slash(p, base);
    }
    if (!base) {
        append_empty_host(p);
        begin_path(p);
        return parse_segments(p);
    }
    copy_authority(p);
    if (is_tail_only(p))
        return parse_tail_on_base(p);
    if (starts_with_drive(unread(p))) {
        begin_path(p);
    } else {
        copy_path(p);
        shorten_path(p);
    }
    return parse_segments(p);
}

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

static void append_scheme(struct parser *p, struct str scheme)
{
    p->scheme = append(p, scheme);
    for (size_t i = p->scheme.from; i < p->scheme.to && !p->href->is_full; i++)
        if (p->href->data[i] >= 'A' && p->href->data[i] <= 'Z')
            p->href->data[i] |= 0x20;
    append(p, STR(":"));
    for (size_t i = 0; i < ARRAY_LEN(SPECIAL); i++)
        if (str_equal_nocase(SPECIAL[i].scheme, scheme)) {
            p->is_special = true;
            p->default_port = SPECIAL[i].port;
        }
    p->is_file = str_equal_nocase(scheme, STR("file"));
}

/* "no scheme state" */
static bool parse_without_scheme(struct parser *p)
{
    if (!p->base)
        return fail(p, "it is relative and there is no base");
    append_scheme(p, p->base->scheme);
    if (p->base->has_opaque_path)
        return peek(p) == '#' ? parse_tail_on_base(p) : fail(p, "nothing is relative to its base");
    return p->is_file ? parse_file(p) : parse_relative(p);
}

/* "scheme state", at its colon */
static bool parse_after_scheme(struct parser *p, struct str scheme)
{
    append_scheme(p, scheme);
    p->at = scheme.len + 1;
    if (p->is_file)
        return parse_file(p);
    if (p->is_special && p->base && str_equal_nocase(p->base->scheme, scheme) &&
        !str_starts(unread(p), STR("//")))
        return parse_relative(p);
    if (p->is_special)
        return parse_authority_after_slashes(p);
    if (str_starts(unread(p), STR("//"))) {
        p->at += 2;
        return parse_authority(p);
    }
    if (peek(p) != '/')
        return parse_opaque_path(p);
    p->at++;
    begin_path(p);
    return parse_segments(p);
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static void shift(struct span *s, size_t by)
{
    s->from += by;
    s->to += by;
}

/* "foo:" and a path of "//x" would read as an authority: the standard writes "foo:/.//x". */
static void separate_path(struct parser *p)
{
    struct str path = str_slice(buf_str(p->href), p->path.from, p->path.to);

    if (p->has_authority || p->has_opaque_path || !str_starts(path, STR("//")) || !buf_reserve(p->href, 2))
        return;
    memmove(p->href->data + p->path.from + 2, path.ptr, p->href->len - p->path.from);
    memcpy(p->href->data + p->path.from, "/.", 2);
    p->href->len += 2;
    shift(&p->path, 2);
    shift(&p->query, 2);
    shift(&p->fragment, 2);
}

static struct str view(struct str href, struct span s, bool is_there)
{
    return is_there ? str_slice(href, s.from, s.to) : (struct str){NULL, 0};
}

static void fill(const struct parser *p, struct str href, struct url *out)
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
    struct parser p = {.base = base, .href = &href, .port = -1, .default_port = -1};
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
    host_port = str_slice(u->href, span_of(u, u->host).from, span_of(u, u->path).from);
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
    buf_append_str(&text, fragment);
    return url_parse(a, buf_str(&text), NULL, out, err);
}
