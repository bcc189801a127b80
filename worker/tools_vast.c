/*
 * tools_vast.c - the verb `vast`: read a document, find fault with it, show what a view would send.
 */
#include "worker/tools_vast.h"

#include "common/json.h"
#include "worker/vast/events.h"
#include "worker/vast/lint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DOCUMENT_MAX = 8 * 1024 * 1024, ARENA_MAX = 64 * 1024 * 1024, EXIT_NO = 1, EXIT_USAGE = 2 };

static const char USAGE[] =
    "usage: tracepool-worker vast [--json] FILE|-\n"
    "Reads a VAST document (- is standard input), finds fault with it, and shows what one whole\n"
    "view of it would send. Sends nothing.\n";

static bool read_all(const char *path, struct buf *out, struct err *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    char piece[16384];

    if (!file)
        return err_set(err, ERR_IO, "%.150s: %s", path, strerror(errno));
    for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0;)
        buf_append(out, piece, n);
    if (ferror(file))
        err_set(err, ERR_IO, "%.150s: %s", path, strerror(errno));
    else if (out->is_full)
        err_set(err, ERR_TOO_BIG, "%.150s: longer than %d bytes", path, DOCUMENT_MAX);
    else
        err->code = ERR_OK;
    if (file != stdin)
        fclose(file);
    return err->code == ERR_OK;
}

/* The document that an ad view would be made of: as read, or as repaired. NULL when it is neither. */
static const struct vast_doc *readable(const struct vast_doc *doc)
{
    if (doc->result == VAST_OK || doc->result == VAST_NO_AD)
        return doc;
    return doc->repaired;
}

/* --- as JSON -------------------------------------------------------------------------------------------- */

static json_t *event_json(const struct vast_event *event)
{
    json_t *object = json_object();

    json_put_str(object, "event", event->name);
    json_put_int(object, "at_ms", event->at_ms);
    json_put(object, "billing", json_boolean(event->is_billing));
    json_put_str(object, "url", event->url);
    return object;
}

/* One list of events for each linear creative of an inline ad; nothing is sent for anything else. */
static bool fire_json(struct arena *a, const struct vast_doc *doc, json_t *list, struct err *err)
{
    for (int i = 0; doc && i < doc->nads; i++) {
        const struct vast_ad *ad = &doc->ads[i];

        for (int k = 0; ad->kind == VAST_AD_INLINE && k < ad->ncreatives; k++) {
            struct vast_schedule schedule;
            json_t *view = json_object(), *events = json_array();

            json_array_append_new(list, view);
            json_put_int(view, "ad", i);
            json_put_int(view, "creative", k);
            json_put(view, "events", events);
            if (!vast_schedule(a, ad, &ad->creatives[k], &schedule, err))
                return false;
            for (int e = 0; ad->creatives[k].kind == VAST_LINEAR && e < schedule.n; e++)
                json_array_append_new(events, event_json(&schedule.items[e]));
        }
    }
    return true;
}

static bool print_json(struct arena *a, const struct vast_doc *doc, const struct vast_findings *findings,
                       struct err *err)
{
    SCOPED(json_t) object = vast_doc_json(doc);
    json_t *fire = json_array();

    json_put(object, "lint", vast_findings_json(findings));
    json_put(object, "fire", fire);
    if (!fire_json(a, readable(doc), fire, err))
        return false;
    json_dumpf(object, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    printf("\n");
    return true;
}

/* --- for a person --------------------------------------------------------------------------------------- */

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

static bool print_ad(struct arena *a, const struct vast_ad *ad, struct err *err)
{
    static const char *const kinds[] = {"empty", "inline", "wrapper"};

    printf("\nad %s: %s, %s%s%s, %d impression%s\n", or_dash(ad->id), kinds[ad->kind], or_dash(ad->ad_system),
           ad->title.ptr ? ", " : "", ad->title.ptr ? ad->title.ptr : "", ad->impressions.n,
           ad->impressions.n == 1 ? "" : "s");
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

static bool print_text(struct arena *a, const struct vast_doc *doc, const struct vast_findings *findings,
                       struct err *err)
{
    const struct vast_doc *shown = readable(doc);
    int code = vast_result_code(doc->result);

    printf("%s", vast_result_name(doc->result));
    if (code)
        printf(", error %d", code);
    if (doc->problem[0])
        printf(" (%s)", doc->problem);
    if (doc->repaired)
        printf("; read after a repair");
    if (shown)
        printf(", VAST %s, %d ad%s", or_dash(shown->version), shown->nads, shown->nads == 1 ? "" : "s");
    printf("\n");
    for (int i = 0; shown && i < shown->nads; i++)
        if (!print_ad(a, &shown->ads[i], err))
            return false;
    print_findings(findings);
    return true;
}

/* --- the verb ------------------------------------------------------------------------------------------- */

static int fail(const struct err *err)
{
    fprintf(stderr, "tracepool-worker vast: %s\n", err->detail);
    return EXIT_USAGE;
}

static int show(const char *path, bool as_json)
{
    SCOPED_VALUE(arena) a;
    SCOPED_VALUE(buf) bytes;
    struct vast_findings findings;
    struct vast_doc *doc;
    struct err err;

    arena_init(&a, ARENA_MAX);
    buf_init(&bytes, DOCUMENT_MAX);
    if (!read_all(path, &bytes, &err) || !vast_parse(&a, buf_str(&bytes), &doc, &err) ||
        !vast_lint(&a, doc, &findings, &err))
        return fail(&err);
    if (!(as_json ? print_json : print_text)(&a, doc, &findings, &err))
        return fail(&err);
    return doc->result == VAST_OK || doc->result == VAST_NO_AD ? EXIT_SUCCESS : EXIT_NO;
}

int tool_vast(int argc, char **argv)
{
    const char *path = NULL;
    bool as_json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            as_json = true;
        } else if ((argv[i][0] == '-' && argv[i][1]) || path) {
            fprintf(stderr, "tracepool-worker vast: %s \"%s\"\n%s",
                    path ? "one document at a time, not also" : "no option", argv[i], USAGE);
            return EXIT_USAGE;
        } else {
            path = argv[i];
        }
    }
    if (!path) {
        fprintf(stderr, "tracepool-worker vast: which document?\n%s", USAGE);
        return EXIT_USAGE;
    }
    return show(path, as_json);
}
