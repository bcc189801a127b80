/*
 * wrapper_select.c - which ads of a document count, and in which order: flags of the wrapper above, pods,
 * buffets.
 */
#include "worker/vast/wrapper_frame.h"

static int major_version(const struct vast_doc *doc)
{
    return doc->version.len && doc->version.ptr[0] >= '1' && doc->version.ptr[0] <= '9'
               ? doc->version.ptr[0] - '0'
               : 0;
}

/* 0: the ad stands alone. */
static int64_t sequence_of(const struct vast_ad *ad)
{
    int64_t sequence = 0;

    return ad->sequence.ptr && str_to_int(ad->sequence, &sequence) ? sequence : 0;
}

static void sort_by_sequence(const struct vast_ad **ads, int n)
{
    for (int i = 1; i < n; i++) {
        const struct vast_ad *ad = ads[i];
        int k = i;

        for (; k > 0 && sequence_of(ads[k - 1]) > sequence_of(ad); k--)
            ads[k] = ads[k - 1];
        ads[k] = ad;
    }
}

static bool counts(const struct vast_frame *f, const struct vast_ad *ad)
{
    return ad->kind == VAST_AD_INLINE || (ad->kind == VAST_AD_WRAPPER && f->may_wrap);
}

/* Of an answer that may hold one ad only the first stand-alone one counts; a pod of one is one ad, too. */
static void keep_one(struct vast_frame *f)
{
    if (!f->nspares && f->norder > 1)
        f->norder = 0;
    if (!f->nspares)
        return;
    f->order[0] = f->spares[0];
    f->norder = 1;
    f->spare_at = 1;
}

bool frame_select(struct arena *a, struct vast_frame *f)
{
    size_t size = ((size_t)f->doc->nads + 1) * sizeof(*f->order);

    f->order = arena_alloc(a, size);
    f->spares = arena_alloc(a, size);
    if (!f->order || !f->spares)
        return false;
    for (int i = 0; i < f->doc->nads; i++) {
        const struct vast_ad *ad = &f->doc->ads[i];

        if (counts(f, ad) && sequence_of(ad))
            f->order[f->norder++] = ad;
        else if (counts(f, ad))
            f->spares[f->nspares++] = ad;
    }
    f->is_pod = f->norder > 0;
    sort_by_sequence(f->order, f->norder);
    if (!f->may_be_many) {
        keep_one(f);
    } else if (!f->is_pod) {
        const struct vast_ad **none = f->order;

        f->order = f->spares;
        f->norder = f->nspares;
        f->spares = none;
        f->nspares = 0;
    }
    return true;
}

bool frame_is_buffet(const struct vast_frame *f)
{
    return !f->is_pod && major_version(f->doc) != 2;
}

/* VAST 2 knows no flags and allows everything. */
void frame_inherit(struct vast_frame *f)
{
    const struct vast_ad *w = f->wrapper;
    enum vast_flag many;

    f->may_wrap = f->may_be_many = true;
    if (!w)
        return;
    many = w->allow_multiple_ads;
    if (many == VAST_UNSAID && major_version(f->parent->doc) == 2)
        many = VAST_YES;
    f->may_wrap = w->follow_additional_wrappers != VAST_NO;
    f->may_be_many = f->parent->may_be_many && many == VAST_YES;
}

/* A blocked list is "IAB25, IAB26-1"; a category is one of them, of the same authority where both say. */
static bool is_listed(const struct vast_url *blocked, const struct vast_url *category)
{
    struct str code;

    if (blocked->id.len && category->id.len && !str_equal_nocase(blocked->id, category->id))
        return false;
    for (struct str rest = blocked->url; str_cut(&rest, ',', &code);)
        if (str_equal_nocase(str_trim(code), category->url))
            return true;
    return false;
}

bool frame_blocks(const struct vast_frame *f, const struct vast_ad *ad)
{
    for (; f && f->wrapper; f = f->parent)
        for (int i = 0; i < f->wrapper->blocked_categories.n; i++)
            for (int k = 0; k < ad->categories.n; k++)
                if (is_listed(&f->wrapper->blocked_categories.items[i], &ad->categories.items[k]))
                    return true;
    return false;
}
