/*
 * fuzz_offers.c - any bytes as the offers that come from the database or the snapshot on disk, and a click's
 * query behind a line break.
 *
 * Expected: every offer is found by its name and says what is wrong with it or has a URL; a click is answered
 * with a Location of one line exactly when a row comes of it; why, is JSON.
 */
#include "common/url.h"
#include "edge/decide.h"
#include "edge/explain.h"
#include "tests/fuzz/fuzz.h"

enum { ARENA_BYTES = 64 * 1024 * 1024 };

static void expect_offer(const struct offers *offers, const struct offer *o)
{
    const struct offer *found = offers_find(offers, o->name);

    EXPECT(found && str_equal(found->name, o->name) && o->name.len);
    EXPECT(o->nurls ? offer_pick(o, 0) && offer_pick(o, UINT32_MAX) : o->problem && !offer_pick(o, 7));
    EXPECT(o->fallback.len <= TARGET_MAX_BYTES);
    fuzz_expect_visible_ascii(o->fallback);
}

static void expect_explained(const struct decision *d)
{
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    struct visit visit = {.country = STR("")};
    struct err err;

    explain_write(d, &visit, NULL, &text);
    SCOPED(json_t) object = json_parse(buf_str(&text), &err);
    EXPECT(object && json_get_int(object, "status", 0) >= 200);
}

static void expect_decision(const struct decision *d)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url url;
    struct err err;

    EXPECT(d->location.len <= TARGET_MAX_BYTES && (d->outcome != DECIDE_REDIRECT || d->location.len));
    fuzz_expect_visible_ascii(buf_str(&d->location));
    fuzz_expect_visible_ascii(buf_str(&d->traced));
    if (d->location.len)
        EXPECT(url_parse(&a, buf_str(&d->location), NULL, &url, &err) && url_is_http(&url));
    EXPECT(d->visible == DECIDE_VISIBLE_NONE || d->offer);
    expect_explained(d);
}

static void click(const struct offers *offers, const struct offer *o, struct str query)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    struct decide_env env = {.offers = offers,
                             .redirect_param = STR("redirection_url"),
                             .fallback = STR("http://fallback.test/"),
                             .header_country = STR("de"),
                             .chance = (uint32_t)query.len << 28};
    struct decision d;

    buf_append_str(&text, STR("offer="));
    url_percent_encode(&text, o ? o->name : STR("none"), URL_ENCODE_COMPONENT);
    buf_append_char(&text, '&');
    buf_append_str(&text, query);
    decision_init(&d);
    decide(&env, &a, buf_str(&text), &d);
    EXPECT(d.outcome == DECIDE_UNREADABLE || !o || (d.offer && str_equal(d.offer->name, o->name)));
    expect_decision(&d);
    decision_finish(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = {(const char *)data, size};
    size_t line = str_find(all, 0, '\n');
    struct offers *offers;
    struct err err = {.code = ERR_OK};

    if (!offers_parse(str_slice(all, 0, line), &offers, &err)) {
        EXPECT(err.code == ERR_BAD_INPUT);
        return 0;
    }
    for (size_t i = 0; i < offers_count(offers); i++) {
        expect_offer(offers, offers_at(offers, i));
        click(offers, offers_at(offers, i), str_slice(all, line + 1, size));
    }
    click(offers, NULL, str_slice(all, line + 1, size));
    offers_destroy(offers);
    return 0;
}
