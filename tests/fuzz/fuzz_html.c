/*
 * fuzz_html.c - any bytes as a page. The first byte picks the Content-Type, the rest is the body.
 *
 * Expected: every page can be read; what is handed on by the tokenizer lies inside of the page, and a
 * tag is a whole tag; a refresh has a delay of at least 0; behind <plaintext> there is no tag at all.
 */
#include "common/buf.h"
#include "worker/tracer/charset.h"
#include "worker/tracer/html.h"
#include "worker/tracer/scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 * 1024 * 1024 };

static const char *const types[] = {
    "",
    "text/html",
    "text/html; charset=utf-8",
    "text/html; charset=\"Shift_JIS\"",
    "text/html; charset=gb18030",
    "text/html; charset=iso-2022-jp",
    "text/html; charset=utf-16",
};

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void expect_inside(const struct str *whole, struct str part)
{
    expect(part.len == 0 || (part.ptr >= whole->ptr && part.ptr + part.len <= whole->ptr + whole->len));
}

static void on_tag(void *arg, struct str name, struct str tag)
{
    struct str attribute, value;
    size_t at = 0, before = 0;

    expect_inside(arg, tag);
    expect(tag.len >= 3 && tag.ptr[0] == '<' && tag.ptr[tag.len - 1] == '>');
    expect(name.ptr == tag.ptr + 1 && name.len >= 1 && name.len + 2 <= tag.len);
    while (scan_attribute(tag, &at, &attribute, &value)) {
        expect_inside(&tag, attribute);
        expect_inside(&tag, value);
        expect(attribute.len >= 1 && at > before);
        before = at;
    }
}

static void on_text(void *arg, struct str text)
{
    expect_inside(arg, text);
}

static void scan(struct str body)
{
    struct scan_sink sink = {.tag = on_tag, .text = on_text, .script = on_text, .arg = &body};

    scan_html(body, &sink);
}

static struct page read_page(struct str body, const char *type)
{
    SCOPED_VALUE(arena) a;
    struct page page;

    arena_init(&a, ARENA_BYTES);
    expect(page_read(&a, body, str_from(type), &page));
    expect(page.charset != NULL);
    expect(!page.has_refresh || page.refresh.delay_s >= 0);
    expect(page.signs.external_scripts <= page.signs.scripts);
    return page;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(buf) hidden = {.max = ARENA_BYTES};
    struct str body;

    if (size == 0)
        return 0;
    body = (struct str){(const char *)data + 1, size - 1};
    scan(body);
    page_is_html(body);
    read_page(body, types[data[0] % ARRAY_LEN(types)]);
    buf_append_str(&hidden, STR("<plaintext>"));
    buf_append_str(&hidden, body);
    expect(!read_page(buf_str(&hidden), "").has_refresh);
    return 0;
}
