/*
 * view.c - see view.h. What is scheduled, and when, is events.c; how macros expand is macros.c.
 */
#include "worker/vast/view.h"

#include "common/json.h"
#include "worker/vast/allow.h"
#include "worker/vast/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MACROS_MAX = 64, LIST_MAX = 32, URL_BYTES_MAX = URL_MAX_BYTES };

/* --- the URL of an event ---------------------------------------------------------------------------------
 */

static struct str text_of(const json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

/* A text, or a list of texts; anything else is no value. */
static bool read_values(struct arena *a, const json_t *value, struct vast_macro *out)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    struct str *values;

    if (n > LIST_MAX || (!json_is_array(value) && !json_is_string(value)))
        return false;
    values = arena_alloc(a, sizeof(*values) * (n + 1));
    for (size_t i = 0; values && i < n; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;

        values[i] = json_is_string(item) ? text_of(item) : STR("");
    }
    out->values = values;
    out->nvalues = values ? (int)n : 0;
    return values != NULL;
}

static void add_text(struct arena *a, struct vast_macro *items, int *n, struct str name, struct str text)
{
    struct str *value = arena_alloc(a, sizeof(*value));

    if (!value || *n == MACROS_MAX)
        return;
    *value = text;
    items[(*n)++] = (struct vast_macro){.name = name, .values = value, .nvalues = 1};
}

static int read_macros(struct arena *a, const json_t *object, const struct vast_sender *sender,
                       struct vast_macro *items)
{
    const char *key;
    json_t *value;
    int n = 0;

    /* What we say of ourselves is not the caller's to change. */
    add_text(a, items, &n, STR("SERVERSIDE"), STR("2"));
    add_text(a, items, &n, STR("SERVERUA"), sender->user_agent);
    json_object_foreach((json_t *)object, key, value)
    {
        struct vast_macro macro = {.name = str_from(key)};

        if (n < MACROS_MAX && read_values(a, value, &macro))
            items[n++] = macro;
    }
    return n;
}

static void put_params(struct buf *out, const json_t *params)
{
    const char *key;
    json_t *value;
    char glue = str_find(buf_str(out), 0, '?') == out->len ? '?' : '&';

    json_object_foreach((json_t *)params, key, value)
    {
        if (!json_is_string(value))
            continue;
        buf_append_char(out, glue);
        url_percent_encode(out, str_from(key), URL_ENCODE_COMPONENT);
        buf_append_char(out, '=');
        url_percent_encode(out, text_of(value), URL_ENCODE_COMPONENT);
        glue = '&';
    }
}

bool vast_event_url(struct arena *a, struct str url_template, const json_t *macros, const json_t *params,
                    const struct vast_sender *sender, struct url *out, struct err *err)
{
    struct vast_macro items[MACROS_MAX];
    struct vast_macros all = {
        .items = items, .wall_ms = sender->wall_ms, .random = sender->random, .arg = sender->arg};
    SCOPED_VALUE(buf) text = {.max = URL_BYTES_MAX};

    all.n = read_macros(a, macros, sender, items);
    if (a->is_full || !vast_macro_expand(url_template, &all, sender->mode, &text))
        return err_set(err, ERR_TOO_BIG, "an expanded URL of more than %d bytes", URL_BYTES_MAX);
    put_params(&text, params);
    if (text.is_full)
        return err_set(err, ERR_TOO_BIG, "an expanded URL of more than %d bytes", URL_BYTES_MAX);
    return url_parse(a, buf_str(&text), NULL, out, err);
}

/* --- a view ----------------------------------------------------------------------------------------------
 */

struct view {
    struct arena *arena;
    const struct vast_ad *ad;
    const struct vast_creative *creative;
    const struct vast_sender *sender;
    json_t *events;
};

int vast_view_creative(const struct vast_ad *ad)
{
    for (int i = 0; i < ad->ncreatives; i++)
        if (ad->creatives[i].kind == VAST_LINEAR)
            return i;
    return ad->ncreatives > 0 ? 0 : -1;
}

static bool wants(struct str url_template, const char *macro)
{
    struct str name;

    for (size_t at = 0; vast_macro_next(url_template, &at, &name);)
        if (str_equal(name, str_from(macro)))
            return true;
    return false;
}

static void put_wanted(json_t *macros, struct str url_template, const char *name, struct str value)
{
    if (value.len && wants(url_template, name))
        json_put_str(macros, name, value);
}

static void put_playhead(json_t *macros, struct str url_template, int64_t at_ms)
{
    char text[48];

    snprintf(text, sizeof(text), "%02" PRId64 ":%02d:%02d.%03d", at_ms / 3600000, (int)(at_ms / 60000 % 60),
             (int)(at_ms / 1000 % 60), (int)(at_ms % 1000));
    put_wanted(macros, url_template, "ADPLAYHEAD", str_from(text));
    put_wanted(macros, url_template, "MEDIAPLAYHEAD", str_from(text));
}

/* What the document itself says, as far as the URL asks for it. at_ms -1: on request. */
static json_t *context(const struct view *v, struct str url_template, int64_t at_ms)
{
    json_t *macros = json_object();

    if (at_ms >= 0)
        put_playhead(macros, url_template, at_ms);
    if (v->creative->nmedia > 0)
        put_wanted(macros, url_template, "ASSETURI", v->creative->media[0].url);
    put_wanted(macros, url_template, "ADSERVINGID", v->ad->ad_serving_id);
    put_wanted(macros, url_template, "ADTYPE", v->ad->ad_type);
    put_wanted(macros, url_template, "PODSEQUENCE", v->ad->sequence);
    if (v->creative->nuniversal_ids > 0 && wants(url_template, "UNIVERSALADID")) {
        const struct vast_universal_id *id = &v->creative->universal_ids[0];
        const char *both = arena_printf(v->arena, "%.*s %.*s", STR_ARG(id->registry),
                                        STR_ARG(id->value.len ? id->value : id->value_attr));

        json_put_str(macros, "UNIVERSALADID", str_from(both));
    }
    return macros;
}

/* at_ms -1: on request. */
static void add_event(struct view *v, struct str name, struct str url_template, int ord, int64_t at_ms,
                      bool is_billing)
{
    json_t *event = json_object(), *macros = context(v, url_template, at_ms);
    struct url url;
    struct err err;

    json_put_str(event, "event", name);
    json_put_int(event, "ord", ord);
    if (at_ms >= 0)
        json_put_int(event, "at_ms", at_ms);
    json_put(event, "billing", json_boolean(is_billing));
    json_put_str(event, "template", url_template);
    json_put(event, "macros", macros);
    if (vast_event_url(v->arena, url_template, macros, NULL, v->sender, &url, &err)) {
        json_put_str(event, "url", url.href);
        json_put_str(event, "host", allow_host(&url));
    }
    json_array_append_new(v->events, event);
}

static void add_schedule(struct view *v, const struct vast_schedule *schedule)
{
    int ord = 0;

    for (int i = 0; i < schedule->n; i++) {
        const struct vast_event *e = &schedule->items[i];
        bool is_same =
            i > 0 && e->at_ms == schedule->items[i - 1].at_ms && e->stage == schedule->items[i - 1].stage;

        if (!is_same && e->stage != VAST_STAGE_IMPRESSION)
            ord++;
        add_event(v, e->name, e->url, ord, e->at_ms, e->is_billing);
    }
}

static bool is_scheduled(const struct vast_schedule *schedule, const struct vast_tracking *t)
{
    for (int i = 0; i < schedule->n; i++)
        if (schedule->items[i].url.ptr == t->url.ptr)
            return true;
    return false;
}

static void add_urls(struct view *v, const char *name, const struct vast_urls *urls, int ord, bool is_billing)
{
    for (int i = 0; i < urls->n; i++)
        add_event(v, str_from(name), urls->items[i].url, ord, -1, is_billing);
}

/* Trackers of something beside the linear creative: its name, a dash, the event's. */
static void add_trackings(struct view *v, const char *of, const struct vast_trackings *trackings)
{
    for (int i = 0; i < trackings->n; i++) {
        const struct vast_tracking *t = &trackings->items[i];
        const char *name = arena_printf(v->arena, "%s%.*s", of, STR_ARG(t->event));

        if (name)
            add_event(v, str_from(name), t->url, 1, -1, false);
    }
}

static void add_companions(struct view *v)
{
    for (int i = 0; i < v->ad->ncreatives; i++) {
        const struct vast_creative *c = &v->ad->creatives[i];
        const char *of = c->kind == VAST_COMPANION ? "companion-" : "nonlinear-";

        for (int k = 0; c->kind != VAST_LINEAR && k < c->nvariations; k++) {
            add_trackings(v, of, &c->variations[k].tracking);
            add_urls(v, c->kind == VAST_COMPANION ? "companion-click" : "nonlinear-click",
                     &c->variations[k].click_tracking, 1, true);
        }
    }
}

static void add_on_request(struct view *v, const struct vast_schedule *schedule)
{
    const struct vast_ad *ad = v->ad;
    const struct vast_creative *c = v->creative;

    add_urls(v, "error", &ad->errors, 0, false);
    add_urls(v, "viewable", &ad->viewable, 1, true);
    add_urls(v, "notViewable", &ad->not_viewable, 1, false);
    add_urls(v, "viewUndetermined", &ad->view_undetermined, 1, false);
    add_urls(v, "click", &c->click_tracking, 1, true);
    add_urls(v, "customClick", &c->custom_click, 1, true);
    for (int i = 0; i < c->tracking.n; i++)
        if (!is_scheduled(schedule, &c->tracking.items[i]))
            add_event(v, c->tracking.items[i].event, c->tracking.items[i].url, 1, -1, false);
    for (int i = 0; i < c->nicons; i++) {
        add_urls(v, "icon-view", &c->icons[i].view_tracking, 1, false);
        add_urls(v, "icon-click", &c->icons[i].click_tracking, 1, true);
    }
    for (int i = 0; i < ad->nverifications; i++)
        add_trackings(v, "", &ad->verifications[i].tracking);
    add_companions(v);
}

static void put_text(json_t *object, const char *key, struct str value)
{
    if (value.len)
        json_put_str(object, key, value);
}

bool vast_view_json(struct arena *a, const struct vast_ad *ad, int ad_index, const struct vast_sender *sender,
                    json_t **out, struct err *err)
{
    int at = vast_view_creative(ad);
    struct view v = {.arena = a, .ad = ad, .creative = &ad->creatives[at], .sender = sender};
    struct vast_schedule schedule;
    json_t *object;

    if (!vast_schedule(a, ad, v.creative, &schedule, err))
        return false;
    object = json_object();
    v.events = json_array();
    json_put_int(object, "ad", ad_index);
    json_put_int(object, "creative", at);
    put_text(object, "ad_id", ad->id);
    put_text(object, "creative_id", v.creative->id.len ? v.creative->id : v.creative->ad_id);
    put_text(object, "ad_system", ad->ad_system);
    if (v.creative->duration_ms >= 0)
        json_put_int(object, "duration_ms", v.creative->duration_ms);
    json_put(object, "events", v.events);
    add_schedule(&v, &schedule);
    add_on_request(&v, &schedule);
    if (!a->is_full) {
        *out = object;
        return true;
    }
    json_decref(object);
    return err_set(err, ERR_TOO_BIG, "the ad's events need more than %zu bytes", a->ceiling);
}
