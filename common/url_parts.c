/*
 * url_parts.c - the parts of a URL from left to right: authority, path, query, fragment.
 *
 * Hosts are url_host.c, encoding is url_codec.c, bases are url_relative.c.
 */
#include "common/url_parser.h"

static struct url_span append_encoded(struct url_parser *p, struct str text, enum url_encode_set set)
{
    size_t from = p->href->len;

    url_percent_encode(p->href, text, set);
    return (struct url_span){from, p->href->len};
}

size_t url_part_end(const struct url_parser *p)
{
    size_t at = p->at;

    while (at < p->in.len && !url_is_slash(p, p->in.ptr[at]) && p->in.ptr[at] != '?' && p->in.ptr[at] != '#')
        at++;
    return at;
}

/* --- query and fragment ------------------------------------------------------------------------------- */

bool url_parse_tail(struct url_parser *p)
{
    if (url_peek(p) == '?') {
        size_t end = str_find(p->in, p->at, '#');

        url_append(p, STR("?"));
        p->has_query = true;
        p->query = append_encoded(p, str_slice(p->in, p->at + 1, end),
                                  p->is_special ? URL_ENCODE_SPECIAL_QUERY : URL_ENCODE_QUERY);
        p->at = end;
    }
    if (url_peek(p) == '#') {
        url_append(p, STR("#"));
        p->has_fragment = true;
        p->fragment = append_encoded(p, str_slice(p->in, p->at + 1, p->in.len), URL_ENCODE_FRAGMENT);
        p->at = p->in.len;
    }
    return true;
}

/* --- path --------------------------------------------------------------------------------------------- */

bool url_is_drive_letter(struct str s)
{
    return s.len == 2 && (s.ptr[0] | 0x20) >= 'a' && (s.ptr[0] | 0x20) <= 'z' &&
           (s.ptr[1] == ':' || s.ptr[1] == '|');
}

bool url_is_drive_path(struct str path)
{
    return path.len == 3 && url_is_drive_letter(str_slice(path, 1, 3)) && path.ptr[2] == ':';
}

void url_shorten_path(struct url_parser *p)
{
    size_t end = p->href->len;

    if (p->is_file && url_is_drive_path(str_slice(buf_str(p->href), p->path.from, end)))
        return;
    while (end > p->path.from && p->href->data[end - 1] != '/')
        end--;
    if (end > p->path.from)
        end--;
    url_truncate(p, end);
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

static void add_segment(struct url_parser *p, struct str segment, bool is_last)
{
    int dots = count_dots(segment);

    if (dots == 2)
        url_shorten_path(p);
    if (dots == 1 || dots == 2) {
        if (is_last)
            url_append(p, STR("/"));
        return;
    }
    url_append(p, STR("/"));
    if (p->is_file && p->href->len - p->path.from == 1 && url_is_drive_letter(segment)) {
        url_append(p, str_slice(segment, 0, 1));
        url_append(p, STR(":"));
    } else {
        append_encoded(p, segment, URL_ENCODE_PATH);
    }
}

bool url_parse_segments(struct url_parser *p)
{
    for (bool more = true; more;) {
        size_t end = url_part_end(p);

        more = end < p->in.len && url_is_slash(p, p->in.ptr[end]);
        add_segment(p, str_slice(p->in, p->at, end), !more);
        p->at = end + more;
    }
    p->path.to = p->href->len;
    return url_parse_tail(p);
}

void url_begin_path(struct url_parser *p)
{
    p->path = (struct url_span){p->href->len, p->href->len};
}

bool url_parse_path(struct url_parser *p)
{
    url_begin_path(p);
    if (url_is_slash(p, url_peek(p)))
        p->at++;
    else if (!p->is_special)
        return url_part_end(p) > p->at ? url_parse_segments(p) : url_parse_tail(p);
    return url_parse_segments(p);
}

bool url_parse_opaque_path(struct url_parser *p)
{
    size_t end = p->at;

    while (end < p->in.len && p->in.ptr[end] != '?' && p->in.ptr[end] != '#')
        end++;
    url_begin_path(p);
    p->has_opaque_path = true;
    append_encoded(p, str_slice(p->in, p->at, end), URL_ENCODE_CONTROLS);
    if (end > p->at && p->in.ptr[end - 1] == ' ') { /* it would be stripped if the rest went away */
        url_truncate(p, p->href->len - 1);
        url_append(p, STR("%20"));
    }
    p->path.to = p->href->len;
    p->at = end;
    return url_parse_tail(p);
}

/* --- authority ---------------------------------------------------------------------------------------- */

void url_append_empty_host(struct url_parser *p)
{
    p->has_authority = true;
    p->host = url_append(p, STR("//"));
    p->host.from = p->host.to;
    p->host_value.kind = URL_HOST_EMPTY;
}

bool url_append_host(struct url_parser *p, struct str raw)
{
    const char *why = url_host_parse(raw, p->is_special, p->href, &p->host_value);

    p->host.to = p->href->len;
    return !why || url_fail(p, why);
}

static void append_userinfo(struct url_parser *p, struct str userinfo)
{
    size_t colon = str_find(userinfo, 0, ':');

    p->username = append_encoded(p, str_slice(userinfo, 0, colon), URL_ENCODE_USERINFO);
    if (colon + 1 < userinfo.len) {
        url_append(p, STR(":"));
        p->password = append_encoded(p, str_slice(userinfo, colon + 1, userinfo.len), URL_ENCODE_USERINFO);
    }
    if (p->href->len > p->username.from)
        url_append(p, STR("@"));
}

/* "port state" */
static bool append_port(struct url_parser *p, struct str digits)
{
    int port = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return url_fail(p, "its port is no number");
        port = port * 10 + digits.ptr[i] - '0';
        if (port > 65535)
            return url_fail(p, "its port is above 65535");
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

static bool append_host_port(struct url_parser *p, struct str host_port)
{
    size_t colon = find_port(host_port);

    p->host = (struct url_span){p->href->len, p->href->len};
    p->host_value.kind = URL_HOST_EMPTY;
    if (colon == 0 && (p->is_special || host_port.len))
        return url_fail(p, "it has no host");
    if (colon && !url_append_host(p, str_slice(host_port, 0, colon)))
        return false;
    return append_port(p, str_slice(host_port, colon + 1, host_port.len));
}

bool url_parse_authority(struct url_parser *p)
{
    struct str authority = str_slice(p->in, p->at, url_part_end(p));
    size_t host_from = 0;

    p->at += authority.len;
    p->has_authority = true;
    url_append(p, STR("//"));
    for (size_t i = 0; i < authority.len; i++)
        if (authority.ptr[i] == '@')
            host_from = i + 1;
    if (host_from) {
        if (host_from == authority.len)
            return url_fail(p, "it has no host");
        append_userinfo(p, str_slice(authority, 0, host_from - 1));
    }
    if (!append_host_port(p, str_slice(authority, host_from, authority.len)))
        return false;
    return url_parse_path(p);
}

bool url_parse_authority_after_slashes(struct url_parser *p)
{
    while (url_is_slash(p, url_peek(p)))
        p->at++;
    return url_parse_authority(p);
}
