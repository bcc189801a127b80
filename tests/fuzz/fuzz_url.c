/*
 * fuzz_url.c - any bytes as a URL. Input: a base, a line break, and what is resolved against it; without a
 * line break there is no base.
 *
 * Expected of every URL that comes out: parsing it again changes nothing, it consists of its parts, it is
 * printable ASCII, and what is logged of it has no credentials.
 */
#include "common/url.h"
#include "tests/fuzz/fuzz.h"

enum { ARENA_BYTES = 8 * 1024 * 1024, TEXT_BYTES = 4 * 1024 * 1024 };

static void append_part(struct buf *out, const char *before, struct str part)
{
    if (!part.ptr)
        return;
    buf_append_str(out, str_from(before));
    buf_append_str(out, part);
}

/* The "URL serializer", from the parts. */
static void expect_parts_make_the_whole(const struct url *u)
{
    SCOPED_VALUE(buf) text = {.max = TEXT_BYTES};

    append_part(&text, "", u->scheme);
    buf_append_char(&text, ':');
    if (u->has_authority) {
        append_part(&text, "//", u->username);
        append_part(&text, u->password.len ? ":" : "", u->password);
        append_part(&text, u->username.len || u->password.len ? "@" : "", u->host);
        if (u->port >= 0)
            buf_printf(&text, ":%d", u->port);
    } else if (!u->has_opaque_path && str_starts(u->path, STR("//"))) {
        buf_append(&text, "/.", 2);
    }
    append_part(&text, "", u->path);
    append_part(&text, "?", u->query);
    append_part(&text, "#", u->fragment);
    EXPECT(str_equal(buf_str(&text), u->href));
}

static void expect_same(const struct url *a, const struct url *b)
{
    EXPECT(str_equal(a->href, b->href));
    EXPECT(str_equal(a->host, b->host) && str_equal(a->path, b->path));
    EXPECT(a->port == b->port && a->host_kind == b->host_kind && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0);
    EXPECT(a->has_authority == b->has_authority && a->has_opaque_path == b->has_opaque_path);
    EXPECT((a->query.ptr == NULL) == (b->query.ptr == NULL));
    EXPECT((a->fragment.ptr == NULL) == (b->fragment.ptr == NULL));
}

static void expect_stable(struct arena *a, const struct url *u)
{
    struct url again, relative;
    struct err err;

    EXPECT(url_parse(a, u->href, NULL, &again, &err));
    expect_same(u, &again);
    EXPECT(url_parse(a, u->href, u, &relative, &err)); /* an absolute URL does not care for a base */
    expect_same(u, &relative);
}

static void expect_printable(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        EXPECT(text.ptr[i] >= ' ' && text.ptr[i] <= '~');
}

static void expect_http_is_plain(const struct url *u)
{
    if (!url_is_http(u))
        return;
    EXPECT(u->host.len && str_starts(u->path, STR("/")));
    EXPECT(str_find(u->href, 0, ' ') == u->href.len);
    EXPECT(url_effective_port(u) >= 0);
}

/* What is logged of an http URL begins with its scheme, its host and its port, and nothing between. */
static void expect_scrubbed(const struct url *u)
{
    SCOPED_VALUE(buf) text = {.max = TEXT_BYTES};
    SCOPED_VALUE(buf) want = {.max = TEXT_BYTES};

    url_scrub(u->href, &text);
    expect_printable(buf_str(&text));
    if (!url_is_http(u))
        return;
    buf_printf(&want, "%.*s://", STR_ARG(u->scheme));
    url_percent_encode(&want, u->host, URL_ENCODE_FRAGMENT);
    if (u->port >= 0)
        buf_printf(&want, ":%d", u->port);
    buf_append_char(&want, '/');
    EXPECT(str_starts(buf_str(&text), buf_str(&want)));
}

static void walk_parameters(struct arena *a, struct str query)
{
    struct url_query_iter it;

    url_query_init(&it, query);
    for (struct str name, value; url_query_next(&it, a, &name, &value);)
        EXPECT(name.len + value.len <= query.len);
}

static void expect_codec_is_lossless(struct str bytes)
{
    SCOPED_VALUE(buf) text = {.max = TEXT_BYTES};
    SCOPED_VALUE(buf) again = {.max = TEXT_BYTES};
    SCOPED_VALUE(buf) scrubbed = {.max = 100};

    if (url_percent_encode(&text, bytes, URL_ENCODE_COMPONENT)) {
        EXPECT(url_percent_decode(&again, buf_str(&text)));
        EXPECT(str_equal(buf_str(&again), bytes));
    }
    url_scrub(bytes, &scrubbed);
    expect_printable(buf_str(&scrubbed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct str text = {(const char *)data, size}, base_text;
    struct url base, u;
    struct err err = {.code = ERR_OK};
    size_t line = str_find(text, 0, '\n');
    bool has_base = line < text.len;

    if (size == 0)
        return 0;
    expect_codec_is_lossless(text);
    base_text = str_slice(text, 0, line);
    if (has_base)
        text = str_slice(text, line + 1, text.len);
    if (has_base && !url_parse(&a, base_text, NULL, &base, &err))
        return 0;
    walk_parameters(&a, text);
    if (!url_parse(&a, text, has_base ? &base : NULL, &u, &err)) {
        EXPECT(err.code == ERR_BAD_URL || err.code == ERR_TOO_BIG);
        return 0;
    }
    expect_printable(u.href);
    expect_parts_make_the_whole(&u);
    expect_stable(&a, &u);
    expect_http_is_plain(&u);
    expect_scrubbed(&u);
    return 0;
}
