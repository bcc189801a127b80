/*
 * fuzz_hit.c - any bytes as an offer's URL and as a click's query. Input: the URL, a line break, the query.
 *
 * Expected of every click: the Location is one line of visible ASCII within its limit, it leads to the
 * host the offer names (or to one that is allowed), and what is written down is JSON that PostgreSQL takes.
 */
#include "common/json.h"
#include "common/url.h"
#include "edge/click.h"
#include "edge/decide.h"
#include "tests/fuzz/fuzz.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, TEXT_BYTES = FUZZ_TEXT_BYTES };

static const enum target_click_ids POLICIES[] = {TARGET_CLICK_IDS_NONE, TARGET_CLICK_IDS_MARKED,
                                                 TARGET_CLICK_IDS_INBOUND};

/* The origin of a filled template is that of its first part: parameters can't move it. */
static void expect_same_origin(struct arena *a, const struct target *t, struct str result)
{
    struct inbound none = {.n = 0};
    SCOPED_VALUE(buf) empty = {.max = TEXT_BYTES};
    struct url want, got;
    struct err err;

    target_build(t, &none, false, TARGET_CLICK_IDS_INBOUND, &empty);
    EXPECT(url_parse(a, buf_str(&empty), NULL, &want, &err));
    EXPECT(url_parse(a, result, NULL, &got, &err));
    EXPECT(str_equal(want.scheme, got.scheme) && str_equal(want.host, got.host) && want.port == got.port);
    EXPECT(str_equal(want.username, got.username) && str_equal(want.password, got.password));
}

static void fuzz_template(struct str text, const struct inbound *in)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct target t;
    struct err err;

    if (!target_compile(&a, text, &t, &err))
        return;
    for (size_t p = 0; p < ARRAY_LEN(POLICIES); p++) {
        SCOPED_VALUE(buf) out = {.max = TARGET_MAX_BYTES};

        target_build(&t, in, true, POLICIES[p], &out);
        if (out.is_full)
            continue;
        fuzz_expect_visible_ascii(buf_str(&out));
        expect_same_origin(&a, &t, buf_str(&out));
    }
}

static void fuzz_visible(struct str text, const struct inbound *in)
{
    static const struct str hosts[] = {{"shop.example", 12}, {".kin.example", 12}};
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct target t;
    struct url url;
    struct err err;

    for (size_t p = 0; p < ARRAY_LEN(POLICIES); p++) {
        SCOPED_VALUE(buf) out = {.max = TARGET_MAX_BYTES};

        if (!target_from_visitor(&a, text, hosts, ARRAY_LEN(hosts), POLICIES[p], &t, &err))
            return;
        target_build(&t, in, true, TARGET_CLICK_IDS_INBOUND, &out);
        if (out.is_full)
            continue;
        fuzz_expect_visible_ascii(buf_str(&out));
        EXPECT(url_parse(&a, buf_str(&out), NULL, &url, &err));
        EXPECT(str_equal(url.host, hosts[0]) || str_ends_nocase(url.host, hosts[1]));
    }
}

/* No name twice is asked of json_loadb: jsonb keeps the last, and so does jansson. */
static void fuzz_row(const struct inbound *in, struct str query)
{
    SCOPED_VALUE(buf) out = {.max = TEXT_BYTES};
    struct click click = {.id = uuid7_next(1),
                          .offer = query,
                          .url = query,
                          .inbound = in,
                          .raw_query = query,
                          .path = "track-hit"};
    json_t *read;

    click_write(&click, &out);
    EXPECT(!out.is_full);
    EXPECT(memchr(out.data, '\0', out.len) == NULL);
    read = json_loadb(out.data, out.len, 0, NULL);
    EXPECT(read);
    json_decref(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = {(const char *)data, size};
    size_t line = str_find(all, 0, '\n');
    struct str text = str_slice(all, 0, line), query = str_slice(all, line + 1, size);
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct inbound in;
    struct err err;

    if (size == 0 || !inbound_read(&a, query, &in, &err))
        return 0;
    inbound_take(&in, STR("offer"));
    fuzz_template(text, &in);
    fuzz_visible(text, &in);
    fuzz_row(&in, query);
    return 0;
}
