/*
 * url_relative.c - what a URL takes from its base, and file URLs, which differ most where they do.
 */
#include "common/url_parser.h"

#include <string.h>

/* "starts with a Windows drive letter" */
static bool starts_with_drive(struct str s)
{
    char third = s.len > 2 ? s.ptr[2] : '/';

    return url_is_drive_letter(str_slice(s, 0, 2)) &&
           (third == '/' || third == '\\' || third == '?' || third == '#');
}

/* --- relative to a base ------------------------------------------------------------------------------- */

/* The base's authority. The scheme is the same, so everything keeps its position. */
static void copy_authority(struct url_parser *p)
{
    const struct url *base = p->base;

    if (!base->has_authority)
        return;
    url_append(p, str_slice(base->href, p->href->len, url_span_of(base, base->path).from));
    p->has_authority = true;
    p->username = url_span_of(base, base->username);
    p->password = url_span_of(base, base->password);
    p->host = url_span_of(base, base->host);
    p->host_value.kind = base->host_kind;
    memcpy(p->host_value.ip, base->ip, sizeof(base->ip));
    p->port = base->port;
}

static void copy_path(struct url_parser *p)
{
    p->path = url_append(p, p->base->path);
    p->has_opaque_path = p->base->has_opaque_path;
}

static void copy_query(struct url_parser *p)
{
    if (!p->base->query.ptr)
        return;
    url_append(p, STR("?"));
    p->has_query = true;
    p->query = url_append(p, p->base->query);
}

/* Only the end of the base is replaced. */
static bool is_tail_only(const struct url_parser *p)
{
    return url_peek(p) == -1 || url_peek(p) == '?' || url_peek(p) == '#';
}

bool url_parse_tail_on_base(struct url_parser *p)
{
    copy_path(p);
    if (url_peek(p) != '?')
        copy_query(p);
    return url_parse_tail(p);
}

/* "relative slash state" */
static bool parse_relative_slash(struct url_parser *p)
{
    if (url_is_slash(p, url_peek(p)) && p->is_special)
        return url_parse_authority_after_slashes(p);
    if (url_peek(p) == '/') {
        p->at++;
        return url_parse_authority(p);
    }
    copy_authority(p);
    url_begin_path(p);
    return url_parse_segments(p);
}

bool url_parse_relative(struct url_parser *p)
{
    if (url_is_slash(p, url_peek(p))) {
        p->at++;
        return parse_relative_slash(p);
    }
    copy_authority(p);
    if (is_tail_only(p))
        return url_parse_tail_on_base(p);
    copy_path(p);
    url_shorten_path(p);
    return url_parse_segments(p);
}

/* --- file --------------------------------------------------------------------------------------------- */

/* "file host state"; both slashes have been read */
static bool parse_file_host(struct url_parser *p)
{
    struct str host = str_slice(p->in, p->at, url_part_end(p));

    url_append_empty_host(p);
    if (url_is_drive_letter(host)) { /* file://C:/x is a path; the host is empty */
        url_begin_path(p);
        return url_parse_segments(p);
    }
    if (host.len) {
        if (!url_append_host(p, host))
            return false;
        if (str_equal(str_slice(buf_str(p->href), p->host.from, p->host.to), STR("localhost"))) {
            url_truncate(p, p->host.from);
            p->host.to = p->host.from;
            p->host_value.kind = URL_HOST_EMPTY;
        }
    }
    p->at += host.len;
    return url_parse_path(p);
}

/* "file slash state"; one slash has been read */
static bool parse_file_slash(struct url_parser *p, const struct url *base)
{
    struct str drive = base ? str_slice(base->path, 0, str_find(base->path, 1, '/')) : STR("");

    if (url_is_slash(p, url_peek(p))) {
        p->at++;
        return parse_file_host(p);
    }
    if (base)
        copy_authority(p);
    else
        url_append_empty_host(p);
    url_begin_path(p);
    if (url_is_drive_path(drive) && !starts_with_drive(url_unread(p)))
        url_append(p, drive);
    return url_parse_segments(p);
}

bool url_parse_file(struct url_parser *p)
{
    const struct url *base = p->base && str_equal(p->base->scheme, STR("file")) ? p->base : NULL;

    if (url_is_slash(p, url_peek(p))) {
        p->at++;
        return parse_file_slash(p, base);
    }
    if (!base) {
        url_append_empty_host(p);
        url_begin_path(p);
        return url_parse_segments(p);
    }
    copy_authority(p);
    if (is_tail_only(p))
        return url_parse_tail_on_base(p);
    if (starts_with_drive(url_unread(p))) {
        url_begin_path(p);
    } else {
        copy_path(p);
        url_shorten_path(p);
    }
    return url_parse_segments(p);
}
