/*
 * vast_text.c - what `vast` prints for a person: ads, what one view of each would send, requests, findings.
 */
#include "worker/vast_text.h"

#include "worker/vast/events.h"

#include <inttypes.h>
#include <stdio.h>

enum { URL_MAX = 64 * 1024 };

static const char *or_dash(struct str s)
{
    return s.ptr ? s.ptr : "-";
}

static void print_duration(int64_t ms)
{
    if (ms < 0)
        printf("unknown duration");
    else
        printf("%" PRId64 ".%03d s", ms / 1000, (int)(ms % 1000));
}

static void print_linear(const struct vast_creative *c)
{
    printf("  linear, ");
    print_duration(c->duration_ms);
    printf(", %d media file%s", c->nmedia, c->nmedia == 1 ? "" : "s");
    if (c->skip_raw.ptr)
        printf(", can be skipped from %s", c->skip_raw.ptr);
    printf(", %d tracker%s\n", c->tracking.n, c->tracking.n == 1 ? "" : "s");
    for (int i = 0; i < c->nmedia; i++) {
        const struct vast_media *m = &c->media[i];

        printf("    %s  %sx%s  %s kbit/s  %s\n", or_dash(m->type), or_dash(m->width), or_dash(m->height),
               or_dash(m->bitrate), or_dash(m->url));
    }
    if (c->click_through.ptr)
        printf("    leads to %s\n", c->click_through.ptr);
}

static void print_variations(const struct vast_creative *c)
{
    const char *kind = c->kind == VAST_COMPANION ? "companion" : "non-linear";

    for (int i = 0; i < c->nvariations; i++) {
        const struct vast_variation *v = &c->variations[i];
        const struct vast_urls *resource = v->statics.n   ? &v->statics
                                           : v->iframes.n ? &v->iframes
                                                          : &v->htmls;

        printf("  %s %sx%s  %s\n", kind, or_dash(v->width), or_dash(v->height),
               v->htmls.n && resource == &v->htmls ? "HTML"
               : resource->n                       ? or_dash(resource->items[0].url)
                                                   : "-");
    }
}

static void print_schedule(const struct vast_schedule *schedule)
{
    printf("  one view would send:\n");
    for (int i = 0; i < schedule->n; i++) {
        const struct vast_event *e = &schedule->items[i];

        printf("    %6" PRId64 ".%03d s  %-15.*s %s%.*s\n", e->at_ms / 1000, (int)(e->at_ms % 1000),
               STR_ARG(e->name), e->is_billing ? "(once) " : "", STR_ARG(e->url));
    }
}

static bool print_ad(struct arena *a, const struct vast_ad *ad, bool is_alternative, struct err *err)
{
    static const char *const kinds[] = {"empty", "inline", "wrapper"};

    printf("\nad %s: %s, %s%s%s, %d impression%s\n", or_dash(ad->id), kinds[ad->kind], or_dash(ad->ad_system),
           ad->title.ptr ? ", " : "", ad->title.ptr ? ad->title.ptr : "", ad->impressions.n,
           ad->impressions.n == 1 ? "" : "s");
    if (is_alternative)
        printf("  an alternative: a player shows one of the buffet\n");
    if (ad->kind == VAST_AD_WRAPPER)
        printf("  goes on at %s\n", or_dash(ad->tag_uri));
    for (int i = 0; i < ad->ncreatives; i++) {
        const struct vast_creative *c = &ad->creatives[i];
        struct vast_schedule schedule;

        if (c->kind != VAST_LINEAR) {
            print_variations(c);
            continue;
        }
        print_linear(c);
        if (!vast_schedule(a, ad, c, &schedule, err))
            return false;
        if (ad->kind == VAST_AD_INLINE)
            print_schedule(&schedule);
    }
    return true;
}

static void print_findings(const struct vast_findings *findings)
{
    printf("\n%s\n", findings->n ? "Found fault with:" : "Nothing to find fault with.");
    for (int i = 0; i < findings->n; i++) {
        const struct vast_finding *f = &findings->items[i];

        printf("  line %-5d %-8s %s (%s)%s%.*s\n", f->line, vast_severity_name(vast_rule_severity(f->rule)),
               vast_rule_about(f->rule), vast_rule_name(f->rule), f->what.len ? ": " : "", STR_ARG(f->what));
    }
}

static void print_hops(const struct vast_resolution *result)
{
    if (result->nhops)
        printf("\nrequests:\n");
    for (int i = 0; i < result->nhops; i++) {
        const struct vast_hop *hop = &result->hops[i];

        printf("  %2d  %*s%d  %5" PRId64 " ms  ", i, 2 * hop->depth, "", hop->status, hop->ms);
        if (hop->code)
            printf("error %d: %.*s  ", hop->code, STR_ARG(hop->problem));
        else
            printf("%d ad%s  ", hop->nads, hop->nads == 1 ? "" : "s");
        printf("%.*s\n", STR_ARG(hop->url));
        if (!str_equal(hop->final_url, hop->url))
            printf("      %*sredirected to %.*s\n", 2 * hop->depth, "", STR_ARG(hop->final_url));
    }
}

static void print_failures(const struct vast_resolver *r)
{
    for (int i = 0; i < r->result.nfailures; i++) {
        const struct vast_failure *f = &r->result.failures[i];

        printf("\nerror %d, ad %s: %.*s\n", f->code, or_dash(f->ad), STR_ARG(f->problem));
        for (int k = 0; k < f->errors.n; k++) {
            SCOPED_VALUE(buf) url = {.max = URL_MAX};

            if (vast_resolver_error_url(r, f->errors.items[k].url, f->code, &url))
                printf("  would be told: %s\n", buf_cstr(&url));
        }
    }
}

static bool print_resolved(struct arena *a, const struct vast_resolver *r, struct err *err)
{
    const struct vast_resolution *result = &r->result;

    printf(", %d ad%s after its wrappers\n", result->nads, result->nads == 1 ? "" : "s");
    print_hops(result);
    print_failures(r);
    for (int i = 0; i < result->nads; i++)
        if (!print_ad(a, result->ads[i].ad, result->ads[i].is_alternative, err))
            return false;
    return true;
}

static void print_result(const struct vast_doc *doc)
{
    int code = vast_result_code(doc->result);

    printf("%s", vast_result_name(doc->result));
    if (code)
        printf(", error %d", code);
    if (doc->problem[0])
        printf(" (%s)", doc->problem);
    if (doc->repaired)
        printf("; read after a repair");
}

/* The document that an ad view would be made of: as read, or as repaired. NULL when it is neither. */
static const struct vast_doc *readable(const struct vast_doc *doc)
{
    return doc->result == VAST_OK || doc->result == VAST_NO_AD ? doc : doc->repaired;
}

static bool print_document(struct arena *a, const struct vast_doc *doc, const struct vast_resolver *resolved,
                           struct err *err)
{
    const struct vast_doc *shown = readable(doc);

    print_result(doc);
    if (shown)
        printf(", VAST %s, %d ad%s", or_dash(shown->version), shown->nads, shown->nads == 1 ? "" : "s");
    if (resolved)
        return print_resolved(a, resolved, err);
    printf("\n");
    for (int i = 0; shown && i < shown->nads; i++)
        if (!print_ad(a, &shown->ads[i], false, err))
            return false;
    return true;
}

bool vast_text_print(struct arena *a, const struct vast_doc *doc, const struct vast_resolver *resolved,
                     const struct vast_findings *findings, struct err *err)
{
    if (doc && !print_document(a, doc, resolved, err))
        return false;
    if (doc) {
        print_findings(findings);
    } else {
        printf("no answer");
        return print_resolved(a, resolved, err);
    }
    return true;
}
