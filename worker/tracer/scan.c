/*
 * scan.c - a tokenizer for HTML that knows where tags are, and nothing of what they mean.
 *
 * After the HTML Standard, 13.2.5 (tokenization) and the parts of 13.2.6 that switch the tokenizer:
 * raw text, RCDATA and script data with its escaped states. Every function gets a position and returns
 * the position behind what it read, which is never before the one that it got.
 */
#include "worker/tracer/scan.h"

#include <string.h>

struct scan {
    struct str html;
    const struct scan_sink *sink;
    int templates; /* open ones */
    int foreign;   /* open svg and math elements: a tag there may close itself */
};

static const char *const raw_elements[] = {"script",   "style",    "xmp",      "iframe", "noembed",
                                           "noframes", "noscript", "textarea", "title"};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool ends_name(char c)
{
    return is_space(c) || c == '/' || c == '>';
}

static bool is_named(struct str name, const char *want)
{
    return str_equal_nocase(name, str_from(want));
}

static bool starts_at(struct str s, size_t at, struct str prefix)
{
    return str_starts_nocase(str_slice(s, at, s.len), prefix);
}

/* Position of needle at or after from; the end of s when there is none. */
static size_t find_text(struct str s, size_t from, const char *needle)
{
    const char *hit = from < s.len ? memmem(s.ptr + from, s.len - from, needle, strlen(needle)) : NULL;

    return hit ? (size_t)(hit - s.ptr) : s.len;
}

static size_t past(struct str s, size_t at, size_t len)
{
    return at + len < s.len ? at + len : s.len;
}

/* at is behind "<!--". Both "-->" and "--!>" end it, and so do ">" and "->" right at the start. */
static size_t skip_comment(struct str s, size_t at)
{
    if (starts_at(s, at, STR(">")))
        return at + 1;
    if (starts_at(s, at, STR("->")))
        return at + 2;
    for (at = find_text(s, at, "--"); at < s.len; at = find_text(s, at + 1, "--")) {
        if (starts_at(s, at, STR("-->")))
            return at + 3;
        if (starts_at(s, at, STR("--!>")))
            return at + 4;
    }
    return s.len;
}

/* at is behind an attribute's '=' and the blanks after it. */
static size_t skip_value(struct str s, size_t at)
{
    if (at < s.len && (s.ptr[at] == '"' || s.ptr[at] == '\''))
        return past(s, str_find(s, at + 1, s.ptr[at]), 1);
    while (at < s.len && !is_space(s.ptr[at]) && s.ptr[at] != '>')
        at++;
    return at;
}

static size_t skip_spaces(struct str s, size_t at)
{
    while (at < s.len && is_space(s.ptr[at]))
        at++;
    return at;
}

static size_t skip_name(struct str s, size_t at)
{
    at++; /* the first byte belongs to the name, even when it is '=' */
    while (at < s.len && !ends_name(s.ptr[at]) && s.ptr[at] != '=')
        at++;
    return at;
}

static size_t skip_attribute(struct str s, size_t at)
{
    size_t name_end = skip_name(s, at), behind = skip_spaces(s, name_end);

    return behind < s.len && s.ptr[behind] == '=' ? skip_value(s, skip_spaces(s, behind + 1)) : name_end;
}

/*
 * at is behind a tag's name. Returns the position behind its '>', or 0 when the page ends within the
 * tag: such a tag does not exist.
 */
static size_t skip_attributes(struct str s, size_t at, bool *closes_itself)
{
    *closes_itself = false;
    while (at < s.len && s.ptr[at] != '>') {
        if (is_space(s.ptr[at]) || s.ptr[at] == '/') {
            *closes_itself = s.ptr[at++] == '/';
        } else {
            *closes_itself = false;
            at = skip_attribute(s, at);
        }
    }
    return at < s.len ? at + 1 : 0;
}

bool scan_attribute(struct str tag, size_t *at, struct str *name, struct str *value)
{
    size_t pos = *at, end, name_end, start;

    if (pos == 0)
        while (pos < tag.len && !ends_name(tag.ptr[pos]))
            pos++;
    while (pos < tag.len && (is_space(tag.ptr[pos]) || tag.ptr[pos] == '/'))
        pos++;
    if (pos >= tag.len || tag.ptr[pos] == '>')
        return false;
    name_end = skip_name(tag, pos);
    end = skip_attribute(tag, pos);
    start = end > name_end ? skip_spaces(tag, skip_spaces(tag, name_end) + 1) : end;
    *name = str_slice(tag, pos, name_end);
    *value = str_slice(tag, start, end);
    if (value->len > 1 && (value->ptr[0] == '"' || value->ptr[0] == '\''))
        *value = str_slice(*value, 1, value->len - 1);
    *at = end;
    return true;
}

/* Whether "</name" (or "<name") stands at `at` and ends as a tag's name would. */
static bool is_tag_of(struct str s, size_t at, const char *open, struct str name)
{
    size_t behind = at + strlen(open) + name.len;

    return starts_at(s, at, str_from(open)) && starts_at(s, at + strlen(open), name) && behind < s.len &&
           ends_name(s.ptr[behind]);
}

static size_t find_end_tag(struct str s, size_t at, struct str name)
{
    for (at = find_text(s, at, "</"); at < s.len; at = find_text(s, at + 2, "</"))
        if (is_tag_of(s, at, "</", name))
            break;
    return at;
}

/* Inside <!-- of a script, <script> hides the next </script> ("script data double escaped state"). */
static size_t find_script_end(struct str s, size_t at)
{
    bool is_escaped = false, is_hidden = false;

    for (at = str_find(s, at, '<'); at < s.len; at++) {
        if (is_escaped && starts_at(s, at, STR("-->"))) {
            is_escaped = is_hidden = false;
        } else if (s.ptr[at] != '<') {
            continue;
        } else if (!is_escaped && starts_at(s, at, STR("<!--"))) {
            is_escaped = true;
            at += 1; /* the two dashes may also be those of "-->" */
        } else if (is_escaped && !is_hidden && is_tag_of(s, at, "<", STR("script"))) {
            is_hidden = true;
        } else if (is_tag_of(s, at, "</", STR("script"))) {
            if (!is_hidden)
                return at;
            is_hidden = false;
        }
    }
    return s.len;
}

static bool is_raw(struct str name)
{
    for (size_t i = 0; i < sizeof(raw_elements) / sizeof(raw_elements[0]); i++)
        if (is_named(name, raw_elements[i]))
            return true;
    return is_named(name, "plaintext");
}

static size_t skip_raw(struct scan *scan, struct str name, size_t at)
{
    size_t end;

    if (is_named(name, "plaintext"))
        return scan->html.len;
    if (!is_named(name, "script"))
        return find_end_tag(scan->html, at, name);
    end = find_script_end(scan->html, at);
    if (!scan->templates && scan->sink->script)
        scan->sink->script(scan->sink->arg, str_slice(scan->html, at, end));
    return end;
}

static void count_open(struct scan *scan, struct str name, int step)
{
    int *open = is_named(name, "template")                        ? &scan->templates
                : is_named(name, "svg") || is_named(name, "math") ? &scan->foreign
                                                                  : NULL;

    if (open && *open + step >= 0)
        *open += step;
}

/* at is on the first letter of a tag's name. */
static size_t read_tag(struct scan *scan, size_t at, bool is_end)
{
    struct str s = scan->html, name;
    size_t start = at - (is_end ? 2 : 1), behind;
    bool closes_itself;

    while (at < s.len && !ends_name(s.ptr[at]))
        at++;
    name = str_slice(s, start + (is_end ? 2 : 1), at);
    behind = skip_attributes(s, at, &closes_itself);
    if (!behind)
        return s.len;
    if (is_end) {
        count_open(scan, name, -1);
        return behind;
    }
    if (!scan->templates && scan->sink->tag)
        scan->sink->tag(scan->sink->arg, name, str_slice(s, start, behind));
    if (scan->foreign && closes_itself)
        return behind;
    count_open(scan, name, 1);
    return is_raw(name) ? skip_raw(scan, name, behind) : behind;
}

/* at is on a '<'. */
static size_t read_markup(struct scan *scan, size_t at)
{
    struct str s = scan->html;
    char next = at + 1 < s.len ? s.ptr[at + 1] : 0;

    if (is_letter(next))
        return read_tag(scan, at + 1, false);
    if (next == '/' && at + 2 < s.len && is_letter(s.ptr[at + 2]))
        return read_tag(scan, at + 2, true);
    if (starts_at(s, at, STR("<!--")))
        return skip_comment(s, at + 4);
    if (next == '!' || next == '?' || next == '/')
        return past(s, str_find(s, at + 2, '>'), 1);
    return at + 1;
}

void scan_html(struct str html, const struct scan_sink *sink)
{
    struct scan scan = {.html = html, .sink = sink};
    size_t at = 0;

    while (at < html.len) {
        size_t mark = str_find(html, at, '<');

        if (mark > at && !scan.templates && sink->text)
            sink->text(sink->arg, str_slice(html, at, mark));
        at = mark < html.len ? read_markup(&scan, mark) : mark;
    }
}
