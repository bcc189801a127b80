/*
 * fuzz_provider.c - any bytes as an ad server's ways: a row of vast_providers as JSON, a line break, the tag
 * of an ad; and as the macros and parameters of an event.
 *
 * Expected: headers are one line each with a name that is not the connection's own; a tag's URL begins as the
 * tag does and takes parameters as what they are meant; an event's URL is a URL or an error.
 */
#include "tests/fuzz/fuzz.h"
#include "worker/vast/view.h"

enum { ARENA_BYTES = 4 * 1024 * 1024 };

static void expect_headers(const struct vast_provider *p)
{
    for (int i = 0; i < p->nheaders; i++) {
        size_t colon = str_find(p->headers[i], 0, ':');

        fuzz_expect_one_line(p->headers[i]);
        EXPECT(colon > 0 && colon < p->headers[i].len);
        EXPECT(!str_equal_nocase(str_slice(p->headers[i], 0, colon), STR("host")));
        EXPECT(!str_starts_nocase(p->headers[i], STR("proxy-")));
    }
}

static void expect_limits(const struct vast_provider *p)
{
    EXPECT(p->timeout_ms >= 100 && p->timeout_ms <= 60000 && p->retries >= 0 && p->retries <= 5);
    EXPECT(p->max_wrappers >= 0 && p->max_wrappers <= VAST_WRAPPERS_MAX && p->nextras <= VAST_EXTRAS_MAX);
    EXPECT(p->cache_ttl_ms >= 0 && p->requests_per_minute >= 0);
    (void)vast_provider_logs(p, STR("progress-5000"));
}

/* What a parameter holds can't become another one, or the fragment. */
static void fuzz_tag(const struct vast_provider *p, struct str tag)
{
    SCOPED_VALUE(buf) out = {.max = FUZZ_TEXT_BYTES};
    struct vast_param more = {.name = STR("a=b&c"), .value = STR("d&e=f#g h")};
    struct str base = tag.len ? tag : p->base_url;

    base = str_slice(base, 0, str_find(base, 0, '#'));
    EXPECT(vast_provider_url(p, tag, &more, 1, &out));
    EXPECT(str_starts(buf_str(&out), base));
    EXPECT(fuzz_has(buf_str(&out), STR("a%3Db%26c=d%26e%3Df%23g")));
}

static void fuzz_event(struct str text, struct str url_template)
{
    static const struct vast_sender sender = {.user_agent = {"tracepool/1 (QA)", 16}};
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct err err = {.code = ERR_OK};
    SCOPED(json_t) object = json_parse(text, &err);
    struct url url;

    if (!json_is_object(object))
        return;
    if (vast_event_url(&a, url_template, object, object, &sender, &url, &err))
        fuzz_expect_one_line(url.href);
    else
        EXPECT(err.code == ERR_BAD_URL || err.code == ERR_TOO_BIG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str tag = {(const char *)data, size}, text = fuzz_line(&tag);
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct vast_provider defaults = vast_provider_default(), p;
    struct err err = {.code = ERR_OK};

    fuzz_event(text, tag);
    if (!vast_provider_read(&a, text, &defaults, &p, &err)) {
        EXPECT(err.code == ERR_BAD_INPUT || err.code == ERR_TOO_BIG);
        return 0;
    }
    expect_headers(&p);
    expect_limits(&p);
    fuzz_tag(&p, tag.ptr ? tag : STR(""));
    return 0;
}
