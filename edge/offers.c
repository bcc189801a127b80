/*
 * offers.c - JSON to offers, and the table that finds them.
 */
#include "edge/offers.h"

#include "common/json.h"
#include "common/url.h"

#include <assert.h>

enum { ARENA_MAX = 512 * 1024 * 1024, MAX_WEIGHT = 1000000 };

struct offers {
    struct arena arena;
    struct offer *list;
    size_t n;
    uint32_t *slots; /* index into list plus one; 0: empty. Their number is a power of two */
    size_t nslots;
};

/* FNV-1a: names are the operator's, so nobody can choose them to collide. */
static uint32_t hash(struct str s)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 16777619u;
    return h;
}

static void set_problem(struct offers *os, struct offer *o, struct str url, const struct err *err)
{
    SCOPED_VALUE(buf) shown = {.max = 200};

    if (o->problem)
        return;
    url_scrub(url, &shown);
    o->problem = arena_printf(&os->arena, "%s: %s", buf_cstr(&shown), err->detail);
    if (!o->problem)
        o->problem = "no memory left for it";
}

static void add_url(struct offers *os, struct offer *o, struct str text, int64_t weight)
{
    struct offer_url *url = &o->urls[o->nurls];
    struct err err;

    if (weight <= 0)
        return;
    if (!target_compile(&os->arena, text, &url->target, &err)) {
        set_problem(os, o, text, &err);
        return;
    }
    url->weight = weight > MAX_WEIGHT ? MAX_WEIGHT : (uint32_t)weight;
    o->total_weight += url->weight;
    o->nurls++;
}

/* tracking_urls: [{"url", "weight"}], or plain strings; final_url when there are none. */
static void read_urls(struct offers *os, struct offer *o, const json_t *row)
{
    const json_t *list = json_object_get(row, "tracking_urls");
    size_t n = json_array_size(list);
    struct err none;

    o->urls = arena_alloc(&os->arena, (n + 1) * sizeof(*o->urls));
    if (!o->urls)
        return;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);

        if (json_is_string(one))
            add_url(os, o, (struct str){json_string_value(one), json_string_length(one)}, 1);
        else
            add_url(os, o, json_get_str(one, "url", STR("")), json_get_int(one, "weight", 1));
    }
    if (n == 0)
        add_url(os, o, json_get_str(row, "final_url", STR("")), 1);
    err_set(&none, ERR_BAD_URL, "no URL with a weight above 0");
    if (o->nurls == 0)
        set_problem(os, o, STR(""), &none);
}

static void read_fallback(struct offers *os, struct offer *o, struct str text)
{
    struct url url;
    struct err err;

    if (text.len == 0)
        return;
    if (!url_parse(&os->arena, text, NULL, &url, &err)) {
        set_problem(os, o, text, &err);
    } else if (!url_is_http(&url) || url.href.len > TARGET_MAX_BYTES) {
        err_set(&err, ERR_BAD_URL, "fallback_url: no http or https URL of at most %d bytes",
                TARGET_MAX_BYTES);
        set_problem(os, o, text, &err);
    } else {
        o->fallback = url.href;
    }
}

static void read_hosts(struct offers *os, struct offer *o, const json_t *list)
{
    size_t n = json_array_size(list);

    o->hosts = arena_alloc(&os->arena, n * sizeof(*o->hosts));
    for (size_t i = 0; o->hosts && i < n; i++) {
        const json_t *one = json_array_get(list, i);
        struct str host = {json_string_value(one), json_string_length(one)};

        if (host.len)
            o->hosts[o->nhosts++] = arena_copy(&os->arena, host);
    }
}

static enum target_click_ids read_click_ids(struct str policy)
{
    if (str_equal(policy, STR("marked")))
        return TARGET_CLICK_IDS_MARKED;
    return str_equal(policy, STR("inbound")) ? TARGET_CLICK_IDS_INBOUND : TARGET_CLICK_IDS_NONE;
}

static struct str copy_text(struct offers *os, const json_t *row, const char *key)
{
    struct str text = json_get_str(row, key, (struct str){NULL, 0});

    return text.ptr ? arena_copy(&os->arena, text) : text;
}

static void read_offer(struct offers *os, struct offer *o, const json_t *row)
{
    *o = (struct offer){.name = copy_text(os, row, "offer_name"),
                        .id = copy_text(os, row, "id"),
                        .country = copy_text(os, row, "target_country"),
                        .redirect_param = copy_text(os, row, "redirect_param"),
                        .pass_params = json_get_bool(row, "pass_params", true),
                        .is_active = json_get_bool(row, "is_active", true)};
    o->trace_click_ids = read_click_ids(json_get_str(row, "trace_click_ids", STR("none")));
    o->is_country_from_header = str_equal(json_get_str(row, "country_from", STR("")), STR("header"));
    read_urls(os, o, row);
    read_hosts(os, o, json_object_get(row, "allowed_hosts"));
    read_fallback(os, o, json_get_str(row, "fallback_url", STR("")));
}

static void index_offer(struct offers *os, size_t i)
{
    size_t at = hash(os->list[i].name) & (os->nslots - 1);

    while (os->slots[at])
        at = (at + 1) & (os->nslots - 1);
    os->slots[at] = (uint32_t)i + 1;
}

static bool fill(struct offers *os, const json_t *rows)
{
    size_t n = json_array_size(rows);

    for (os->nslots = 4; os->nslots < 2 * n;)
        os->nslots *= 2;
    os->list = arena_alloc(&os->arena, n * sizeof(*os->list));
    os->slots = arena_alloc(&os->arena, os->nslots * sizeof(*os->slots));
    for (size_t i = 0; os->list && os->slots && i < n; i++) {
        read_offer(os, &os->list[os->n], json_array_get(rows, i));
        if (os->list[os->n].name.len)
            index_offer(os, os->n++);
    }
    return !os->arena.is_full;
}

bool offers_parse(struct str json, struct offers **out, struct err *err)
{
    SCOPED(json_t) rows = json_parse(json, err);
    struct offers *os;

    if (!rows)
        return false;
    if (!json_is_array(rows))
        return err_set(err, ERR_BAD_INPUT, "offers: no JSON array");
    os = calloc(1, sizeof(*os));
    if (!os)
        abort();
    arena_init(&os->arena, ARENA_MAX);
    if (!fill(os, rows)) {
        offers_destroy(os);
        return err_set(err, ERR_TOO_BIG, "offers: more than %d bytes", ARENA_MAX);
    }
    *out = os;
    return true;
}

void offers_destroy(struct offers *offers)
{
    if (!offers)
        return;
    arena_finish(&offers->arena);
    free(offers);
}

const struct offer *offers_find(const struct offers *offers, struct str name)
{
    size_t at = hash(name) & (offers->nslots - 1);

    for (; offers->slots[at]; at = (at + 1) & (offers->nslots - 1))
        if (str_equal(offers->list[offers->slots[at] - 1].name, name))
            return &offers->list[offers->slots[at] - 1];
    return NULL;
}

size_t offers_count(const struct offers *offers)
{
    return offers->n;
}

const struct offer *offers_at(const struct offers *offers, size_t i)
{
    assert(i < offers->n);
    return &offers->list[i];
}

const struct target *offer_pick(const struct offer *offer, uint32_t chance)
{
    uint64_t at;

    if (offer->nurls == 0)
        return NULL;
    at = (uint64_t)chance * offer->total_weight >> 32;
    for (size_t i = 0; i + 1 < offer->nurls; i++) {
        if (at < offer->urls[i].weight)
            return &offer->urls[i].target;
        at -= offer->urls[i].weight;
    }
    return &offer->urls[offer->nurls - 1].target;
}
