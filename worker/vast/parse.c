/*
 * parse.c - bytes to a document: strictly, then once more after a repair. Reads the ads; creative.c
 * reads what is inside them.
 */
#include "worker/vast/dom.h"
#include "worker/vast/repair.h"

#include <strings.h>

static const struct {
    const char *name;
    int code;
} results[] = {
#define RESULT_ROW(id, name, code) {name, code},
    VAST_RESULT_MAP(RESULT_ROW)
#undef RESULT_ROW
};

const char *vast_result_name(enum vast_result result)
{
    return results[result].name;
}

int vast_result_code(enum vast_result result)
{
    return results[result].code;
}

static enum vast_flag read_flag(struct arena *a, const struct dom_node *node, const char *name)
{
    struct str value = dom_attribute(a, node, name);

    if (!value.ptr)
        return VAST_UNSAID;
    return str_equal_nocase(value, STR("true")) || str_equal(value, STR("1")) ? VAST_YES : VAST_NO;
}

static void read_verifications(struct arena *a, const struct dom_node *parent, struct vast_ad *ad)
{
    EACH_ELEMENT(node, parent)
    {
        struct vast_verification *v;

        if (!dom_is(node, "Verification"))
            continue;
        v = DOM_APPEND(a, ad->verifications, ad->nverifications, ad->verifications_cap);
        if (!v)
            return;
        *v = (struct vast_verification){.vendor = dom_attribute(a, node, "vendor")};
        dom_urls(a, node, "JavaScriptResource", &v->js);
        dom_urls(a, node, "ExecutableResource", &v->exec);
        vast_read_tracking(a, node, &v->tracking);
    }
}

/* Before VAST 4, AdVerifications lived in an Extension (CTV Addendum 2024). */
static void read_extensions(struct arena *a, const struct dom_node *n, struct vast_ad *ad)
{
    bool has_own = dom_child(n, "AdVerifications") != NULL;

    read_verifications(a, dom_child(n, "AdVerifications"), ad);
    EACH_ELEMENT(extension, dom_child(n, "Extensions"))
    {
        if (!dom_is(extension, "Extension"))
            continue;
        dom_add_url(a, &ad->extensions,
                    (struct vast_url){.url = dom_attribute(a, extension, "type"), .line = extension->line});
        if (!has_own)
            read_verifications(a, dom_child(extension, "AdVerifications"), ad);
    }
}

static void read_categories(struct arena *a, const struct dom_node *n, const char *name,
                            struct vast_urls *out)
{
    EACH_ELEMENT(node, n)
    {
        struct str text = dom_is(node, name) ? dom_text(a, node) : (struct str){NULL, 0};

        if (text.ptr)
            dom_add_url(a, out,
                        (struct vast_url){
                            .url = text, .id = dom_attribute(a, node, "authority"), .line = node->line});
    }
}

static void read_ad_content(struct arena *a, const struct dom_node *n, struct vast_ad *ad)
{
    const struct dom_node *viewable = dom_child(n, "ViewableImpression");

    ad->ad_system = dom_text(a, dom_child(n, "AdSystem"));
    ad->title = dom_text(a, dom_child(n, "AdTitle"));
    ad->ad_serving_id = dom_text(a, dom_child(n, "AdServingId"));
    ad->survey = dom_text(a, dom_child(n, "Survey"));
    dom_urls(a, n, "Error", &ad->errors);
    dom_urls(a, n, "Impression", &ad->impressions);
    dom_urls(a, viewable, "Viewable", &ad->viewable);
    dom_urls(a, viewable, "NotViewable", &ad->not_viewable);
    dom_urls(a, viewable, "ViewUndetermined", &ad->view_undetermined);
    read_categories(a, n, "Category", &ad->categories);
    read_categories(a, n, "BlockedAdCategories", &ad->blocked_categories);
    read_extensions(a, n, ad);
    vast_read_creatives(a, n, ad);
}

/* VAST 1 and some servers since wrote VASTAdTagURL, with or without a URL element inside. */
static struct str read_tag_uri(struct arena *a, const struct dom_node *n)
{
    struct str uri = dom_text(a, dom_child(n, "VASTAdTagURI"));
    const struct dom_node *legacy = dom_child(n, "VASTAdTagURL");

    if (!uri.ptr)
        uri = dom_text(a, dom_child(legacy, "URL"));
    return uri.ptr ? uri : dom_text(a, legacy);
}

static void read_wrapper(struct arena *a, const struct dom_node *n, struct vast_ad *ad)
{
    ad->tag_uri = read_tag_uri(a, n);
    ad->follow_additional_wrappers = read_flag(a, n, "followAdditionalWrappers");
    ad->allow_multiple_ads = read_flag(a, n, "allowMultipleAds");
    ad->fallback_on_no_ad = read_flag(a, n, "fallbackOnNoAd");
}

/* InLine or Wrapper, also in another case than the specification's: read, and marked. */
static const struct dom_node *ad_content(const struct dom_node *node, struct vast_ad *ad)
{
    EACH_ELEMENT(child, node)
    {
        bool is_inline = strcasecmp(child->name, "InLine") == 0;

        if (!is_inline && strcasecmp(child->name, "Wrapper") != 0)
            continue;
        ad->kind = is_inline ? VAST_AD_INLINE : VAST_AD_WRAPPER;
        ad->odd_case = !dom_is(child, is_inline ? "InLine" : "Wrapper");
        return child;
    }
    return NULL;
}

static void read_ad(struct arena *a, const struct dom_node *node, struct vast_doc *doc)
{
    struct vast_ad *ad = DOM_APPEND(a, doc->ads, doc->nads, doc->ads_cap);
    const struct dom_node *content;

    if (!ad)
        return;
    *ad = (struct vast_ad){
        .id = dom_attribute(a, node, "id"),
        .sequence = dom_attribute(a, node, "sequence"),
        .ad_type = dom_attribute(a, node, "adType"),
        .conditional = dom_attribute(a, node, "conditionalAd"),
        .line = node->line,
    };
    content = ad_content(node, ad);
    if (!content)
        return;
    read_ad_content(a, content, ad);
    if (ad->kind == VAST_AD_WRAPPER)
        read_wrapper(a, content, ad);
}

static void read_document(struct arena *a, const struct dom_node *root, struct vast_doc *doc)
{
    if (dom_is(root, "VideoAdServingTemplate")) {
        doc->result = VAST_UNSUPPORTED_VERSION;
    } else if (!dom_is(root, "VAST")) {
        doc->result = VAST_NOT_VAST;
    } else {
        doc->version = dom_attribute(a, root, "version");
        dom_urls(a, root, "Error", &doc->root_errors);
        EACH_ELEMENT(child, root)
        {
            if (dom_is(child, "Ad"))
                read_ad(a, child, doc);
        }
        doc->result = doc->nads ? VAST_OK : VAST_NO_AD;
    }
}

/* NULL when there was not enough memory. */
static struct vast_doc *parse_once(struct arena *a, struct str bytes)
{
    struct vast_doc *doc = arena_alloc(a, sizeof(*doc));
    SCOPED_VALUE(dom) dom;

    dom_init(&dom, bytes);
    if (!doc)
        return NULL;
    switch (dom.result) {
    case DOM_READ:
        read_document(a, dom.root, doc);
        break;
    case DOM_DOCTYPE:
        doc->result = VAST_DOCTYPE;
        break;
    case DOM_MALFORMED:
        doc->result = VAST_MALFORMED;
        dom_problem(&dom, doc->problem, sizeof(doc->problem));
        break;
    case DOM_TOO_BIG:
        return NULL;
    }
    return doc;
}

/* A repaired document that is no VAST all the same is no better than the malformed one. */
static struct vast_doc *parse_repaired(struct arena *a, struct str bytes)
{
    SCOPED_VALUE(buf) mended = {.max = REPAIRED_MAX};
    struct vast_doc *doc;

    if (!vast_repair(bytes, &mended))
        return NULL;
    doc = parse_once(a, buf_str(&mended));
    return doc && (doc->result == VAST_OK || doc->result == VAST_NO_AD) ? doc : NULL;
}

bool vast_parse(struct arena *a, struct str bytes, struct vast_doc **out, struct err *err)
{
    struct vast_doc *doc = parse_once(a, bytes.ptr ? bytes : STR(""));

    if (doc && doc->result == VAST_MALFORMED)
        doc->repaired = parse_repaired(a, bytes);
    if (!doc || a->is_full)
        return err_set(err, ERR_TOO_BIG, "VAST document of %zu bytes needs more than %zu bytes of memory",
                       bytes.len, a->is_full ? a->ceiling : (size_t)DOM_MAX);
    *out = doc;
    return true;
}
