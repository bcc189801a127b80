/*
 * html.c - a page's meta refresh, base and signs.
 *
 * Three steps: the bytes become UTF-8 (charset.c); one pass finds the tags that count (scan.c); the
 * meta and base tags among them, and nothing else, are read by libxml2's HTML parser, which knows
 * attributes and character references. It never sees the network, and never a tree deep enough to hurt.
 */
#include "worker/tracer/html.h"

#include "common/buf.h"
#include "common/refresh.h"
#include "worker/tracer/charset.h"
#include "worker/tracer/code.h"
#include "worker/tracer/scan.h"

#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <string.h>

enum {
    TAG_MAX = 16 * 1024, /* a longer meta or base tag is passed over: its attributes are compared in pairs */
    TAGS_MAX = 256 * 1024, /* bytes of such tags, all together */
    GROWTH = 3,            /* UTF-8 bytes that one byte may become */
};

struct reader {
    struct arena *arena;
    struct page *page;
    struct buf tags; /* the meta and base tags, one after the other */
    struct str base;
    bool is_in_blank;
    bool has_directive; /* a meta tag that may be a refresh is among them */
};

static bool is_named(struct str name, const char *want)
{
    return str_equal_nocase(name, str_from(want));
}

static void read_code(struct page_signs *signs, struct str code)
{
    struct code_signs found = {0};

    code_read(code, &found);
    signs->navigates |= found.navigates;
    signs->submits |= found.submits;
    signs->is_packed |= found.is_hidden;
}

/* Where frameworks put what they draw. */
static bool is_app_root(struct str id)
{
    static const char *const ids[] = {"root",      "app",      "__next", "__nuxt",
                                      "___gatsby", "app-root", "q-app",  "svelte"};

    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        if (str_equal(id, str_from(ids[i])))
            return true;
    return false;
}

/* Code in attributes that runs without anybody's doing, and the place that waits for an application. */
static void read_attributes(struct page_signs *signs, struct str tag)
{
    struct str name, value;
    size_t at = 0;

    while (scan_attribute(tag, &at, &name, &value)) {
        if (is_named(name, "onload") || is_named(name, "onerror") || is_named(name, "onpageshow"))
            read_code(signs, value);
        else if (is_named(name, "id"))
            signs->has_app_root |= is_app_root(value);
    }
}

/* Whether a meta tag may be a refresh: attribute names have no other spelling than upper and lower case. */
static bool is_directive(struct str tag)
{
    static const struct str name = {"http-equiv", 10};

    for (size_t i = str_find(tag, 0, '-'); i < tag.len; i = str_find(tag, i + 1, '-'))
        if (i >= 4 && str_starts_nocase(str_slice(tag, i - 4, tag.len), name))
            return true;
    return false;
}

static void on_tag(void *arg, struct str name, struct str whole)
{
    struct reader *r = arg;
    struct page_signs *signs = &r->page->signs;

    if (is_named(name, "meta") || is_named(name, "base")) {
        if (whole.len <= TAG_MAX)
            buf_append_str(&r->tags, whole);
        r->has_directive |= is_named(name, "meta") && is_directive(whole);
    } else if (is_named(name, "form")) {
        signs->forms++;
    } else if (is_named(name, "iframe") || is_named(name, "frame")) {
        signs->frames++;
    }
    if (whole.len <= TAG_MAX)
        read_attributes(signs, whole);
}

static void on_script(void *arg, struct str code)
{
    struct reader *r = arg;

    r->page->signs.scripts++;
    if (!str_trim(code).len)
        r->page->signs.external_scripts++;
    read_code(&r->page->signs, code);
}

static void on_text(void *arg, struct str text)
{
    struct reader *r = arg;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_blank = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == 0;

        r->page->signs.visible_text += !is_blank || !r->is_in_blank;
        r->is_in_blank = is_blank;
    }
}

static struct str value_of(const xmlChar **attributes, const char *name)
{
    for (; attributes && attributes[0]; attributes += 2)
        if (xmlStrcasecmp(attributes[0], BAD_CAST name) == 0)
            return str_from((const char *)attributes[1]);
    return (struct str){0};
}

static void read_meta(struct reader *r, const xmlChar **attributes)
{
    struct page *page = r->page;
    struct refresh found;
    struct str content = value_of(attributes, "content");

    if (!is_named(value_of(attributes, "http-equiv"), "refresh") || !content.ptr ||
        !refresh_parse(content, &found) || (page->has_refresh && found.delay_s > page->refresh.delay_s))
        return;
    page->has_refresh = true;
    page->refresh = (struct page_refresh){.delay_s = found.delay_s, .base = r->base};
    if (found.url.ptr)
        page->refresh.url = arena_copy(r->arena, found.url);
}

static void on_element(void *arg, const xmlChar *name, const xmlChar **attributes)
{
    struct reader *r = arg;
    struct str href;

    if (xmlStrcmp(name, BAD_CAST "meta") == 0) {
        read_meta(r, attributes);
    } else if (xmlStrcmp(name, BAD_CAST "base") == 0 && !r->base.ptr) {
        href = value_of(attributes, "href");
        if (href.ptr)
            r->base = arena_copy(r->arena, href);
    }
}

static void read_tags(struct reader *r)
{
    htmlParserCtxtPtr parser;

    if (!r->has_directive) /* most pages: a base alone leads nowhere */
        return;
    parser = htmlCreateMemoryParserCtxt(r->tags.data, (int)r->tags.len);
    if (!parser)
        abort();
    *parser->sax = (htmlSAXHandler){.startElement = on_element};
    parser->userData = r;
    htmlCtxtUseOptions(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                   HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
    xmlSwitchEncoding(parser, XML_CHAR_ENCODING_UTF8);
    htmlParseDocument(parser);
    htmlFreeParserCtxt(parser);
}

static void read_utf8(struct reader *r, struct str html)
{
    struct scan_sink sink = {.tag = on_tag, .script = on_script, .text = on_text, .arg = r};

    buf_init(&r->tags, TAGS_MAX);
    scan_html(html, &sink);
    read_tags(r);
    buf_finish(&r->tags);
}

bool page_read(struct arena *a, struct str body, struct str content_type, struct page *out)
{
    struct page page = {.charset = charset_of_page(body, content_type), .signs.is_html = true};
    struct reader r = {.arena = a, .page = &page, .is_in_blank = true};
    SCOPED_VALUE(buf) utf8;

    buf_init(&utf8, body.len * GROWTH + GROWTH);
    if (!charset_to_utf8(page.charset, body, &utf8)) {
        buf_clear(&utf8);
        buf_append_str(&utf8,
                       body); /* an encoding that this machine lacks: its ASCII is right all the same */
    }
    read_utf8(&r, buf_str(&utf8));
    if (a->is_full)
        return false;
    *out = page;
    return true;
}

bool page_is_html(struct str body)
{
    /* clang-format off */
    static const char *const starts[] = {
        "<!doctype html", "<html", "<head", "<script", "<iframe", "<h1", "<div", "<font", "<table",
        "<a", "<style", "<title", "<b", "<body", "<br", "<p"};
    /* clang-format on */
    struct str s = str_starts(body, STR("\xef\xbb\xbf")) ? str_slice(body, 3, body.len) : body;

    s = str_trim(s);
    if (str_starts(s, STR("<!--")))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        struct str start = str_from(starts[i]);

        if (s.len > start.len && str_starts_nocase(s, start) &&
            (s.ptr[start.len] == ' ' || s.ptr[start.len] == '>'))
            return true;
    }
    return false;
}
