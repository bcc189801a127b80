/*
 * head.c - status line and headers; which of them are kept is in one table.
 */
#include "worker/chain/head.h"

#include <string.h>

enum {
    VALUE_MAX = 2048, /* bytes of a header that are kept as evidence */
    HEADERS_MAX = 64,
    COOKIES_MAX = 64,
    FIRST = 8, /* room for so many of either at first: most answers need no more */
};

/* Kept as evidence. Cookies are not here: their values are the visitor's business; names are kept apart. */
/* clang-format off */
#define NAME(text) {text, sizeof(text) - 1}   /* measured once, not for every header */
static const struct str selected[] = {
    NAME("age"), NAME("alt-svc"), NAME("cache-control"), NAME("content-disposition"),
    NAME("content-encoding"), NAME("content-language"), NAME("content-length"),
    NAME("content-security-policy"), NAME("content-type"), NAME("date"), NAME("location"),
    NAME("referrer-policy"), NAME("refresh"), NAME("retry-after"), NAME("server"),
    NAME("strict-transport-security"), NAME("via"), NAME("x-frame-options"), NAME("x-powered-by"),
    NAME("x-robots-tag"),
};
#undef NAME
/* clang-format on */

static bool is_selected(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(selected); i++)
        if (str_equal_nocase(name, selected[i]))
            return true;
    return false;
}

/* Where one more than n items have room: the old place, or a copy of twice the size. */
static void *with_room(struct arena *a, void *items, int n, size_t size)
{
    bool is_exhausted = n >= FIRST && (n & (n - 1)) == 0;
    void *bigger;

    if (n && !is_exhausted)
        return items;
    bigger = arena_alloc(a, (n ? (size_t)n * 2 : FIRST) * size);
    if (bigger && n)
        memcpy(bigger, items, (size_t)n * size);
    return bigger;
}

static bool keep_header(struct arena *a, struct head *head, struct str name, struct str value)
{
    struct hop_header *headers, *header;

    if (head->nheaders == HEADERS_MAX)
        return true;
    headers = with_room(a, head->headers, head->nheaders, sizeof(*headers));
    if (!headers)
        return false;
    head->headers = headers;
    header = &headers[head->nheaders++];
    header->name = arena_copy(a, name);
    header->value = arena_copy(a, str_slice(value, 0, VALUE_MAX));
    return header->name.ptr && header->value.ptr;
}

static bool keep_cookie_name(struct arena *a, struct head *head, struct str value)
{
    struct str name = str_trim(str_slice(value, 0, str_find(value, 0, '='))), *names;

    if (head->ncookie_names == COOKIES_MAX)
        return true;
    names = with_room(a, head->cookie_names, head->ncookie_names, sizeof(*names));
    if (!names)
        return false;
    head->cookie_names = names;
    name = arena_copy(a, str_slice(name, 0, VALUE_MAX));
    names[head->ncookie_names++] = name;
    return name.ptr != NULL;
}

/*
 * Browsers percent-encode such bytes one by one before they read a Location, whatever encoding they are in.
 */
static struct str escape_beyond_ascii(struct arena *a, struct str value)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(a, value.len * 3 + 1);
    size_t len = 0;

    for (size_t i = 0; out && i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (c < 0x80) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '%';
        out[len++] = digits[c >> 4];
        out[len++] = digits[c & 15];
    }
    return (struct str){out, out ? len : 0};
}

/* The first header of a name counts. */
static bool take(struct arena *a, struct str *to, struct str value)
{
    if (!to->ptr)
        *to = arena_copy(a, value);
    return to->ptr != NULL;
}

static bool read_header(struct arena *a, struct head *head, struct str name, struct str value)
{
    if (is_selected(name) && !keep_header(a, head, name, value))
        return false;
    if (str_equal_nocase(name, STR("set-cookie")))
        return keep_cookie_name(a, head, value);
    if (str_equal_nocase(name, STR("location")) && value.len && !head->location.ptr) {
        head->location = escape_beyond_ascii(a, value);
        return head->location.ptr != NULL;
    }
    if (str_equal_nocase(name, STR("refresh")))
        return take(a, &head->refresh, value);
    if (str_equal_nocase(name, STR("content-type")))
        return take(a, &head->content_type, value);
    if (str_equal_nocase(name, STR("strict-transport-security")))
        return take(a, &head->hsts, value);
    if (str_equal_nocase(name, STR("content-length")))
        str_to_int(value, &head->content_length);
    else if (str_equal_nocase(name, STR("content-disposition")))
        head->is_attachment = str_starts_nocase(value, STR("attachment"));
    else if (str_equal_nocase(name, STR("proxy-authenticate")))
        head->has_proxy_authenticate = true;
    return true;
}

static void read_status_line(struct head *head, struct str line)
{
    struct str rest = line, version, code;
    int64_t status = 0;

    *head = (struct head){.content_length = -1};
    if (str_cut(&rest, ' ', &version) && str_cut(&rest, ' ', &code))
        str_to_int(code, &status);
    head->status = status < 1000 ? (int)status : 0;
}

bool head_line(struct arena *a, struct head *head, struct str line)
{
    size_t colon;

    if (head->is_complete)
        return true;
    line = str_trim(line);
    if (!line.len) {
        head->is_complete = head->status >= 200;
        return true;
    }
    if (str_starts(line, STR("HTTP/"))) {
        read_status_line(head, line);
        return true;
    }
    colon = str_find(line, 0, ':');
    return read_header(a, head, str_trim(str_slice(line, 0, colon)),
                       str_trim(str_slice(line, colon + 1, line.len)));
}

/* clang-format off */
static const struct {
    int status;
    enum via via;
} redirects[] = {
    {301, VIA_HTTP_301}, {302, VIA_HTTP_302}, {303, VIA_HTTP_303}, {307, VIA_HTTP_307}, {308, VIA_HTTP_308},
};
/* clang-format on */

enum via head_via(const struct head *head)
{
    for (size_t i = 0; i < ARRAY_LEN(redirects); i++)
        if (redirects[i].status == head->status)
            return redirects[i].via;
    return VIA_START;
}

bool head_is_redirect(const struct head *head)
{
    return head->location.len && head_via(head) != VIA_START;
}

static struct str type_of(const struct head *head)
{
    return str_trim(str_slice(head->content_type, 0, str_find(head->content_type, 0, ';')));
}

bool head_may_be_xml(const struct head *head)
{
    struct str type = type_of(head);

    return !head->is_attachment &&
           (str_equal_nocase(type, STR("text/xml")) || str_equal_nocase(type, STR("application/xml")) ||
            str_equal_nocase(type, STR("text/plain")) || str_ends_nocase(type, STR("+xml")));
}

bool head_may_be_page(const struct head *head)
{
    struct str type = type_of(head);

    if (head->is_attachment || head->status == 204 || head->status == 205 || head->status == 304)
        return false;
    return !type.len || str_equal_nocase(type, STR("text/html")) ||
           str_equal_nocase(type, STR("application/xhtml+xml"));
}
