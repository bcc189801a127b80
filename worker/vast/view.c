/*
 * view.c - the events of one view (view.h). What is scheduled, and when, is events.c; the URL of one event is
 * view_url.c.
 */
#include "worker/vast/view.h"

#include "common/json.h"
#include "worker/vast/allow.h"
#include "worker/vast/events.h"
#include "worker/vast/relative.h"

#include <inttypes.h>
#include <stdio.h>

struct view {
    struct arena *arena;
    const struct vast_ad *ad;
    const struct vast_creative *creative;
    const struct vast_provider *provider;
    struct vast_sender sender; /* as the provider wants it */
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

static json_t *macro_json(const struct vast_macro *macro)
{
    json_t *list;

    if (macro->is_withheld)
        return json_null();
    if (macro->nvalues == 1)
        return json_from_str(macro->values[0]);
    list = json_array();
    for (int i = 0; i < macro->nvalues; i++)
        json_add(list, json_from_str(macro->values[i]));
    return list;
}

/* What the provider says goes over what the document does. */
static void put_provider(json_t *macros, struct str url_template, const struct vast_provider *p)
{
    for (int i = 0; i < p->nmacros; i++)
        if (wants(url_template, p->macros[i].name.ptr))
            json_put(macros, p->macros[i].name.ptr, macro_json(&p->macros[i]));
}

/* What the document itself says, as far as the URL asks for it. at_ms -1: on request. */
static void put_document(const struct view *v, json_t *macros, struct str url_template, int64_t at_ms)
{
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
}

/* at_ms -1: on request. code 0: no error that has happened. */
static void put_event(struct view *v, struct str name, struct str url_template, int ord, int64_t at_ms,
                      bool is_billing, int code)
{
    json_t *event = json_object(), *macros = json_object();
    struct url url;
    struct err err;

    if (v->creative)
        put_document(v, macros, url_template, at_ms);
    put_provider(macros, url_template, v->provider);
    if (code)
        put_wanted(macros, url_template, "ERRORCODE", str_from(arena_printf(v->arena, "%d", code)));
    json_put_str(event, "event", name);
    json_put_int(event, "ord", ord);
    if (at_ms >= 0)
        json_put_int(event, "at_ms", at_ms);
    json_put(event, "billing", json_boolean(is_billing));
    json_put_str(event, "template", url_template);
    json_put(event, "macros", macros);
    if (!vast_provider_logs(v->provider, name))
        json_put(event, "logged", json_false());
    if (vast_event_url(v->arena, url_template, macros, NULL, &v->sender, &url, &err)) {
        json_put_str(event, "url", url.href);
        json_put_str(event, "host", allow_host(&url));
    }
    json_add(v->events, event);
}

static void add_event(struct view *v, struct str name, struct str url_template, int ord, int64_t at_ms,
                      bool is_billing)
{
    put_event(v, name, url_template, ord, at_ms, is_billing, 0);
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
        if (schedule->items[i].of == t)
            return true;
    return false;
}

static void add_urls(struct view *v, const char *name, const struct vast_urls *urls, int ord, bool is_billing)
{
    for (int i = 0; i < urls->n; i++)
        add_event(v, str_from(name), vast_absolute(v->arena, urls->items[i].url, urls->items[i].base), ord,
                  -1, is_billing);
}

/* Trackers of something beside the linear creative: its name, a dash, the event's. */
static void add_trackings(struct view *v, const char *of, const struct vast_trackings *trackings)
{
    for (int i = 0; i < trackings->n; i++) {
        const struct vast_tracking *t = &trackings->items[i];
        const char *name = arena_printf(v->arena, "%s%.*s", of, STR_ARG(t->event));

        if (name)
            add_event(v, str_from(name), vast_absolute(v->arena, t->url, t->base), 1, -1, false);
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
            add_event(v, c->tracking.items[i].event,
                      vast_absolute(v->arena, c->tracking.items[i].url, c->tracking.items[i].base), 1, -1,
                      false);
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

static struct view view_begin(struct arena *a, const struct vast_sender *sender,
                              const struct vast_provider *provider)
{
    struct view v = {.arena = a, .provider = provider, .sender = *sender, .events = json_array()};

    v.sender.mode = provider->macro_mode;
    v.sender.formats = provider->macro_formats;
    return v;
}

/* What whoever expands the URLs later has to know of the provider. */
static void put_rules(json_t *object, const struct vast_provider *p)
{
    static const char *const formats[][2] = {
        [VAST_MACRO_BOTH] = {"[]", "${}"}, [VAST_MACRO_BRACKETS] = {"[]"}, [VAST_MACRO_DOLLARS] = {"${}"}};
    json_t *list = json_array();

    if (!p->name.len)
        return json_decref(list);
    for (int i = 0; i < 2 && formats[p->macro_formats][i]; i++)
        json_add(list, json_string(formats[p->macro_formats][i]));
    json_put_str(object, "provider", p->name);
    json_put_str(object, "macro_mode", p->macro_mode == VAST_MACRO_IAB ? STR("iab") : STR("leave"));
    json_put(object, "macro_formats", list);
}

static bool view_end(struct view *v, json_t *object, json_t **out, struct err *err)
{
    json_put(object, "events", v->events);
    put_rules(object, v->provider);
    if (!v->arena->is_full) {
        *out = object;
        return true;
    }
    json_decref(object);
    return err_set(err, ERR_TOO_BIG, "the ad's events need more than %zu bytes", v->arena->ceiling);
}

bool vast_view_json(struct arena *a, const struct vast_ad *ad, int ad_index, const struct vast_sender *sender,
                    const struct vast_provider *provider, json_t **out, struct err *err)
{
    int at = vast_view_creative(ad);
    const struct vast_creative *creative = &ad->creatives[at];
    struct vast_schedule schedule;
    struct view v;
    json_t *object;

    if (!vast_schedule(a, ad, creative, &schedule, err))
        return false;
    v = view_begin(a, sender, provider);
    v.ad = ad;
    v.creative = creative;
    object = json_object();
    json_put_int(object, "ad", ad_index);
    json_put_int(object, "creative", at);
    put_text(object, "ad_id", ad->id);
    put_text(object, "creative_id", creative->id.len ? creative->id : creative->ad_id);
    put_text(object, "ad_system", ad->ad_system);
    if (creative->duration_ms >= 0)
        json_put_int(object, "duration_ms", creative->duration_ms);
    add_schedule(&v, &schedule);
    add_on_request(&v, &schedule);
    return view_end(&v, object, out, err);
}

bool vast_lost_json(struct arena *a, const struct vast_failure *failure, int ad_index,
                    const struct vast_sender *sender, const struct vast_provider *provider, json_t **out,
                    struct err *err)
{
    struct view v = view_begin(a, sender, provider);
    json_t *object = json_object();

    json_put_int(object, "ad", ad_index);
    json_put_int(object, "creative", 0);
    put_text(object, "ad_id", failure->ad);
    json_put_int(object, "error_code", failure->code);
    for (int i = 0; i < failure->errors.n; i++) {
        const struct vast_url *to = &failure->errors.items[i];

        put_event(&v, STR("error"), vast_absolute(a, to->url, to->base), 0, 0, false, failure->code);
    }
    return view_end(&v, object, out, err);
}
