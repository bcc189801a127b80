/*
 * httpd_head.c - the head of one HTTP/1.x request, read by RFC 9112 without its leniencies.
 *
 * Pure: bytes in, views out. Two readers that disagree about where a request ends are what request
 * smuggling lives on, so whatever another server might read differently is refused here: lines end in
 * CRLF, a lone CR or LF is an error, names are tokens directly before their colon, nothing is folded,
 * and a body's length is one plain decimal number. A path that another server would rewrite before it
 * decides (dot segments, broken escapes, an escaped NUL) is refused too; no browser sends one.
 *
 * Complete lines are judged as they come, so a client that is wrong in its first line needn't be
 * waited for.
 */
#include "common/httpd.h"

#include <string.h>

/* May stand in a method or field name, in a field value, in a target, in a host name. */
enum { IS_TOKEN = 1, IS_VALUE = 2, IS_TARGET = 4, IS_HOST = 8 };

/* clang-format off */
/* RFC 9110 5.6.2 (token), 5.5 (field value: controls refused, obs-text kept), visible ASCII but '#'. */
static const uint8_t classes[256] = {
    ['\t'] = IS_VALUE, [' '] = IS_VALUE,
    ['!'] = 7, ['"'] = 6, ['#'] = 3, ['$'] = 7, ['%'] = 7, ['&'] = 7, ['\''] = 7, ['('] = 6, [')'] = 6,
    ['*'] = 7, ['+'] = 7, [','] = 6, ['-'] = 15, ['.'] = 15, ['/'] = 6, ['0' ... '9'] = 15,
    [':'] = 6, [';'] = 6, ['<'] = 6, ['='] = 6, ['>'] = 6, ['?'] = 6, ['@'] = 6, ['A' ... 'Z'] = 15,
    ['['] = 6, ['\\'] = 6, [']'] = 6, ['^'] = 7, ['_'] = 15, ['`'] = 7, ['a' ... 'z'] = 15,
    ['{'] = 6, ['|'] = 7, ['}'] = 6, ['~'] = 15, [0x80 ... 0xff] = IS_VALUE,
};

static const struct { struct str name; enum httpd_method method; } methods[] = {
    {STR("GET"),     HTTPD_GET},
    {STR("HEAD"),    HTTPD_HEAD},
    {STR("POST"),    HTTPD_POST},
    {STR("OPTIONS"), HTTPD_OTHER},
    {STR("PUT"),     HTTPD_OTHER},
    {STR("DELETE"),  HTTPD_OTHER},
    {STR("PATCH"),   HTTPD_OTHER},
    {STR("CONNECT"), HTTPD_OTHER},
    {STR("TRACE"),   HTTPD_OTHER},
};
/* clang-format on */

/* What is being read, and where an answer goes. */
struct reader {
    struct str bytes;
    size_t pos;
    size_t max_head;
    int64_t max_body;
    struct httpd_head *head;
    int hosts;
    int lengths;
    bool says_close, says_keep_alive;
    int status;
    const char *why;
};

static bool refuse(struct reader *r, int status, const char *why)
{
    r->status = status;
    r->why = why;
    return false;
}

/* Every byte is looked at: good ones are the rule, and without a way out the loop is half as long. */
static bool all_of(struct str s, uint8_t class)
{
    uint8_t all = class;

    for (size_t i = 0; i < s.len; i++)
        all &= classes[(unsigned char)s.ptr[i]];
    return all == class;
}

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return true;
}

/* --- the request line ------------------------------------------------------------------------- */

static bool read_method(struct reader *r, struct str text)
{
    struct httpd_head *head = r->head;

    head->method_text = text;
    head->method = HTTPD_OTHER;
    if (text.len == 0 || !all_of(text, IS_TOKEN))
        return refuse(r, 400, "the method is no token");
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (!str_equal(text, methods[i].name))
            continue;
        head->method = methods[i].method;
        if (head->method == HTTPD_OTHER || (head->method == HTTPD_POST && r->max_body == 0))
            return refuse(r, 405, "this method is not served");
        return true;
    }
    return refuse(r, 501, "unknown method");
}

static bool read_version(struct reader *r, struct str text)
{
    if (text.len != 8 || !str_starts(text, STR("HTTP/")) || text.ptr[6] != '.' || text.ptr[5] < '0' ||
        text.ptr[5] > '9' || text.ptr[7] < '0' || text.ptr[7] > '9')
        return refuse(r, 400, "the request line does not end in HTTP/1.1");
    if (text.ptr[5] != '1' || text.ptr[7] > '1')
        return refuse(r, 505, "only HTTP/1.1 and HTTP/1.0 are served");
    r->head->minor_version = text.ptr[7] - '0';
    return true;
}

/* The byte at *i, percent-decoded; moves *i behind it. -1 for a broken escape. */
static int decoded_at(struct str s, size_t *i)
{
    int high, low;

    if (s.ptr[*i] != '%')
        return (unsigned char)s.ptr[(*i)++];
    if (s.len - *i < 3)
        return -1;
    high = str_hex_digit(s.ptr[*i + 1]);
    low = str_hex_digit(s.ptr[*i + 2]);
    *i += 3;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Dots count as a segment of their own ("." or "..") when nothing else is in it, escaped or not. */
static bool path_is_plain(struct str path)
{
    int dots = 0;
    bool other = true; /* before the first slash */

    if (str_find(path, 0, '%') == path.len && str_find(path, 0, '.') == path.len)
        return true;
    for (size_t i = 0; i < path.len;) {
        int c = decoded_at(path, &i);

        if (c <= 0)
            return false;
        if (c == '/') {
            if (!other && (dots == 1 || dots == 2))
                return false;
            dots = 0;
            other = false;
        } else if (c == '.') {
            dots++;
        } else {
            other = true;
        }
    }
    return other || (dots != 1 && dots != 2);
}

static bool read_target(struct reader *r, struct str text)
{
    struct httpd_head *head = r->head;
    size_t mark;

    if (text.len == 0 || text.ptr[0] != '/')
        return refuse(r, 400, "the target does not start with a slash");
    if (!all_of(text, IS_TARGET))
        return refuse(r, 400, "the target has a byte that must be percent-encoded");
    mark = str_find(text, 0, '?');
    head->target = text;
    head->path = str_slice(text, 0, mark);
    head->query = mark < text.len ? str_slice(text, mark + 1, text.len) : (struct str){NULL, 0};
    if (!path_is_plain(head->path))
        return refuse(r, 400, "the path has dot segments or broken escapes");
    return true;
}

/* METHOD SP target SP version, with single spaces. The target may hold none, so a third one shows there. */
static bool read_request_line(struct reader *r, struct str line)
{
    size_t first = str_find(line, 0, ' '), last = line.len;

    while (last > 0 && line.ptr[last - 1] != ' ')
        last--;
    if (first == line.len || last <= first + 1)
        return refuse(r, 400, "the request line is not METHOD TARGET VERSION");
    return read_version(r, str_slice(line, last, line.len)) && read_method(r, str_slice(line, 0, first)) &&
           read_target(r, str_slice(line, first + 1, last - 1));
}

/* --- header lines that decide where a request ends --------------------------------------------- */

/* uri-host [ ":" port ], RFC 9110 7.2, without the parts of reg-name that no host name has. */
static bool host_is_plain(struct str host)
{
    size_t end = 0;

    if (host.len && host.ptr[0] == '[') {
        while (++end < host.len &&
               (str_hex_digit(host.ptr[end]) >= 0 || host.ptr[end] == ':' || host.ptr[end] == '.'))
            ;
        if (end < 3 || end == host.len || host.ptr[end++] != ']')
            return false;
    } else {
        while (end < host.len && classes[(unsigned char)host.ptr[end]] & IS_HOST)
            end++;
    }
    if (end == 0)
        return false;
    if (end < host.len && host.ptr[end++] != ':')
        return false;
    return host.len - end <= 5 && is_digits(str_slice(host, end, host.len));
}

static bool read_host(struct reader *r, struct str value)
{
    if (r->hosts++)
        return refuse(r, 400, "more than one Host");
    if (!host_is_plain(value))
        return refuse(r, 400, "Host is no host");
    return true;
}

static bool read_content_length(struct reader *r, struct str value)
{
    if (r->lengths++)
        return refuse(r, 400, "more than one Content-Length");
    if (value.len == 0 || !is_digits(value))
        return refuse(r, 400, "Content-Length is no number");
    if (!str_to_int(value, &r->head->content_length))
        r->head->content_length = INT64_MAX; /* 413 soon */
    return true;
}

static bool read_transfer_encoding(struct reader *r, struct str value)
{
    (void)value;
    return refuse(r, 400, "Transfer-Encoding is not served; send Content-Length");
}

static bool read_connection(struct reader *r, struct str value)
{
    for (struct str rest = value, option; str_cut(&rest, ',', &option);) {
        option = str_trim(option);
        r->says_close |= str_equal_nocase(option, STR("close"));
        r->says_keep_alive |= str_equal_nocase(option, STR("keep-alive"));
    }
    return true;
}

/* RFC 9110 10.1.1: 100-continue is the only expectation there is; HTTP/1.0 can't have meant it. */
static bool read_expect(struct reader *r, struct str value)
{
    if (r->head->minor_version > 0 && !str_equal_nocase(value, STR("100-continue")))
        return refuse(r, 417, "only 100-continue can be expected");
    return true;
}

/* clang-format off */
static const struct { struct str name; bool (*read)(struct reader *r, struct str value); } framing[] = {
    {STR("Host"),              read_host},
    {STR("Connection"),        read_connection},
    {STR("Content-Length"),    read_content_length},
    {STR("Transfer-Encoding"), read_transfer_encoding},
    {STR("Expect"),            read_expect},
};
/* clang-format on */

static struct str trim_blanks(struct str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = str_slice(s, 1, s.len);
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* RFC 9110 counts a tab as a blank, nginx doesn't: here that would be two readings of one request. */
static bool read_framing(struct reader *r, size_t i, struct str line, struct str value)
{
    if (memchr(line.ptr, '\t', line.len))
        return refuse(r, 400, "a tab in a header that says where the request ends");
    return framing[i].read(r, value);
}

static bool read_header_line(struct reader *r, struct str line)
{
    struct httpd_head *head = r->head;
    size_t colon = str_find(line, 0, ':');
    struct httpd_header header = {.name = str_slice(line, 0, colon)};

    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return refuse(r, 400, "a header line is folded");
    if (colon == line.len)
        return refuse(r, 400, "a header line has no colon");
    if (colon == 0 || !all_of(header.name, IS_TOKEN))
        return refuse(r, 400, "a header name is no token");
    header.value = trim_blanks(str_slice(line, colon + 1, line.len));
    if (!all_of(header.value, IS_VALUE))
        return refuse(r, 400, "a header value has a control character");
    if (head->nheaders == HTTPD_MAX_HEADERS)
        return refuse(r, 431, "too many header lines");
    head->headers[head->nheaders++] = header;
    for (size_t i = 0; i < sizeof(framing) / sizeof(framing[0]); i++)
        if (str_equal_nocase(header.name, framing[i].name))
            return read_framing(r, i, line, header.value);
    return true;
}

/* --- the whole -------------------------------------------------------------------------------- */

/*
 * The next line without its CRLF. False when it is not there yet, or wrong (status is set then). Bytes
 * without a line end are looked at as well: a TLS hello on this port never sends one.
 */
static bool next_line(struct reader *r, struct str *line)
{
    struct str left = str_slice(r->bytes, r->pos, r->bytes.len);
    size_t end = str_find(left, 0, '\n');
    bool is_first = r->head->method_text.ptr == NULL;

    if (end == left.len) {
        if (r->bytes.len >= r->max_head)
            return refuse(r, is_first ? 414 : 431,
                          is_first ? "the request line is too long" : "the head is too long");
        if (is_first && left.len && !(classes[(unsigned char)left.ptr[0]] & IS_TOKEN) && left.ptr[0] != '\r')
            return refuse(r, 400, "this is not HTTP");
        return false;
    }
    if (r->pos + end + 1 > r->max_head)
        return refuse(r, is_first ? 414 : 431,
                      is_first ? "the request line is too long" : "the head is too long");
    *line = str_slice(left, 0, end ? end - 1 : 0);
    if (end == 0 || left.ptr[end - 1] != '\r' || memchr(line->ptr, '\r', line->len))
        return refuse(r, 400, "a line does not end in CRLF");
    r->pos += end + 1;
    return true;
}

/* What can only be said once all lines are known. */
static bool check_framing(struct reader *r)
{
    struct httpd_head *head = r->head;

    if (head->minor_version > 0 && r->hosts == 0)
        return refuse(r, 400, "Host is missing");
    if (head->method == HTTPD_POST && r->lengths == 0)
        return refuse(r, 411, "Content-Length is missing");
    if (head->method != HTTPD_POST && head->content_length > 0)
        return refuse(r, 400, "only POST may have a body");
    if (head->content_length > r->max_body)
        return refuse(r, 413, "the body is too large");
    head->keep_alive = !r->says_close && (head->minor_version > 0 || r->says_keep_alive);
    head->size = r->pos;
    return true;
}

/* RFC 9112 2.2: one empty line before the request is some old client's habit, and harmless. */
static bool read_head(struct reader *r)
{
    struct str line;

    if (!next_line(r, &line) || (line.len == 0 && !next_line(r, &line)) || !read_request_line(r, line))
        return false;
    while (next_line(r, &line)) {
        if (line.len == 0)
            return check_framing(r);
        if (!read_header_line(r, line))
            return false;
    }
    return false;
}

enum httpd_parse httpd_parse_head(struct str bytes, size_t max_head, int64_t max_body,
                                  struct httpd_head *head, int *status, const char **why)
{
    struct reader r = {.bytes = bytes, .max_head = max_head, .max_body = max_body, .head = head};

    head->method = HTTPD_OTHER;
    head->method_text = head->target = head->path = head->query = (struct str){NULL, 0};
    head->nheaders = head->minor_version = 0;
    head->content_length = 0;
    head->keep_alive = false;
    head->size = 0;
    if (read_head(&r))
        return HTTPD_PARSE_DONE;
    if (r.status == 0)
        return HTTPD_PARSE_MORE;
    *status = r.status;
    *why = r.why;
    return HTTPD_PARSE_BAD;
}

struct str httpd_header(const struct httpd_head *head, struct str name)
{
    for (int i = 0; i < head->nheaders; i++)
        if (str_equal_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return (struct str){NULL, 0};
}
