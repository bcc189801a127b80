/*
 * merge.c - an ad as its wrappers make it: what each adds, in the order of the chain.
 *
 * Nothing of a wrapper is lost: players that left some out are why impressions of two systems differ.
 */
#include "worker/vast/dom.h"
#include "worker/vast/wrapper.h"

#include <string.h>

struct chain {
    struct arena *arena;
    const struct vast_ad *const *wrappers; /* outermost first */
    int n;
};

static void add_urls(struct arena *a, struct vast_urls *out, const struct vast_urls *more)
{
    for (int i = 0; i < more->n; i++)
        dom_add_url(a, out, more->items[i]);
}

static void add_trackings(struct arena *a, struct vast_trackings *out, const struct vast_trackings *more)
{
    for (int i = 0; i < more->n; i++) {
        struct vast_tracking *slot = DOM_APPEND(a, out->items, out->n, out->cap);

        if (slot)
            *slot = more->items[i];
    }
}

/* --- the ad itself -------------------------------------------------------------------------------- */

/* The lists of URLs that every ad of a chain adds to. */
static const size_t url_lists[] = {
    offsetof(struct vast_ad, errors),
    offsetof(struct vast_ad, impressions),
    offsetof(struct vast_ad, viewable),
    offsetof(struct vast_ad, not_viewable),
    offsetof(struct vast_ad, view_undetermined),
    offsetof(struct vast_ad, blocked_categories),
    offsetof(struct vast_ad, extensions),
};

static struct vast_urls *list_of(const struct vast_ad *ad, size_t at)
{
    return (struct vast_urls *)((char *)ad + at);
}

static void merge_lists(const struct chain *c, struct vast_ad *out, const struct vast_ad *ad)
{
    for (size_t i = 0; i < ARRAY_LEN(url_lists); i++) {
        struct vast_urls all = {0};

        for (int w = 0; w < c->n; w++)
            add_urls(c->arena, &all, list_of(c->wrappers[w], url_lists[i]));
        add_urls(c->arena, &all, list_of(ad, url_lists[i]));
        *list_of(out, url_lists[i]) = all;
    }
}

static void add_verifications(struct arena *a, struct vast_ad *out, const struct vast_ad *from)
{
    for (int i = 0; i < from->nverifications; i++) {
        struct vast_verification *slot =
            DOM_APPEND(a, out->verifications, out->nverifications, out->verifications_cap);

        if (slot)
            *slot = from->verifications[i];
    }
}

static void merge_verifications(const struct chain *c, struct vast_ad *out, const struct vast_ad *ad)
{
    out->verifications = NULL;
    out->nverifications = out->verifications_cap = 0;
    for (int w = 0; w < c->n; w++)
        add_verifications(c->arena, out, c->wrappers[w]);
    add_verifications(c->arena, out, ad);
}

/* --- linear --------------------------------------------------------------------------------------- */

static bool has_program(const struct vast_creative *c, struct str program)
{
    for (int i = 0; i < c->nicons; i++)
        if (program.ptr && str_equal(c->icons[i].program, program))
            return true;
    return false;
}

/* Of the icons of one program the closest to the ad is shown (VAST 4.2, 3.11). */
static void add_icons(struct arena *a, struct vast_creative *out, const struct vast_creative *from)
{
    for (int i = 0; i < from->nicons; i++) {
        struct vast_icon *slot;

        if (has_program(out, from->icons[i].program))
            continue;
        slot = DOM_APPEND(a, out->icons, out->nicons, out->icons_cap);
        if (slot)
            *slot = from->icons[i];
    }
}

static void add_linear(struct arena *a, struct vast_creative *out, const struct vast_creative *from)
{
    add_trackings(a, &out->tracking, &from->tracking);
    add_urls(a, &out->click_tracking, &from->click_tracking);
    add_urls(a, &out->custom_click, &from->custom_click);
    add_urls(a, &out->interactive, &from->interactive);
}

static void start_linear(struct vast_creative *out)
{
    out->tracking = (struct vast_trackings){0};
    out->click_tracking = out->custom_click = out->interactive = (struct vast_urls){0};
}

static void each_creative(const struct vast_ad *wrapper, enum vast_creative_kind kind, struct arena *a,
                          struct vast_creative *out,
                          void (*add)(struct arena *a, struct vast_creative *out,
                                      const struct vast_creative *from))
{
    for (int i = 0; i < wrapper->ncreatives; i++)
        if (wrapper->creatives[i].kind == kind)
            add(a, out, &wrapper->creatives[i]);
}

static void take_click_through(struct arena *a, struct vast_creative *out, const struct vast_creative *from)
{
    (void)a;
    if (!out->click_through.ptr)
        out->click_through = from->click_through;
}

static void merge_linear(const struct chain *c, struct vast_creative *out, const struct vast_creative *own)
{
    start_linear(out);
    for (int w = 0; w < c->n; w++)
        each_creative(c->wrappers[w], VAST_LINEAR, c->arena, out, add_linear);
    add_linear(c->arena, out, own);
    out->icons_cap = out->nicons; /* a list that grows is copied: the document's stays as it is */
    for (int w = c->n - 1; w >= 0; w--) {
        each_creative(c->wrappers[w], VAST_LINEAR, c->arena, out, add_icons);
        each_creative(c->wrappers[w], VAST_LINEAR, c->arena, out, take_click_through);
    }
}

/* --- non-linear ----------------------------------------------------------------------------------- */

static struct vast_variation *copy_variations(struct arena *a, const struct vast_creative *c)
{
    struct vast_variation *copy = arena_alloc(a, ((size_t)c->nvariations + 1) * sizeof(*copy));

    if (copy && c->nvariations)
        memcpy(copy, c->variations, (size_t)c->nvariations * sizeof(*copy));
    return copy;
}

static void add_nonlinear(struct arena *a, struct vast_creative *out, const struct vast_creative *from)
{
    add_trackings(a, &out->tracking, &from->tracking);
    for (int i = 0; i < out->nvariations; i++)
        for (int k = 0; k < from->nvariations; k++)
            add_urls(a, &out->variations[i].click_tracking, &from->variations[k].click_tracking);
}

static void merge_nonlinear(const struct chain *c, struct vast_creative *out, const struct vast_creative *own)
{
    out->tracking = (struct vast_trackings){0};
    out->variations = copy_variations(c->arena, own);
    if (!out->variations)
        return;
    out->variations_cap = out->nvariations;
    for (int i = 0; i < out->nvariations; i++)
        out->variations[i].click_tracking = (struct vast_urls){0};
    for (int w = 0; w < c->n; w++)
        each_creative(c->wrappers[w], VAST_NONLINEAR, c->arena, out, add_nonlinear);
    add_trackings(c->arena, &out->tracking, &own->tracking);
    for (int i = 0; i < out->nvariations; i++)
        add_urls(c->arena, &out->variations[i].click_tracking, &own->variations[i].click_tracking);
}

/* --- companions ----------------------------------------------------------------------------------- */

static bool has_resource(const struct vast_variation *v)
{
    return v->statics.n || v->iframes.n || v->htmls.n;
}

static bool is_same_size(const struct vast_variation *a, const struct vast_variation *b)
{
    return (!a->width.ptr || str_equal(a->width, b->width)) &&
           (!a->height.ptr || str_equal(a->height, b->height));
}

/* A wrapper's companion without a resource only tracks those of its size (VAST 4.2, 3.14). */
static void track_companion(struct arena *a, struct vast_variation *out, const struct vast_ad *wrapper)
{
    for (int i = 0; i < wrapper->ncreatives; i++) {
        const struct vast_creative *c = &wrapper->creatives[i];

        for (int k = 0; c->kind == VAST_COMPANION && k < c->nvariations; k++) {
            if (has_resource(&c->variations[k]) || !is_same_size(&c->variations[k], out))
                continue;
            add_trackings(a, &out->tracking, &c->variations[k].tracking);
            add_urls(a, &out->click_tracking, &c->variations[k].click_tracking);
        }
    }
}

static void merge_companion(const struct chain *c, struct vast_creative *out, const struct vast_creative *own)
{
    out->variations = copy_variations(c->arena, own);
    if (!out->variations)
        return;
    out->variations_cap = out->nvariations;
    for (int i = 0; i < out->nvariations; i++) {
        struct vast_variation *v = &out->variations[i];

        v->tracking = (struct vast_trackings){0};
        v->click_tracking = (struct vast_urls){0};
        for (int w = 0; w < c->n; w++)
            track_companion(c->arena, v, c->wrappers[w]);
        add_trackings(c->arena, &v->tracking, &own->variations[i].tracking);
        add_urls(c->arena, &v->click_tracking, &own->variations[i].click_tracking);
    }
}

static bool has_companions(const struct vast_ad *ad)
{
    for (int i = 0; i < ad->ncreatives; i++)
        for (int k = 0; ad->creatives[i].kind == VAST_COMPANION && k < ad->creatives[i].nvariations; k++)
            if (has_resource(&ad->creatives[i].variations[k]))
                return true;
    return false;
}

/* An ad without companions shows those of the closest wrapper that has some. */
static void borrow_companions(const struct chain *c, struct vast_ad *out)
{
    int w = c->n - 1;

    if (has_companions(out))
        return;
    while (w >= 0 && !has_companions(c->wrappers[w]))
        w--;
    for (int i = 0; w >= 0 && i < c->wrappers[w]->ncreatives; i++) {
        struct vast_creative *slot;

        if (c->wrappers[w]->creatives[i].kind != VAST_COMPANION)
            continue;
        slot = DOM_APPEND(c->arena, out->creatives, out->ncreatives, out->creatives_cap);
        if (slot)
            *slot = c->wrappers[w]->creatives[i];
    }
}

/* --- all of it ------------------------------------------------------------------------------------ */

static void merge_creatives(const struct chain *c, struct vast_ad *out, const struct vast_ad *ad)
{
    out->creatives = NULL;
    out->ncreatives = out->creatives_cap = 0;
    for (int i = 0; i < ad->ncreatives; i++) {
        const struct vast_creative *own = &ad->creatives[i];
        struct vast_creative *slot =
            DOM_APPEND(c->arena, out->creatives, out->ncreatives, out->creatives_cap);

        if (!slot)
            return;
        *slot = *own;
        switch (own->kind) {
        case VAST_LINEAR:
            merge_linear(c, slot, own);
            break;
        case VAST_NONLINEAR:
            merge_nonlinear(c, slot, own);
            break;
        case VAST_COMPANION:
            merge_companion(c, slot, own);
            break;
        }
    }
    borrow_companions(c, out);
}

struct vast_ad *vast_merge(struct arena *a, const struct vast_ad *const *wrappers, int nwrappers,
                           const struct vast_ad *ad)
{
    struct chain c = {.arena = a, .wrappers = wrappers, .n = nwrappers};
    struct vast_ad *out = arena_alloc(a, sizeof(*out));

    if (!out)
        return NULL;
    *out = *ad;
    merge_lists(&c, out, ad);
    merge_verifications(&c, out, ad);
    merge_creatives(&c, out, ad);
    for (int w = nwrappers - 1; w >= 0 && !out->sequence.ptr; w--)
        out->sequence = wrappers[w]->sequence; /* its place in the pod is the wrapper's */
    return a->is_full ? NULL : out;
}
