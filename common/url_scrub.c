/*
 * url_scrub.c - a URL as it may be written to a log.
 *
 * Works on any bytes, because what is logged is often what could not be parsed. So it looks for nothing
 * but the marks between the parts.
 */
#include "common/url.h"

/* A longer name is no name: somebody put a token where one belongs. */
enum { NAME_MAX_BYTES = 40 };

static void append_safe(struct buf *out, struct str s)
{
    url_percent_encode(out, s, URL_ENCODE_FRAGMENT);
}

/* Position of the first byte of s, at or after from, that is one of marks. */
static size_t find_any(struct str s, size_t from, const char *marks)
{
    size_t first = s.len;

    for (; *marks; marks++) {
        size_t at = str_find(s, from, *marks);

        if (at < first)
            first = at;
    }
    return first;
}

static struct str after_last_at(struct str s)
{
    size_t from = s.len;

    while (from && s.ptr[from - 1] != '@')
        from--;
    return str_slice(s, from, s.len);
}

static size_t skip_slashes(struct str s, size_t at)
{
    while (at < s.len && (s.ptr[at] == '/' || s.ptr[at] == '\\'))
        at++;
    return at;
}

/* Appends "scheme://" or "//", and returns where the authority begins. "host:port" has neither. */
static size_t append_scheme(struct buf *out, struct str url)
{
    size_t colon = find_any(url, 0, ":/\\?#@");
    struct str scheme = str_slice(url, 0, colon);
    bool has_colon = colon < url.len && url.ptr[colon] == ':';
    size_t at = skip_slashes(url, has_colon ? colon + 1 : 0);

    if (has_colon &&
        (at > colon + 1 || str_equal_nocase(scheme, STR("http")) || str_equal_nocase(scheme, STR("https")))) {
        append_safe(out, scheme);
        buf_append(out, "://", 3);
        return at;
    }
    if (has_colon || at < 2)
        return 0;
    buf_append(out, "//", 2);
    return at;
}

static bool is_port(struct str s)
{
    int64_t port;

    return s.len == 0 || str_to_int(s, &port);
}

/* Where the port's colon is; host.len when there is none. Brackets may hold colons. */
static size_t find_port(struct str host)
{
    size_t bracket = host.len && host.ptr[0] == '[' ? str_find(host, 0, ']') : 0;

    return str_find(host, bracket, ':');
}

/*
 * Appends the host and the port that url begins with, and returns what is behind them. A port that is no
 * number is a password with a slash in it: everything up to the last '@' goes.
 */
static struct str append_host(struct buf *out, struct str url)
{
    for (;;) {
        size_t end = find_any(url, 0, "/\\?#");
        struct str host = after_last_at(str_slice(url, 0, end)), later;
        size_t colon = find_port(host);

        if (is_port(str_slice(host, colon + 1, host.len))) {
            append_safe(out, host);
            return str_slice(url, end, url.len);
        }
        later = after_last_at(url);
        if (later.len == url.len || later.ptr <= host.ptr) { /* no '@' behind it */
            append_safe(out, str_slice(host, 0, colon));
            return str_slice(url, end, url.len);
        }
        url = later;
    }
}

/* The path, with ";name=" in place of ";name=value". */
static void append_path(struct buf *out, struct str path)
{
    for (size_t at = 0; at < path.len;) {
        size_t mark = str_find(path, at, ';');
        size_t name_end = find_any(path, mark + 1, "=;/\\");

        append_safe(out, str_slice(path, at, name_end));
        at = name_end;
        if (at < path.len && path.ptr[at] == '=') {
            buf_append_char(out, '=');
            at = find_any(path, at, ";/\\");
        }
    }
}

static void append_names(struct buf *out, struct str query)
{
    struct url_query_iter it;
    char separator = '?';

    url_query_init(&it, query);
    for (struct str name, value; url_query_next_raw(&it, &name, &value);) {
        if (value.ptr == name.ptr + name.len || name.len > NAME_MAX_BYTES)
            continue;
        buf_append_char(out, separator);
        append_safe(out, name);
        buf_append_char(out, '=');
        separator = '&';
    }
}

void url_scrub(struct str url, struct buf *out)
{
    size_t end;

    url = str_trim(url);
    url = append_host(out, str_slice(url, append_scheme(out, url), url.len));
    end = find_any(url, 0, "?#");
    append_path(out, str_slice(url, 0, end));
    if (end < url.len && url.ptr[end] == '?')
        append_names(out, str_slice(url, end + 1, str_find(url, end, '#')));
}
