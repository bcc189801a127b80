/*
 * vast_json.c - a document's structure as JSON: the format of `vast --json`.
 */
#include "common/json.h"
#include "worker/vast/vast.h"

static json_t *url_list(const struct vast_urls *urls)
{
    json_t *list = json_array();

    for (int i = 0; i < urls->n; i++)
        json_add(list, urls->items[i].url.ptr ? json_from_str(urls->items[i].url) : json_null());
    return list;
}

static json_t *url_list_with_ids(const struct vast_urls *urls)
{
    json_t *list = json_array();

    for (int i = 0; i < urls->n; i++) {
        json_t *item = json_object();

        json_put_str(item, "id", urls->items[i].id);
        json_put_str(item, "url", urls->items[i].url);
        json_add(list, item);
    }
    return list;
}

/* A whole percentage is written as an integer. */
static json_t *number(double value)
{
    return value == (double)(int64_t)value ? json_integer((int64_t)value) : json_real(value);
}

static json_t *offset(const struct vast_offset *o)
{
    json_t *object;

    if (o->kind == VAST_OFFSET_NONE)
        return json_null();
    object = json_object();
    if (o->kind == VAST_OFFSET_PERCENT)
        json_put(object, "percent", number(o->percent));
    else
        json_put(object, "ms", o->kind == VAST_OFFSET_BAD ? json_null() : json_integer(o->ms));
    return object;
}

static json_t *tracking_list(const struct vast_trackings *trackings)
{
    json_t *list = json_array();

    for (int i = 0; i < trackings->n; i++) {
        const struct vast_tracking *t = &trackings->items[i];
        json_t *item = json_object();

        json_put_str(item, "event", t->event);
        if (str_equal(t->event, STR("progress")))
            json_put(item, "offset", offset(&t->offset));
        json_put_str(item, "url", t->url);
        json_add(list, item);
    }
    return list;
}

static json_t *media_list(const struct vast_creative *c)
{
    json_t *list = json_array();

    for (int i = 0; i < c->nmedia; i++) {
        const struct vast_media *m = &c->media[i];
        json_t *item = json_object();

        json_put_str(item, "url", m->url);
        json_put_str(item, "type", m->type);
        json_put_str(item, "delivery", m->delivery);
        json_put_str(item, "width", m->width);
        json_put_str(item, "height", m->height);
        json_put_str(item, "bitrate", m->bitrate);
        json_put_str(item, "api", m->api);
        json_add(list, item);
    }
    return list;
}

static json_t *icon_list(const struct vast_creative *c)
{
    json_t *list = json_array();

    for (int i = 0; i < c->nicons; i++) {
        json_t *item = json_object();

        json_put_str(item, "program", c->icons[i].program);
        json_put(item, "view_tracking", url_list(&c->icons[i].view_tracking));
        json_put_str(item, "click_through", c->icons[i].click_through);
        json_put(item, "click_tracking", url_list(&c->icons[i].click_tracking));
        json_add(list, item);
    }
    return list;
}

static json_t *skip(const struct vast_creative *c)
{
    json_t *object;

    if (!c->skip_raw.ptr)
        return json_null();
    object = json_object();
    json_put_str(object, "raw", c->skip_raw);
    json_put(object, "offset", offset(&c->skip));
    return object;
}

static void put_linear(json_t *object, const struct vast_creative *c)
{
    json_put_str(object, "duration_raw", c->duration_raw);
    json_put(object, "duration_ms", c->duration_ms < 0 ? json_null() : json_integer(c->duration_ms));
    json_put(object, "skip", skip(c));
    json_put(object, "media_files", media_list(c));
    json_put_int(object, "media_files_count", c->nmedia);
    json_put(object, "mezzanines", url_list(&c->mezzanines));
    json_put(object, "interactive", url_list(&c->interactive));
    json_put(object, "captions", url_list(&c->captions));
    json_put_str(object, "click_through", c->click_through);
    json_put(object, "click_tracking", url_list_with_ids(&c->click_tracking));
    json_put(object, "custom_click", url_list_with_ids(&c->custom_click));
    json_put(object, "tracking", tracking_list(&c->tracking));
    json_put(object, "icons", icon_list(c));
}

static json_t *variation_list(const struct vast_creative *c)
{
    json_t *list = json_array();

    for (int i = 0; i < c->nvariations; i++) {
        const struct vast_variation *v = &c->variations[i];
        json_t *item = json_object();

        json_put_str(item, "id", v->id);
        json_put_str(item, "width", v->width);
        json_put_str(item, "height", v->height);
        json_put(item, "static", url_list(&v->statics));
        json_put(item, "iframe", url_list(&v->iframes));
        json_put(item, "html", url_list(&v->htmls));
        json_put_str(item, "click_through", v->click_through);
        json_put(item, "click_tracking", url_list_with_ids(&v->click_tracking));
        if (c->kind == VAST_COMPANION)
            json_put(item, "tracking", tracking_list(&v->tracking));
        json_add(list, item);
    }
    return list;
}

static json_t *universal_id_list(const struct vast_creative *c)
{
    json_t *list = json_array();

    for (int i = 0; i < c->nuniversal_ids; i++) {
        json_t *item = json_object();

        json_put_str(item, "registry", c->universal_ids[i].registry);
        json_put_str(item, "value", c->universal_ids[i].value);
        json_put_str(item, "value_attr", c->universal_ids[i].value_attr);
        json_add(list, item);
    }
    return list;
}

static json_t *creative(const struct vast_creative *c)
{
    static const char *const kinds[] = {"linear", "nonlinear", "companion"};
    json_t *object = json_object();

    json_put_str(object, "type", str_from(kinds[c->kind]));
    json_put_str(object, "id", c->id);
    json_put_str(object, "sequence", c->sequence);
    json_put_str(object, "ad_id", c->ad_id);
    json_put(object, "universal_ad_ids", universal_id_list(c));
    if (c->kind == VAST_LINEAR) {
        put_linear(object, c);
        return object;
    }
    if (c->kind == VAST_COMPANION)
        json_put_str(object, "required", c->required);
    json_put(object, "variations", variation_list(c));
    if (c->kind == VAST_NONLINEAR)
        json_put(object, "tracking", tracking_list(&c->tracking));
    return object;
}

static json_t *verification_list(const struct vast_ad *ad)
{
    json_t *list = json_array();

    for (int i = 0; i < ad->nverifications; i++) {
        const struct vast_verification *v = &ad->verifications[i];
        json_t *item = json_object();

        json_put_str(item, "vendor", v->vendor);
        json_put(item, "js", url_list(&v->js));
        json_put(item, "exec", url_list(&v->exec));
        json_put(item, "tracking", tracking_list(&v->tracking));
        json_add(list, item);
    }
    return list;
}

static json_t *flag(enum vast_flag value, enum vast_flag otherwise)
{
    value = value == VAST_UNSAID ? otherwise : value;
    return value == VAST_UNSAID ? json_null() : json_boolean(value == VAST_YES);
}

static void put_ad_content(json_t *object, const struct vast_ad *ad)
{
    json_t *creatives = json_array();

    json_put_str(object, "ad_system", ad->ad_system);
    json_put_str(object, "title", ad->title);
    json_put_str(object, "ad_serving_id", ad->ad_serving_id);
    json_put(object, "errors", url_list(&ad->errors));
    json_put(object, "impressions", url_list_with_ids(&ad->impressions));
    json_put(object, "viewable", url_list(&ad->viewable));
    json_put(object, "not_viewable", url_list(&ad->not_viewable));
    json_put(object, "view_undetermined", url_list(&ad->view_undetermined));
    json_put(object, "categories", url_list(&ad->categories));
    json_put(object, "blocked_categories", url_list(&ad->blocked_categories));
    json_put_str(object, "survey", ad->survey);
    json_put(object, "verifications", verification_list(ad));
    json_put(object, "extensions", url_list(&ad->extensions));
    for (int i = 0; i < ad->ncreatives; i++)
        json_add(creatives, creative(&ad->creatives[i]));
    json_put(object, "creatives", creatives);
}

json_t *vast_ad_json(const struct vast_ad *ad)
{
    static const char *const kinds[] = {"empty", "inline", "wrapper"};
    json_t *object = json_object();

    json_put_str(object, "kind", str_from(kinds[ad->kind]));
    json_put_str(object, "id", ad->id);
    json_put_str(object, "sequence", ad->sequence);
    json_put_str(object, "ad_type", ad->ad_type);
    json_put_str(object, "conditional", ad->conditional);
    if (ad->odd_case)
        json_put_str(object, "warning", STR("element-case"));
    if (ad->kind != VAST_AD_EMPTY)
        put_ad_content(object, ad);
    if (ad->kind == VAST_AD_WRAPPER) {
        json_put_str(object, "tag_uri", ad->tag_uri);
        json_put(object, "follow_additional_wrappers", flag(ad->follow_additional_wrappers, VAST_YES));
        json_put(object, "allow_multiple_ads", flag(ad->allow_multiple_ads, VAST_NO));
        json_put(object, "fallback_on_no_ad", flag(ad->fallback_on_no_ad, VAST_UNSAID));
    }
    return object;
}

json_t *vast_doc_json(const struct vast_doc *doc)
{
    json_t *object = json_object(), *ads;
    int code = vast_result_code(doc->result);

    json_put_str(object, "result", str_from(vast_result_name(doc->result)));
    json_put(object, "error_code", code ? json_integer(code) : json_null());
    if (doc->problem[0])
        json_put_str(object, "problem", str_from(doc->problem));
    if (doc->repaired)
        json_put(object, "repaired", vast_doc_json(doc->repaired));
    if (doc->result != VAST_OK && doc->result != VAST_NO_AD)
        return object;
    ads = json_array();
    json_put_str(object, "version", doc->version);
    json_put(object, "root_errors", url_list(&doc->root_errors));
    for (int i = 0; i < doc->nads; i++)
        json_add(ads, vast_ad_json(&doc->ads[i]));
    json_put(object, "ads", ads);
    return object;
}
