/*
 * head.c - status line and headers; which of them are kept is in one table.
 */
#include "worker/chain/head.h"

#include <string.h>

enum {
    VALUE_MAX = 2048, /* bytes of a header that are kept as evidence */
    HEADERS_MAX = 64,
    COOKIES_MAX = 64,
};

/* Kept as evidence. Cookies are not here: their values are the visitor's business; names are kept apart. */
static const char *const selected[] = {
    "age",
    "alt-svc",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "location",
    "referrer-policy",
    "refresh",
    "retry-after",
    "server",
    "strict-transport-security",
    "via",
    "x-frame-options",
    "x-powered-by",
    "x-robots-tag",
};

static bool is_selected(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(selected); i++)
        if (str_equal_nocase(name, str_from(selected[i])))
            return true;
    return false;
}

static bool keep_header(struct arena *a, struct head *head, struct str name, struct str value)
{
    struct hop_header *header;

    if (head->nheaders == HEADERS_MAX)
        return true;
    if (!head->headers)
        head->headers = arena_alloc(a, HEADERS_MAX * sizeof(*head->headers));
    if (!head->headers)
        return false;
    header = &head->headers[head->nheaders++];
    header->name = arena_copy(a, name);
    header->value = arena_copy(a, str_slice(value, 0, VALUE_MAX));
    return header->name.ptr && header->value.ptr;
}

static bool keep_cookie_name(struct arena *a, struct head *head, struct str value)
{
    struct str name = str_trim(str_slice(value, 0, str_find(value, 0, '=')));

    if (head->ncookie_names == COOKIES_MAX)
        return true;
    if (!head->cookie_names)
        head->cookie_names = arena_alloc(a, COOKIES_MAX * sizeof(*head->cookie_names));
    if (!head->cookie_names)
        return false;
    name = arena_copy(a, str_slice(name, 0, VALUE_MAX));
    head->cookie_names[head->ncookie_names++] = name;
    return name.ptr != NULL;
}

/* Browsers percent-encode such bytes one by one before they read a Location, whatever encoding they are in.
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

static bool is_named(struct str name, const char *want)
{
    return str_equal_nocase(name, str_from(want));
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
    if (is_named(name, "set-cookie"))
        return keep_cookie_name(a, head, value);
    if (is_named(name, "location") && value.len && !head->location.ptr) {
        head->location = escape_beyond_ascii(a, value);
        return head->location.ptr != NULL;
    }
    if (is_named(name, "refresh"))
        return take(a, &head->refresh, value);
    if (is_named(name, "content-type"))
        return take(a, &head->content_type, value);
    if (is_named(name, "strict-transport-security"))
        return take(a, &head->hsts, value);
    if (is_named(name, "content-length"))
        str_to_int(value, &head->content_length);
    else if (is_named(name, "content-disposition"))
        head->is_attachment = str_starts_nocase(value, STR("attachment"));
    else if (is_named(name, "proxy-authenticate"))
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

    return !head->is_attachment && (is_named(type, "text/xml") || is_named(type, "application/xml") ||
                                    is_named(type, "text/plain") || str_ends_nocase(type, STR("+xml")));
}

bool head_may_be_page(const struct head *head)
{
    struct str type = type_of(head);

    if (head->is_attachment || head->status == 204 || head->status == 205 || head->status == 304)
        return false;
    return !type.len || is_named(type, "text/html") || is_named(type, "application/xhtml+xml");
}
