/*
 * fuzz_answer.c - any bytes as the answer of a target: a head line by line, an empty line, a body.
 *
 * Expected: what is kept of the head is within its limits, a Location is one line of ASCII; what the body is
 * read as is an encoding that this machine has, and it comes out as UTF-8; HSTS holds for the host that asked
 * for it and those below, and an upgraded URL is the same in https.
 */
#include "tests/fuzz/fuzz.h"
#include "worker/chain/head.h"
#include "worker/tracer/charset.h"
#include "worker/tracer/hsts.h"

enum { ARENA_BYTES = 4 * 1024 * 1024 };

static void expect_head(const struct head *head)
{
    EXPECT(head->status >= 0 && head->status <= 999 && head->content_length >= -1);
    EXPECT(head->nheaders <= 64 && head->ncookie_names <= 64);
    for (int i = 0; i < head->nheaders; i++)
        EXPECT(head->headers[i].name.len && head->headers[i].value.len <= 2048);
    for (size_t i = 0; i < head->location.len; i++)
        EXPECT((unsigned char)head->location.ptr[i] < 0x80 && head->location.ptr[i] != '\n');
    EXPECT(!head_is_redirect(head) || (head->status >= 301 && head->status <= 308 && head->location.len));
    EXPECT(!(head_may_be_page(head) && head->is_attachment) &&
           !(head_may_be_xml(head) && head->is_attachment));
}

static void fuzz_charset(const struct head *head, struct str body)
{
    SCOPED_VALUE(buf) text = {.max = 3 * body.len + 3};
    SCOPED_VALUE(buf) again = {.max = 9 * body.len + 9};
    struct str named = charset_parameter(head->content_type, STR("charset"));
    const char *charset = charset_of_page(body, head->content_type);

    EXPECT(!named.len || (named.ptr >= head->content_type.ptr &&
                          named.ptr + named.len <= head->content_type.ptr + head->content_type.len));
    EXPECT(charset && charset_to_utf8(charset, body, &text));
    if (memchr(buf_cstr(&text), '\0', text.len)) /* a NUL stays what it is */
        return;
    fuzz_expect_utf8(buf_str(&text));
    EXPECT(charset_to_utf8("UTF-8", buf_str(&text), &again) && again.len <= text.len);
}

static struct url parsed(struct arena *a, const char *text)
{
    struct url url;
    struct err err;

    EXPECT(url_parse(a, str_from(text), NULL, &url, &err));
    return url;
}

static void fuzz_hsts(struct arena *a, struct str value)
{
    struct url secure = parsed(a, "https://shop.test/"), plain = parsed(a, "http://shop.test/x?y#z");
    struct url below = parsed(a, "http://www.shop.test/"), other = parsed(a, "http://notshop.test/"), up;
    struct hsts hsts = {.nhosts = 0};
    struct err err;

    hsts_note(&hsts, &plain, value);
    EXPECT(!hsts_applies(&hsts, &plain)); /* over http nobody may say so */
    hsts_note(&hsts, &secure, value);
    EXPECT(!hsts_applies(&hsts, &other) && !hsts_applies(&hsts, &secure));
    EXPECT(!hsts_applies(&hsts, &below) || hsts_applies(&hsts, &plain));
    EXPECT(hsts_upgrade(a, &plain, &up, &err) && str_equal(up.href, STR("https://shop.test/x?y#z")));
    hsts_note(&hsts, &secure, STR("max-age=0"));
    EXPECT(!hsts_applies(&hsts, &plain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct str rest = {(const char *)data, size};
    struct head head = {.content_length = -1};

    while (rest.ptr && rest.len && !head.is_complete)
        if (!head_line(&a, &head, fuzz_line(&rest)))
            return 0;
    expect_head(&head);
    fuzz_charset(&head, rest.ptr ? rest : STR(""));
    fuzz_hsts(&a, head.hsts.ptr ? head.hsts : STR(""));
    return 0;
}
