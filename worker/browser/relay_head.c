/*
 * relay_head.c - a proxy request's head, read and rewritten.
 */
#include "worker/browser/relay_head.h"

#include "common/base64.h"

#include <string.h>

/* The position behind the empty line, or 0. */
static size_t head_end(struct str bytes)
{
    const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);

    return end ? (size_t)(end - bytes.ptr) + 4 : 0;
}

static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return false;
    return text.len > 0;
}

/* "METHOD target HTTP/1.1" */
static bool read_request_line(struct str line, struct relay_head *out)
{
    struct str version;

    if (!str_cut(&line, ' ', &out->method) || !str_cut(&line, ' ', &out->target) || !line.ptr)
        return false;
    version = line;
    if (!is_visible(out->method) || !is_visible(out->target) || !str_equal(version, STR("HTTP/1.1")))
        return false;
    out->is_connect = str_equal(out->method, STR("CONNECT"));
    return out->is_connect || str_starts_nocase(out->target, STR("http://"));
}

static bool read_header(struct str name, struct str value, struct relay_head *out)
{
    if (str_equal_nocase(name, STR("transfer-encoding")))
        return false;
    if (str_equal_nocase(name, STR("content-length")))
        return out->body_length == 0 && str_to_int(value, &out->body_length);
    if (str_equal_nocase(name, STR("proxy-authorization")) && str_starts_nocase(value, STR("Basic ")))
        out->authorization = str_trim(str_slice(value, 6, value.len));
    return true;
}

/* Takes one line with its CRLF off rest. */
static bool take_line(struct str *rest, struct str *line)
{
    size_t end = str_find(*rest, 0, '\r');

    if (end + 1 >= rest->len || rest->ptr[end + 1] != '\n')
        return false;
    *line = str_slice(*rest, 0, end);
    *rest = str_slice(*rest, end + 2, rest->len);
    return true;
}

static bool is_header_line(struct str line)
{
    size_t colon = str_find(line, 0, ':');

    if (colon == 0 || colon == line.len || !is_visible(str_slice(line, 0, colon)))
        return false;
    for (size_t i = colon; i < line.len; i++)
        if ((unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t')
            return false;
    return true;
}

enum relay_parse relay_head_parse(struct str bytes, size_t max, struct relay_head *out)
{
    size_t end = head_end(bytes);
    struct str rest, line;

    if (!end)
        return bytes.len >= max ? RELAY_BAD : RELAY_MORE;
    *out = (struct relay_head){.size = end};
    rest = str_slice(bytes, 0, end - 2); /* without the empty line */
    if (end > max || !take_line(&rest, &line) || !read_request_line(line, out))
        return RELAY_BAD;
    out->headers = rest;
    while (rest.len) {
        size_t colon;

        if (!take_line(&rest, &line) || !is_header_line(line))
            return RELAY_BAD;
        colon = str_find(line, 0, ':');
        if (!read_header(str_slice(line, 0, colon), str_trim(str_slice(line, colon + 1, line.len)), out))
            return RELAY_BAD;
    }
    return RELAY_HEAD;
}

bool relay_head_credentials(struct str text, struct buf *out)
{
    return base64_take(text, out) && memchr(buf_cstr(out), ':', out->len) != NULL;
}

static void put_authorization(struct buf *out, struct str user, struct str password)
{
    buf_append_str(out, STR("Proxy-Authorization: "));
    base64_put_basic(out, user, password);
    buf_append_str(out, STR("\r\n"));
}

/* Headers between Chromium and us, which the next one must not see. */
static bool is_ours(struct str name)
{
    static const char *const names[] = {"proxy-authorization", "proxy-connection", "connection",
                                        "keep-alive"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_equal_nocase(name, str_from(names[i])))
            return true;
    return false;
}

bool relay_head_write(const struct relay_head *head, struct str target, struct str user, struct str password,
                      struct buf *out)
{
    buf_printf(out, "%.*s %.*s HTTP/1.1\r\n", STR_ARG(head->method), STR_ARG(target));
    for (struct str rest = head->headers, line; rest.len && take_line(&rest, &line);)
        if (!is_ours(str_slice(line, 0, str_find(line, 0, ':'))))
            buf_printf(out, "%.*s\r\n", STR_ARG(line));
    buf_append_str(out, STR("Connection: close\r\n"));
    if (user.len || password.len)
        put_authorization(out, user, password);
    buf_append_str(out, STR("\r\n"));
    return !out->is_full;
}
