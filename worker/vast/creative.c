/*
 * creative.c - Creative: linear, non-linear and companion, with their trackers.
 */
#include "worker/vast/dom.h"

void vast_read_tracking(struct arena *a, const struct dom_node *parent, struct vast_trackings *out)
{
    EACH_ELEMENT(events, parent)
    {
        if (!dom_is(events, "TrackingEvents"))
            continue;
        EACH_ELEMENT(node, events)
        {
            struct vast_tracking tracking = {.line = node->line}, *slot;

            if (!dom_is(node, "Tracking"))
                continue;
            tracking.event = dom_attribute(a, node, "event");
            tracking.url = dom_text(a, node);
            if (!tracking.event.ptr || !tracking.url.ptr)
                continue;
            if (str_equal(tracking.event, STR("progress")))
                tracking.offset = vast_read_offset(dom_attribute(a, node, "offset"));
            slot = DOM_APPEND(a, out->items, out->n, out->cap);
            if (slot)
                *slot = tracking;
        }
    }
}

static void read_media_files(struct arena *a, const struct dom_node *files, struct vast_creative *c)
{
    EACH_ELEMENT(node, files)
    {
        struct vast_media *media;

        if (!dom_is(node, "MediaFile"))
            continue;
        media = DOM_APPEND(a, c->media, c->nmedia, c->media_cap);
        if (!media)
            return;
        *media = (struct vast_media){
            .url = dom_text(a, node),
            .type = dom_attribute(a, node, "type"),
            .delivery = dom_attribute(a, node, "delivery"),
            .width = dom_attribute(a, node, "width"),
            .height = dom_attribute(a, node, "height"),
            .bitrate = dom_attribute(a, node, "bitrate"),
            .api = dom_attribute(a, node, "apiFramework"),
            .line = node->line,
        };
    }
}

static void read_icons(struct arena *a, const struct dom_node *icons, struct vast_creative *c)
{
    EACH_ELEMENT(node, icons)
    {
        const struct dom_node *clicks = dom_child(node, "IconClicks");
        struct vast_icon *icon;

        if (!dom_is(node, "Icon"))
            continue;
        icon = DOM_APPEND(a, c->icons, c->nicons, c->icons_cap);
        if (!icon)
            return;
        *icon = (struct vast_icon){
            .program = dom_attribute(a, node, "program"),
            .click_through = dom_text(a, dom_child(clicks, "IconClickThrough")),
        };
        dom_urls(a, node, "IconViewTracking", &icon->view_tracking);
        dom_urls(a, clicks, "IconClickTracking", &icon->click_tracking);
    }
}

static void read_linear(struct arena *a, const struct dom_node *node, struct vast_creative *c)
{
    const struct dom_node *files = dom_child(node, "MediaFiles"), *clicks = dom_child(node, "VideoClicks");

    c->duration_raw = dom_text(a, dom_child(node, "Duration"));
    c->duration_ms = c->duration_raw.ptr ? vast_duration_ms(c->duration_raw) : -1;
    c->skip_raw = dom_attribute(a, node, "skipoffset");
    c->skip = vast_read_offset(c->skip_raw);
    EACH_ELEMENT(child, node)
    {
        if (dom_is(child, "MediaFiles"))
            read_media_files(a, child, c);
    }
    dom_urls(a, files, "Mezzanine", &c->mezzanines);
    dom_urls(a, files, "InteractiveCreativeFile", &c->interactive);
    dom_urls(a, dom_child(files, "ClosedCaptionFiles"), "ClosedCaptionFile", &c->captions);
    c->click_through = dom_text(a, dom_child(clicks, "ClickThrough"));
    dom_urls(a, clicks, "ClickTracking", &c->click_tracking);
    dom_urls(a, clicks, "CustomClick", &c->custom_click);
    vast_read_tracking(a, node, &c->tracking);
    read_icons(a, dom_child(node, "Icons"), c);
}

/* The names that NonLinear and Companion give to the same things. */
struct variation_names {
    const char *element, *click_through, *click_tracking;
    bool has_tracking;
};

static void read_variations(struct arena *a, const struct dom_node *parent,
                            const struct variation_names *names, struct vast_creative *c)
{
    EACH_ELEMENT(node, parent)
    {
        struct vast_variation *v;

        if (!dom_is(node, names->element))
            continue;
        v = DOM_APPEND(a, c->variations, c->nvariations, c->variations_cap);
        if (!v)
            return;
        *v = (struct vast_variation){
            .id = dom_attribute(a, node, "id"),
            .width = dom_attribute(a, node, "width"),
            .height = dom_attribute(a, node, "height"),
            .click_through = dom_text(a, dom_child(node, names->click_through)),
            .line = node->line,
        };
        dom_urls(a, node, "StaticResource", &v->statics);
        dom_urls(a, node, "IFrameResource", &v->iframes);
        dom_urls(a, node, "HTMLResource", &v->htmls);
        dom_urls(a, node, names->click_tracking, &v->click_tracking);
        if (names->has_tracking)
            vast_read_tracking(a, node, &v->tracking);
    }
}

static void read_kind(struct arena *a, const struct dom_node *node, struct vast_creative *c)
{
    static const struct variation_names nonlinear = {"NonLinear", "NonLinearClickThrough",
                                                     "NonLinearClickTracking", false};
    static const struct variation_names companion = {"Companion", "CompanionClickThrough",
                                                     "CompanionClickTracking", true};

    switch (c->kind) {
    case VAST_LINEAR:
        read_linear(a, node, c);
        break;
    case VAST_NONLINEAR:
        read_variations(a, node, &nonlinear, c);
        vast_read_tracking(a, node, &c->tracking);
        break;
    case VAST_COMPANION:
        c->required = dom_attribute(a, node, "required");
        read_variations(a, node, &companion, c);
        break;
    }
}

static bool creative_kind(const struct dom_node *node, enum vast_creative_kind *out)
{
    static const char *const names[] = {"Linear", "NonLinearAds", "CompanionAds"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (dom_is(node, names[i])) {
            *out = (enum vast_creative_kind)i;
            return true;
        }
    }
    return false;
}

static void read_universal_ids(struct arena *a, const struct dom_node *creative, struct vast_creative *c)
{
    EACH_ELEMENT(node, creative)
    {
        struct vast_universal_id *id;

        if (!dom_is(node, "UniversalAdId"))
            continue;
        id = DOM_APPEND(a, c->universal_ids, c->nuniversal_ids, c->universal_ids_cap);
        if (id)
            *id = (struct vast_universal_id){dom_attribute(a, node, "idRegistry"), dom_text(a, node),
                                             dom_attribute(a, node, "idValue")};
    }
}

/* The AdID attribute was spelt in three ways over the versions. */
static struct str read_ad_id(struct arena *a, const struct dom_node *creative)
{
    static const char *const spellings[] = {"AdID", "adID", "adId"};
    struct str id = {NULL, 0};

    for (size_t i = 0; i < ARRAY_LEN(spellings) && !id.ptr; i++)
        id = dom_attribute(a, creative, spellings[i]);
    return id;
}

/* One Creative holds one kind as a rule; a document with several in one gives one creative each. */
static void read_creative(struct arena *a, const struct dom_node *creative, struct vast_ad *ad)
{
    EACH_ELEMENT(node, creative)
    {
        enum vast_creative_kind kind;
        struct vast_creative *c;

        if (!creative_kind(node, &kind))
            continue;
        c = DOM_APPEND(a, ad->creatives, ad->ncreatives, ad->creatives_cap);
        if (!c)
            return;
        *c = (struct vast_creative){
            .kind = kind,
            .id = dom_attribute(a, creative, "id"),
            .sequence = dom_attribute(a, creative, "sequence"),
            .ad_id = read_ad_id(a, creative),
            .line = creative->line,
            .duration_ms = -1,
        };
        read_universal_ids(a, creative, c);
        read_kind(a, node, c);
    }
}

void vast_read_creatives(struct arena *a, const struct dom_node *parent, struct vast_ad *ad)
{
    EACH_ELEMENT(creatives, parent)
    {
        if (!dom_is(creatives, "Creatives"))
            continue;
        EACH_ELEMENT(creative, creatives)
        {
            if (dom_is(creative, "Creative"))
                read_creative(a, creative, ad);
        }
    }
}
