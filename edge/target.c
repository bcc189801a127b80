/*
 * target.c - compiles URL templates and fills them.
 *
 * A template is read by the URL parser with a harmless word in place of each placeholder, so that what
 * surrounds them is normalised as a browser would; then the words are found again in the result. A word
 * that the parser has put into the authority means that a parameter could choose the host: refused.
 */
#include "edge/target.h"

#include "common/click_ids.h"
#include "common/url.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 64, INDEX_DIGITS = 3, WORD_MAX = 24 };

struct word {
    char text[WORD_MAX];
    size_t len;
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* The length of the placeholder at text[at], braces included, or 0. */
static size_t placeholder_at(struct str text, size_t at)
{
    size_t end = at + 1;

    if (text.ptr[at] != '{')
        return 0;
    while (end < text.len && end - at <= MAX_NAME && is_name_char(text.ptr[end]))
        end++;
    return end < text.len && end > at + 1 && text.ptr[end] == '}' ? end + 1 - at : 0;
}

static bool contains(struct str text, struct str what)
{
    return what.len && text.len && memmem(text.ptr, text.len, what.ptr, what.len) != NULL;
}

/* A word of lower case letters and digits that text does not contain. */
static struct word unused_word(struct str text)
{
    struct word word = {.len = 0};
    unsigned n = 0;

    do
        word.len = (size_t)snprintf(word.text, sizeof(word.text), "tp%ux", n++);
    while (contains(text, (struct str){word.text, word.len}));
    return word;
}

/* text with a word and a number for each placeholder, whose names go to names. False: too many of them. */
static bool substitute(struct str text, const struct word *word, struct str *names, size_t *n,
                       struct buf *out)
{
    for (size_t at = 0, len; at < text.len; at += len) {
        len = placeholder_at(text, at);
        if (len == 0) {
            len = 1;
            buf_append_char(out, text.ptr[at]);
            continue;
        }
        if (*n == TARGET_MAX_PLACEHOLDERS)
            return false;
        names[*n] = str_slice(text, at + 1, at + len - 1);
        buf_printf(out, "%s%0*zu", word->text, INDEX_DIGITS, (*n)++);
    }
    return !out->is_full;
}

static bool add_part(struct arena *a, struct target *t, struct str text, bool is_placeholder)
{
    struct str copy = arena_copy(a, text);

    if (!copy.ptr)
        return false;
    t->parts[t->nparts++] = (struct target_part){copy, is_placeholder};
    return true;
}

/* Cuts href at the words. The parts array has room: two for each word, one for the rest. */
static bool cut_at_words(struct arena *a, struct str href, const struct word *word, const struct str *names,
                         size_t nnames, struct target *t)
{
    while (href.len) {
        const char *hit = memmem(href.ptr, href.len, word->text, word->len);
        size_t literal = hit ? (size_t)(hit - href.ptr) : href.len;
        int64_t index;

        if (literal && !add_part(a, t, str_slice(href, 0, literal), false))
            return false;
        if (!hit)
            return true;
        href = str_slice(href, literal + word->len, href.len);
        if (!str_to_int(str_slice(href, 0, INDEX_DIGITS), &index) || index >= (int64_t)nnames ||
            !add_part(a, t, names[index], true))
            return false;
        href = str_slice(href, INDEX_DIGITS, href.len);
    }
    return true;
}

/* The names of the URL's own parameters; one that holds a placeholder names nothing. */
static bool read_names(struct arena *a, struct str query, struct str word, struct target *t)
{
    struct inbound in;
    struct err ignored;

    if (!inbound_read(a, query, &in, &ignored))
        return false;
    t->names = arena_alloc(a, in.n * sizeof(struct str));
    for (size_t i = 0; t->names && i < in.n; i++) {
        if (contains(in.params[i].name, word))
            continue;
        t->names[t->nnames] = arena_copy(a, in.params[i].name);
        if (t->names[t->nnames].ptr)
            t->nnames++;
    }
    return !a->is_full;
}

/* The target of a parsed URL; word is empty when it has no placeholders. */
static bool from_url(struct arena *a, const struct url *url, const struct word *word, const struct str *names,
                     size_t nnames, struct target *t)
{
    *t = (struct target){.has_query = url->query.ptr != NULL};
    t->parts = arena_alloc(a, (2 * (2 * nnames + 1)) * sizeof(struct target_part));
    if (!t->parts || !cut_at_words(a, url_without_fragment(url), word, names, nnames, t))
        return false;
    t->fragment = t->nparts;
    if (url->fragment.ptr &&
        !cut_at_words(a, (struct str){url->fragment.ptr - 1, url->fragment.len + 1}, word, names, nnames, t))
        return false;
    return read_names(a, url->query, (struct str){word->text, word->len}, t);
}

static bool has_word_in_authority(const struct url *url, const struct word *word)
{
    struct str what = {word->text, word->len};

    return contains(url->host, what) || contains(url->username, what) || contains(url->password, what);
}

bool target_compile(struct arena *a, struct str text, struct target *out, struct err *err)
{
    SCOPED_VALUE(buf) clean = {.max = URL_MAX_BYTES}, plain = {.max = URL_MAX_BYTES};
    SCOPED_VALUE(arena) scratch = {.ceiling = 8 * URL_MAX_BYTES};
    struct str names[TARGET_MAX_PLACEHOLDERS];
    struct word word;
    struct target t;
    struct url url;
    size_t n = 0;

    url_strip(text,
              &clean); /* before the word is chosen: the parser drops line breaks, and joins what they part */
    word = unused_word(buf_str(&clean));
    if (clean.is_full || !substitute(buf_str(&clean), &word, names, &n, &plain))
        return err_set(err, ERR_BAD_URL, "longer than %d bytes, or more than %d placeholders", URL_MAX_BYTES,
                       TARGET_MAX_PLACEHOLDERS);
    if (!url_parse(&scratch, buf_str(&plain), NULL, &url, err))
        return false;
    if (!url_is_http(&url))
        return err_set(err, ERR_BAD_URL, "scheme %.*s: neither http nor https", STR_ARG(url.scheme));
    if (has_word_in_authority(&url, &word))
        return err_set(err, ERR_BAD_URL, "a placeholder may not choose scheme, host or port");
    if (!from_url(a, &url, &word, names, n, &t))
        return err_set(err, ERR_TOO_BIG, "no memory left for a URL of %zu bytes", text.len);
    *out = t;
    return true;
}

static bool is_host_allowed(struct str host, const struct str *hosts, size_t nhosts)
{
    for (size_t i = 0; i < nhosts; i++) {
        struct str entry = hosts[i];

        if (entry.len > 1 && entry.ptr[0] == '*' && entry.ptr[1] == '.')
            entry = str_slice(entry, 1, entry.len);
        if (entry.len && entry.ptr[0] == '.' ? host.len > entry.len && str_ends_nocase(host, entry)
                                             : str_equal_nocase(host, entry))
            return true;
    }
    return false;
}

/* Appends the query with its click ids left out, marked, or as they are. */
static void put_query(const struct inbound *in, enum target_click_ids click_ids, struct buf *out)
{
    char before = '?';

    for (size_t i = 0; i < in->n; i++) {
        const struct inbound_param *p = &in->params[i];
        bool is_changed = p->is_click_id && click_ids != TARGET_CLICK_IDS_INBOUND;

        if (is_changed && click_ids == TARGET_CLICK_IDS_NONE)
            continue;
        buf_append_char(out, before);
        buf_append_str(out, is_changed ? p->raw_name : p->raw);
        if (is_changed)
            buf_append_str(out, STR("=" TARGET_MARK));
        before = '&';
    }
}

/* The same URL with another treatment of its click ids, parsed again. */
static bool rewrite_query(struct arena *a, enum target_click_ids click_ids, struct url *url, struct err *err)
{
    SCOPED_VALUE(buf) text = {.max = URL_MAX_BYTES};
    struct str rest = url_without_fragment(url);
    struct inbound in;

    if (!inbound_read(a, url->query, &in, err))
        return false;
    buf_append(&text, rest.ptr, rest.len - url->query.len - 1);
    put_query(&in, click_ids, &text);
    if (url->fragment.ptr)
        buf_append(&text, url->fragment.ptr - 1, url->fragment.len + 1);
    return url_parse(a, buf_str(&text), NULL, url, err);
}

bool target_from_visitor(struct arena *a, struct str text, const struct str *hosts, size_t nhosts,
                         enum target_click_ids click_ids, struct target *out, struct err *err)
{
    static const struct word NO_WORD = {.text = {'\n'}, .len = 1}; /* never in a serialised URL */
    struct target t;
    struct url url;

    if (!url_parse(a, text, NULL, &url, err))
        return false;
    if (!url_is_http(&url) || url.username.len || url.password.len)
        return err_set(err, ERR_BAD_URL, "neither http nor https, or with credentials");
    if (!is_host_allowed(url.host, hosts, nhosts))
        return err_set(err, ERR_BAD_URL, "host %.*s is not one of the offer's allowed_hosts",
                       STR_ARG(url.host));
    if (click_ids != TARGET_CLICK_IDS_INBOUND && url.query.ptr && !rewrite_query(a, click_ids, &url, err))
        return false;
    if (!from_url(a, &url, &NO_WORD, NULL, 0, &t))
        return err_set(err, ERR_TOO_BIG, "no memory left for a URL of %zu bytes", text.len);
    *out = t;
    return true;
}

static void fill(const struct inbound *in, struct str name, enum target_click_ids click_ids, struct buf *out)
{
    const struct inbound_param *p = inbound_last(in, name);

    if (!p)
        return;
    if (!p->is_click_id || click_ids == TARGET_CLICK_IDS_INBOUND)
        url_percent_encode(out, p->value, URL_ENCODE_COMPONENT);
    else if (click_ids == TARGET_CLICK_IDS_MARKED)
        buf_append_str(out, STR(TARGET_MARK));
}

static bool is_in_url(const struct target *t, struct str name)
{
    for (size_t i = 0; i < t->nparts; i++)
        if (t->parts[i].is_placeholder && str_equal(t->parts[i].text, name))
            return true;
    for (size_t i = 0; i < t->nnames; i++)
        if (str_equal(t->names[i], name))
            return true;
    return false;
}

static void append_param(const struct inbound_param *p, enum target_click_ids click_ids, char *before,
                         struct buf *out)
{
    bool is_changed = p->is_click_id && click_ids != TARGET_CLICK_IDS_INBOUND;

    if (is_changed && click_ids == TARGET_CLICK_IDS_NONE)
        return;
    if (*before)
        buf_append_char(out, *before);
    *before = '&';
    url_percent_encode(out, is_changed ? p->raw_name : p->raw, URL_ENCODE_QUERY);
    if (is_changed)
        buf_append_str(out, STR("=" TARGET_MARK));
}

/* What goes between what is there and the first appended parameter; NUL: nothing. */
static char separator(const struct target *t, const struct buf *out)
{
    char last = out->len ? out->data[out->len - 1] : '\0';

    if (!t->has_query)
        return '?';
    return last == '?' || last == '&' ? '\0' : '&';
}

static void append_params(const struct target *t, const struct inbound *in, enum target_click_ids click_ids,
                          struct buf *out)
{
    char before = separator(t, out);

    for (size_t i = 0; i < in->n && !out->is_full; i++) {
        const struct inbound_param *p = &in->params[i];

        if (!p->is_own && !is_in_url(t, p->name))
            append_param(p, click_ids, &before, out);
    }
}

static void put_parts(const struct target *t, size_t from, size_t to, const struct inbound *in,
                      enum target_click_ids click_ids, struct buf *out)
{
    for (size_t i = from; i < to; i++) {
        if (t->parts[i].is_placeholder)
            fill(in, t->parts[i].text, click_ids, out);
        else
            buf_append_str(out, t->parts[i].text);
    }
}

void target_build(const struct target *t, const struct inbound *in, bool pass_params,
                  enum target_click_ids click_ids, struct buf *out)
{
    put_parts(t, 0, t->fragment, in, click_ids, out);
    if (pass_params)
        append_params(t, in, click_ids, out);
    put_parts(t, t->fragment, t->nparts, in, click_ids, out);
}
