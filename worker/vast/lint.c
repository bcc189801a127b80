/*
 * lint.c - the rules for ads, creatives and the document; lint_urls.c has those for URLs and trackers.
 */
#include "worker/vast/lint_add.h"

#include "common/json.h"

#include <stdlib.h>

static const struct {
    enum vast_severity severity;
    const char *name, *about;
} rules[] = {
#define RULE_ROW(code, severity, name, about) {VAST_##severity, name, about},
    VAST_LINT_MAP(RULE_ROW)
#undef RULE_ROW
};

const char *vast_rule_name(enum vast_rule rule)
{
    return rules[rule].name;
}

const char *vast_rule_about(enum vast_rule rule)
{
    return rules[rule].about;
}

enum vast_severity vast_rule_severity(enum vast_rule rule)
{
    return rules[rule].severity;
}

const char *vast_severity_name(enum vast_severity severity)
{
    static const char *const names[] = {"error", "warning", "note"};

    return names[severity];
}

void lint_add(struct lint *l, enum vast_rule rule, int line, struct str what)
{
    struct vast_finding *slot = DOM_APPEND(l->arena, l->out->items, l->out->n, l->out->cap);

    if (slot)
        *slot = (struct vast_finding){rule, line, what, l->out->n};
}

static const struct str nothing = {NULL, 0};

static bool is_whole(struct str text)
{
    int64_t value;

    return str_to_int(text, &value);
}

static bool is_positive(struct str text)
{
    int64_t value;

    return str_to_int(text, &value) && value > 0;
}

/* --- creatives ------------------------------------------------------------------------------------------ */

static void lint_media(struct lint *l, const struct vast_media *m)
{
    if (!m->url.ptr)
        lint_add(l, VAST_LINT_MEDIA_URL_MISSING, m->line, nothing);
    else
        lint_url(l, m->url, m->line);
    if (!m->type.ptr)
        lint_add(l, VAST_LINT_MEDIA_TYPE_MISSING, m->line, m->url);
    if (!str_equal(m->delivery, STR("progressive")) && !str_equal(m->delivery, STR("streaming")))
        lint_add(l, VAST_LINT_MEDIA_DELIVERY_INVALID, m->line, m->delivery);
    if (!m->width.ptr || !m->height.ptr)
        lint_add(l, VAST_LINT_MEDIA_SIZE_MISSING, m->line, m->url);
    else if (!is_whole(m->width) || !is_whole(m->height))
        lint_add(l, VAST_LINT_MEDIA_SIZE_INVALID, m->line, is_whole(m->width) ? m->height : m->width);
    if (m->bitrate.ptr && !is_whole(m->bitrate))
        lint_add(l, VAST_LINT_MEDIA_BITRATE_INVALID, m->line, m->bitrate);
    if (str_equal_nocase(m->api, STR("VPAID")))
        lint_add(l, VAST_LINT_MEDIA_VPAID, m->line, m->url);
}

static void lint_duration(struct lint *l, const struct vast_creative *c)
{
    if (!c->duration_raw.ptr)
        lint_add(l, VAST_LINT_DURATION_MISSING, c->line, nothing);
    else if (c->duration_ms < 0)
        lint_add(l, VAST_LINT_DURATION_INVALID, c->line, c->duration_raw);
    else if (str_find(c->duration_raw, 0, ':') == c->duration_raw.len)
        lint_add(l, VAST_LINT_DURATION_LENIENT, c->line, c->duration_raw);
    if (c->duration_ms == 0)
        lint_add(l, VAST_LINT_DURATION_ZERO, c->line, c->duration_raw);
}

static void lint_skip(struct lint *l, const struct vast_creative *c)
{
    if (c->skip.kind == VAST_OFFSET_BAD)
        lint_add(l, VAST_LINT_SKIP_INVALID, c->line, c->skip_raw);
    else if (c->duration_ms >= 0 && vast_offset_at(&c->skip, c->duration_ms) > c->duration_ms)
        lint_add(l, VAST_LINT_SKIP_AFTER_END, c->line, c->skip_raw);
}

static void lint_linear(struct lint *l, const struct vast_ad *ad, const struct vast_creative *c)
{
    if (ad->kind == VAST_AD_INLINE) {
        lint_duration(l, c);
        if (c->nmedia + c->mezzanines.n + c->interactive.n == 0)
            lint_add(l, VAST_LINT_MEDIA_MISSING, c->line, nothing);
        if (l->version >= 400 && c->nuniversal_ids == 0)
            lint_add(l, VAST_LINT_UNIVERSAL_AD_ID_MISSING, c->line, c->id);
    }
    lint_skip(l, c);
    for (int i = 0; i < c->nmedia; i++)
        lint_media(l, &c->media[i]);
    for (int i = 0; i < c->nicons; i++) {
        if (!c->icons[i].program.ptr)
            lint_add(l, VAST_LINT_ICON_PROGRAM, c->line, nothing);
        lint_urls(l, &c->icons[i].view_tracking);
        lint_urls(l, &c->icons[i].click_tracking);
    }
    lint_urls(l, &c->click_tracking);
    lint_urls(l, &c->custom_click);
    lint_trackings(l, &c->tracking, c->duration_ms, ad->kind == VAST_AD_INLINE);
}

static void lint_variation(struct lint *l, const struct vast_ad *ad, const struct vast_variation *v)
{
    if (ad->kind == VAST_AD_INLINE && v->statics.n + v->iframes.n + v->htmls.n == 0)
        lint_add(l, VAST_LINT_RESOURCE_MISSING, v->line, v->id);
    if (ad->kind == VAST_AD_INLINE && (!v->width.ptr || !v->height.ptr))
        lint_add(l, VAST_LINT_VARIATION_SIZE_MISSING, v->line, v->id);
    lint_urls(l, &v->click_tracking);
    lint_trackings(l, &v->tracking, -1, false);
}

static void lint_creative(struct lint *l, const struct vast_ad *ad, const struct vast_creative *c)
{
    if (c->sequence.ptr && !is_positive(c->sequence))
        lint_add(l, VAST_LINT_CREATIVE_SEQUENCE, c->line, c->sequence);
    if (c->kind == VAST_LINEAR) {
        lint_linear(l, ad, c);
        return;
    }
    if (c->kind == VAST_COMPANION && c->required.ptr && !str_equal(c->required, STR("all")) &&
        !str_equal(c->required, STR("any")) && !str_equal(c->required, STR("none")))
        lint_add(l, VAST_LINT_COMPANION_REQUIRED, c->line, c->required);
    for (int i = 0; i < c->nvariations; i++)
        lint_variation(l, ad, &c->variations[i]);
    lint_trackings(l, &c->tracking, -1, false);
}

/* --- ads ------------------------------------------------------------------------------------------------ */

static void lint_errors(struct lint *l, const struct vast_ad *ad)
{
    if (ad->errors.n == 0)
        lint_add(l, VAST_LINT_ERROR_URL_MISSING, ad->line, ad->id);
    for (int i = 0; i < ad->errors.n; i++)
        if (!lint_has_macro(ad->errors.items[i].url, STR("ERRORCODE")))
            lint_add(l, VAST_LINT_ERROR_MACRO_MISSING, ad->errors.items[i].line, ad->errors.items[i].url);
    lint_urls(l, &ad->errors);
}

static void lint_verifications(struct lint *l, const struct vast_ad *ad)
{
    for (int i = 0; i < ad->nverifications; i++) {
        const struct vast_verification *v = &ad->verifications[i];

        if (!v->vendor.ptr)
            lint_add(l, VAST_LINT_VERIFICATION_VENDOR, ad->line, nothing);
        if (v->js.n + v->exec.n == 0)
            lint_add(l, VAST_LINT_VERIFICATION_RESOURCE, ad->line, v->vendor);
        for (int k = 0; k < v->tracking.n; k++)
            lint_url(l, v->tracking.items[k].url, v->tracking.items[k].line);
    }
}

static void lint_inline(struct lint *l, const struct vast_ad *ad)
{
    if (!ad->title.ptr)
        lint_add(l, VAST_LINT_TITLE_MISSING, ad->line, ad->id);
    if (l->version >= 401 && !ad->ad_serving_id.ptr)
        lint_add(l, VAST_LINT_AD_SERVING_ID_MISSING, ad->line, ad->id);
    if (ad->ncreatives == 0)
        lint_add(l, VAST_LINT_CREATIVES_MISSING, ad->line, ad->id);
}

static void lint_wrapper(struct lint *l, const struct vast_ad *ad)
{
    bool has_flags = ad->follow_additional_wrappers != VAST_UNSAID || ad->allow_multiple_ads != VAST_UNSAID ||
                     ad->fallback_on_no_ad != VAST_UNSAID;

    if (!ad->tag_uri.ptr)
        lint_add(l, VAST_LINT_TAG_URI_MISSING, ad->line, ad->id);
    else if (!str_starts_nocase(ad->tag_uri, STR("http")))
        lint_add(l, VAST_LINT_TAG_URI_RELATIVE, ad->line, ad->tag_uri);
    if (has_flags && l->version && l->version < 300)
        lint_add(l, VAST_LINT_FLAG_TOO_NEW, ad->line, ad->id);
}

static void lint_ad_content(struct lint *l, const struct vast_ad *ad)
{
    if (ad->odd_case)
        lint_add(l, VAST_LINT_ELEMENT_CASE, ad->line, ad->id);
    if (!ad->ad_system.ptr)
        lint_add(l, VAST_LINT_AD_SYSTEM_MISSING, ad->line, ad->id);
    if (ad->impressions.n == 0)
        lint_add(l, VAST_LINT_IMPRESSION_MISSING, ad->line, ad->id);
    if (ad->conditional.ptr && l->version >= 401)
        lint_add(l, VAST_LINT_CONDITIONAL_AD, ad->line, ad->conditional);
    if (ad->survey.ptr && l->version >= 401)
        lint_add(l, VAST_LINT_SURVEY, ad->line, ad->survey);
    if (ad->kind == VAST_AD_INLINE)
        lint_inline(l, ad);
    else
        lint_wrapper(l, ad);
    lint_errors(l, ad);
    lint_urls(l, &ad->impressions);
    lint_urls(l, &ad->viewable);
    lint_urls(l, &ad->not_viewable);
    lint_urls(l, &ad->view_undetermined);
    lint_verifications(l, ad);
    for (int i = 0; i < ad->ncreatives; i++)
        lint_creative(l, ad, &ad->creatives[i]);
}

static void lint_ad(struct lint *l, const struct vast_doc *doc, int index)
{
    const struct vast_ad *ad = &doc->ads[index];

    if (ad->sequence.ptr && !is_positive(ad->sequence))
        lint_add(l, VAST_LINT_AD_SEQUENCE_INVALID, ad->line, ad->sequence);
    for (int i = 0; i < index; i++) {
        if (ad->id.ptr && str_equal(ad->id, doc->ads[i].id))
            lint_add(l, VAST_LINT_AD_ID_DUPLICATE, ad->line, ad->id);
        if (ad->sequence.ptr && str_equal(ad->sequence, doc->ads[i].sequence))
            lint_add(l, VAST_LINT_AD_SEQUENCE_DUPLICATE, ad->line, ad->sequence);
    }
    if (ad->kind == VAST_AD_EMPTY)
        lint_add(l, VAST_LINT_AD_EMPTY, ad->line, ad->id);
    else
        lint_ad_content(l, ad);
}

/* --- the document --------------------------------------------------------------------------------------- */

/* "4.1" is 401; 0 for what was never published. */
static int version_number(struct str version)
{
    static const struct {
        const char *text;
        int number;
    } versions[] = {{"2.0", 200}, {"2.0.1", 200}, {"3.0", 300}, {"4.0", 400},
                    {"4.1", 401}, {"4.2", 402},   {"4.3", 403}};

    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        if (str_equal(version, str_from(versions[i].text)))
            return versions[i].number;
    return 0;
}

static void lint_version(struct lint *l, const struct vast_doc *doc)
{
    l->version = version_number(doc->version);
    if (!doc->version.ptr)
        lint_add(l, VAST_LINT_VERSION_MISSING, 0, nothing);
    else if (!l->version)
        lint_add(l, VAST_LINT_VERSION_UNKNOWN, 0, doc->version);
}

static void lint_ads(struct lint *l, const struct vast_doc *doc)
{
    lint_version(l, doc);
    if (doc->nads == 0)
        lint_add(l, doc->root_errors.n ? VAST_LINT_NO_AD : VAST_LINT_NO_AD_SILENT, 0, nothing);
    lint_urls(l, &doc->root_errors);
    for (int i = 0; i < doc->nads; i++)
        lint_ad(l, doc, i);
}

static void lint_document(struct lint *l, const struct vast_doc *doc)
{
    switch (doc->result) {
    case VAST_OK:
    case VAST_NO_AD:
        lint_ads(l, doc);
        break;
    case VAST_MALFORMED:
        lint_add(l, VAST_LINT_XML_MALFORMED, 0, str_from(doc->problem));
        if (doc->repaired) {
            lint_add(l, VAST_LINT_XML_REPAIRED, 0, nothing);
            lint_ads(l, doc->repaired);
        }
        break;
    case VAST_DOCTYPE:
        lint_add(l, VAST_LINT_DOCTYPE, 0, nothing);
        break;
    case VAST_NOT_VAST:
        lint_add(l, VAST_LINT_ROOT_NOT_VAST, 0, nothing);
        break;
    case VAST_UNSUPPORTED_VERSION:
        lint_add(l, VAST_LINT_VERSION_UNSUPPORTED, 0, nothing);
        break;
    case VAST_RESULT_COUNT:
        break;
    }
}

static int by_line(const void *left, const void *right)
{
    const struct vast_finding *a = left, *b = right;

    return a->line != b->line ? a->line - b->line : a->order - b->order;
}

bool vast_lint(struct arena *a, const struct vast_doc *doc, struct vast_findings *out, struct err *err)
{
    struct vast_findings found = {0};
    struct lint l = {.arena = a, .out = &found};

    lint_document(&l, doc);
    if (a->is_full)
        return err_set(err, ERR_TOO_BIG, "the document's findings need more than %zu bytes", a->ceiling);
    if (found.n)
        qsort(found.items, (size_t)found.n, sizeof(*found.items), by_line);
    *out = found;
    return true;
}

json_t *vast_findings_json(const struct vast_findings *findings)
{
    json_t *list = json_array();

    for (int i = 0; i < findings->n; i++) {
        const struct vast_finding *f = &findings->items[i];
        json_t *item = json_object();

        json_put_str(item, "rule", str_from(rules[f->rule].name));
        json_put_str(item, "severity", str_from(vast_severity_name(rules[f->rule].severity)));
        json_put_int(item, "line", f->line);
        json_put_str(item, "about", str_from(rules[f->rule].about));
        json_put_str(item, "what", f->what);
        json_add(list, item);
    }
    return list;
}
