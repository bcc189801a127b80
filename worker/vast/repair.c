/*
 * repair.c - walks the bytes once as a lenient XML tokenizer and writes them down strictly.
 *
 * It invents nothing: every byte of text and of attribute values comes from the input.
 */
#include "worker/vast/repair.h"

#include <string.h>

enum { DEPTH_MAX = 64, NAMES_MAX = 32 };

struct repair {
    struct str in;
    size_t at;
    struct buf *out;
    struct str open[DEPTH_MAX]; /* names of the open elements */
    int depth;
    bool is_latin; /* not UTF-8: read as windows-1252 */
};

/* windows-1252 between 0x80 and 0x9f, as the Encoding Standard has it. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
    0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
};

static void put_code_point(struct buf *out, unsigned c)
{
    if (c < 0x800) {
        buf_append_char(out, (char)(0xc0 | c >> 6));
    } else {
        buf_append_char(out, (char)(0xe0 | c >> 12));
        buf_append_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_append_char(out, (char)(0x80 | (c & 0x3f)));
}

/* The byte as it may stand in an XML document; what may not is left out. */
static void put_byte(struct repair *r, unsigned char c)
{
    if (c >= 0x80 && r->is_latin)
        put_code_point(r->out, c < 0xa0 ? windows_1252[c - 0x80] : c);
    else if (c >= ' ' || c == '\t' || c == '\n' || c == '\r')
        buf_append_char(r->out, (char)c);
}

static bool looks_at(const struct repair *r, struct str what)
{
    return str_starts(str_slice(r->in, r->at, r->in.len), what);
}

/* Length of a character or predefined entity reference at `at`, 0 when '&' is only an ampersand. */
static size_t reference_length(const struct repair *r)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    struct str rest = str_slice(r->in, r->at, r->in.len);
    size_t begin, end;

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_starts(rest, str_from(known[i])))
            return strlen(known[i]);
    if (!str_starts(rest, STR("&#")))
        return 0;
    end = str_find(rest, 0, ';');
    if (end > 9 || end == rest.len)
        return 0;
    begin = rest.ptr[2] == 'x' ? 3 : 2;
    if (end <= begin)
        return 0;
    for (size_t i = begin; i < end; i++)
        if (begin == 3 ? str_hex_digit(rest.ptr[i]) < 0 : rest.ptr[i] < '0' || rest.ptr[i] > '9')
            return 0;
    return end + 1;
}

static void put_text_byte(struct repair *r)
{
    size_t len;

    if (r->in.ptr[r->at] != '&') {
        put_byte(r, (unsigned char)r->in.ptr[r->at++]);
        return;
    }
    len = reference_length(r);
    if (len) {
        buf_append(r->out, r->in.ptr + r->at, len);
    } else {
        buf_append_str(r->out, STR("&amp;"));
        len = 1;
    }
    r->at += len;
}

/* Copies through the end mark (a comment, CDATA, a processing instruction); false when it is missing. */
static bool copy_through(struct repair *r, struct str end, bool keep)
{
    size_t from = r->at;

    while (r->at < r->in.len && !looks_at(r, end))
        r->at++;
    if (r->at >= r->in.len)
        return false;
    r->at += end.len;
    for (size_t i = from; keep && i < r->at; i++)
        put_byte(r, (unsigned char)r->in.ptr[i]);
    return true;
}

static bool is_name_byte(char c)
{
    return (unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == ':' || c == '_' || c == '-' || c == '.';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct str take_name(struct repair *r)
{
    size_t from = r->at;

    while (r->at < r->in.len && is_name_byte(r->in.ptr[r->at]))
        r->at++;
    return str_slice(r->in, from, r->at);
}

static void skip_space(struct repair *r)
{
    while (r->at < r->in.len && is_space(r->in.ptr[r->at]))
        r->at++;
}

static bool was_seen(const struct str *seen, int n, struct str name)
{
    for (int i = 0; i < n; i++)
        if (str_equal(seen[i], name))
            return true;
    return false;
}

/* name="value" at `at`; a name that was seen is left out, its first value wins. */
static bool copy_attribute(struct repair *r, struct str *seen, int *nseen)
{
    struct buf *out = r->out;
    struct str name = take_name(r);
    size_t before = out->len;
    char quote;

    if (name.len == 0)
        return false;
    skip_space(r);
    if (r->at >= r->in.len || r->in.ptr[r->at] != '=')
        return false;
    r->at++;
    skip_space(r);
    quote = r->at < r->in.len ? r->in.ptr[r->at++] : '\0';
    if (quote != '"' && quote != '\'')
        return false;
    buf_printf(out, " %.*s=%c", STR_ARG(name), quote);
    while (r->at < r->in.len && r->in.ptr[r->at] != quote && r->in.ptr[r->at] != '<')
        put_text_byte(r);
    if (r->at >= r->in.len || r->in.ptr[r->at] != quote)
        return false;
    r->at++;
    buf_append_char(out, quote);
    if (was_seen(seen, *nseen, name))
        out->len = before;
    else if (*nseen < NAMES_MAX)
        seen[(*nseen)++] = name;
    return true;
}

static bool copy_start_tag(struct repair *r)
{
    struct str name, seen[NAMES_MAX];
    int nseen = 0;

    r->at++;
    name = take_name(r);
    if (name.len == 0 || r->depth == DEPTH_MAX)
        return false;
    buf_append_char(r->out, '<');
    buf_append_str(r->out, name);
    for (skip_space(r); r->at < r->in.len && r->in.ptr[r->at] != '>' && r->in.ptr[r->at] != '/';
         skip_space(r))
        if (!copy_attribute(r, seen, &nseen))
            return false;
    if (looks_at(r, STR("/>"))) {
        r->at += 2;
        return buf_append_str(r->out, STR("/>"));
    }
    if (!looks_at(r, STR(">")))
        return false;
    r->at++;
    r->open[r->depth++] = name;
    return buf_append_char(r->out, '>');
}

/* The end tag is written as its start tag was; a name that differs by more than case is no repair. */
static bool copy_end_tag(struct repair *r)
{
    struct str name;

    r->at += 2;
    name = take_name(r);
    skip_space(r);
    if (r->at >= r->in.len || r->in.ptr[r->at] != '>' || r->depth == 0 ||
        !str_equal_nocase(name, r->open[r->depth - 1]))
        return false;
    r->at++;
    r->depth--;
    return buf_printf(r->out, "</%.*s>", STR_ARG(r->open[r->depth]));
}

static bool copy_markup(struct repair *r)
{
    if (looks_at(r, STR("<!--")))
        return copy_through(r, STR("-->"), false);
    if (looks_at(r, STR("<![CDATA[")))
        return copy_through(r, STR("]]>"), true);
    if (looks_at(r, STR("<?")))
        return copy_through(r, STR("?>"), false);
    if (looks_at(r, STR("<!")))
        return false; /* a DOCTYPE: refused, not repaired */
    if (looks_at(r, STR("</")))
        return copy_end_tag(r);
    return copy_start_tag(r);
}

/* Whether the bytes are UTF-8 by form; what is not is read as windows-1252. */
static bool is_utf8(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i++];
        int more = c < 0x80                ? 0
                   : c >= 0xc2 && c < 0xe0 ? 1
                   : c >= 0xe0 && c < 0xf0 ? 2
                   : c >= 0xf0 && c < 0xf5 ? 3
                                           : -1;

        if (more < 0)
            return false;
        for (; more > 0; more--, i++)
            if (i >= s.len || ((unsigned char)s.ptr[i] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

bool vast_repair(struct str bytes, struct buf *out)
{
    struct repair r = {.in = bytes, .out = out, .is_latin = !is_utf8(bytes)};

    r.at = str_find(bytes, 0, '<');
    while (r.at < r.in.len) {
        if (r.in.ptr[r.at] != '<') {
            if (r.depth)
                put_text_byte(&r);
            else
                r.at++;
        } else if (!copy_markup(&r)) {
            return false;
        } else if (r.depth == 0 && out->len) {
            return !out->is_full; /* the root has ended: the rest is junk */
        }
    }
    return false;
}
