/*
 * tools_vast.c - the verb `vast`: read a document, follow its wrappers, find fault with it, show what a view
 * would send. Arguments are vast_args.c, the text for a person is vast_text.c.
 */
#include "worker/tools_vast.h"

#include "common/json.h"
#include "common/loop.h"
#include "worker/claim_row.h"
#include "worker/vast/events.h"
#include "worker/vast/extras.h"
#include "worker/vast/xsd.h"
#include "worker/vast_args.h"
#include "worker/vast_resolve.h"
#include "worker/vast_text.h"

#include <stdio.h>

enum {
    DOCUMENT_MAX = 8 * 1024 * 1024,
    ARENA_MAX = 64 * 1024 * 1024,
    CACHE_MAX = 16 * 1024 * 1024,
    URL_MAX = 64 * 1024,
    EXIT_NO = 1,
    EXIT_USAGE = 2
};

/* What there is to show. */
struct view {
    struct arena *arena;
    const struct vast_args *args;
    struct buf bytes;               /* of a document that was not requested */
    struct vast_resolver *resolver; /* NULL: nothing was requested, and no wrapper followed */
    const struct vast_doc *doc;     /* NULL: the request for it failed */
    struct str doc_bytes;
    struct vast_findings findings;
    struct err err;
};

/* The document that an ad view would be made of: as read, or as repaired. NULL when it is neither. */
static const struct vast_doc *readable(const struct vast_doc *doc)
{
    if (!doc || doc->result == VAST_OK || doc->result == VAST_NO_AD)
        return doc;
    return doc->repaired;
}

/* --- getting it ----------------------------------------------------------------------------------------- */

static bool is_url(const char *source)
{
    return str_starts_nocase(str_from(source), STR("http://")) ||
           str_starts_nocase(str_from(source), STR("https://"));
}

/* False when the source is no URL. */
static bool source_url(const struct vast_args *args, struct buf *url, struct err *err)
{
    if (args->source)
        return is_url(args->source) && buf_append_str(url, str_from(args->source));
    return vast_provider_url(&args->provider, STR(""), args->params, args->nparams, url) ||
           err_set(err, ERR_TOO_BIG, "the provider's URL is longer than %d bytes", URL_MAX);
}

static struct vast_resolve_request request_of(const struct conf *conf, const struct vast_args *args)
{
    const struct vast_provider *p = &args->provider;
    struct str agent = claim_user_agent(conf, args->arena);

    return (struct vast_resolve_request){
        .resolver = {.max_wrappers = p->max_wrappers,
                     .max_fetches = args->is_resolve ? (int)conf->vast_max_fetches : 1,
                     .keep_source = true,
                     .mode = p->macro_mode,
                     .macros =
                         vast_resolve_macros(args->arena, p->macros, p->nmacros, p->macro_formats, agent)},
        .fetch = {.proxy = args->proxy,
                  .user_agent = agent,
                  .headers = p->headers,
                  .nheaders = p->nheaders,
                  .timeout_ms = p->timeout_ms,
                  .connect_timeout_ms = conf->trace_connect_timeout_ms,
                  .header_hosts = p->hosts,
                  .max_body = (size_t)conf->vast_body_max_bytes,
                  .max_header = (size_t)conf->trace_header_max_bytes,
                  .max_redirects = (int)conf->vast_max_redirects,
                  .retries = p->retries,
                  .allow_private = args->allow_private,
                  .ca_file = str_from(conf->http_ca_file)},
        .total_timeout_ms = args->total_timeout_ms,
        .cache_ttl_ms = p->cache_ttl_ms,
    };
}

static void on_resolved(void *arg, struct vast_resolver *r, const struct err *err)
{
    struct view *view = arg;

    view->resolver = r;
    view->err = *err;
}

static bool run(struct view *view, const struct vast_resolve_request *request)
{
    struct vast_fetcher *fetcher;
    uv_loop_t loop;

    loop_init(&loop);
    fetcher = vast_fetcher_create(&loop);
    vast_resolve_start(fetcher, &loop, view->arena, request, on_resolved, view);
    uv_run(&loop, UV_RUN_DEFAULT);
    vast_fetcher_destroy(fetcher, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    loop_finish(&loop);
    return view->resolver != NULL;
}

static bool resolve(struct view *view, const struct conf *conf, struct str url)
{
    const struct vast_provider *p = &view->args->provider;
    struct vast_resolve_request request = request_of(conf, view->args);
    struct vast_cache *cache = p->cache_ttl_ms > 0 ? vast_cache_create(CACHE_MAX) : NULL;
    bool is_resolved;

    request.url = url;
    request.bytes = buf_str(&view->bytes);
    request.cache = cache;
    is_resolved = run(view, &request);
    vast_cache_destroy(cache);
    if (!is_resolved)
        return false;
    view->doc = view->resolver->result.source;
    view->doc_bytes = view->resolver->result.source_bytes;
    return true;
}

static bool read_only(struct view *view)
{
    struct vast_doc *doc;

    if (!vast_parse(view->arena, buf_str(&view->bytes), &doc, &view->err))
        return false;
    view->doc = doc;
    view->doc_bytes = buf_str(&view->bytes);
    return true;
}

static bool get(struct view *view, const struct conf *conf)
{
    SCOPED_VALUE(buf) url = {.max = URL_MAX};

    view->err.code = ERR_OK;
    if (source_url(view->args, &url, &view->err))
        return resolve(view, conf, buf_str(&url));
    if (view->err.code != ERR_OK || !vast_args_read_file(view->args->source, &view->bytes, &view->err))
        return false;
    return view->args->is_resolve ? resolve(view, conf, STR("")) : read_only(view);
}

static bool ask_schema(struct view *view)
{
    SCOPED(vast_xsd) xsd = NULL;

    if (!view->args->xsd_dir)
        return true;
    xsd = vast_xsd_open(view->args->xsd_dir, &view->err);
    return xsd && vast_xsd_check(xsd, view->arena, view->doc_bytes, view->doc, &view->findings, &view->err);
}

static bool find_fault(struct view *view)
{
    return !view->doc || (vast_lint(view->arena, view->doc, &view->findings, &view->err) && ask_schema(view));
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

/* One list of events for each creative of an inline ad; nothing is sent for anything else. */
static bool put_views(struct view *view, const struct vast_ad *ad, int number, json_t *list)
{
    for (int k = 0; ad->kind == VAST_AD_INLINE && k < ad->ncreatives; k++) {
        struct vast_schedule schedule;
        json_t *object = json_object(), *events = json_array();

        json_add(list, object);
        json_put_int(object, "ad", number);
        json_put_int(object, "creative", k);
        json_put(object, "events", events);
        if (!vast_schedule(view->arena, ad, &ad->creatives[k], &schedule, &view->err))
            return false;
        for (int e = 0; ad->creatives[k].kind == VAST_LINEAR && e < schedule.n; e++)
            json_add(events, event_json(&schedule.items[e]));
    }
    return true;
}

static bool put_fire(struct view *view, json_t *list)
{
    const struct vast_doc *doc = readable(view->doc);
    const struct vast_resolution *found = view->resolver ? &view->resolver->result : NULL;

    if (view->args->is_resolve) {
        for (int i = 0; i < found->nads; i++)
            if (!found->ads[i].is_alternative && !put_views(view, found->ads[i].ad, i, list))
                return false;
        return true;
    }
    for (int i = 0; doc && i < doc->nads; i++)
        if (!put_views(view, &doc->ads[i], i, list))
            return false;
    return true;
}

/* A request that failed has no document, but a code. */
static json_t *document_json(const struct view *view)
{
    json_t *object;

    if (view->doc)
        return vast_doc_json(view->doc);
    object = json_object();
    json_put(object, "result", json_null());
    json_put_int(object, "error_code", view->resolver->result.failures[0].code);
    json_put_str(object, "problem", view->resolver->result.failures[0].problem);
    return object;
}

static bool print_json(struct view *view)
{
    SCOPED(json_t) object = document_json(view);
    json_t *fire = json_array();

    if (view->args->is_resolve || !view->doc)
        vast_resolution_put(view->resolver, object);
    if (view->args->provider.nextras)
        json_put(object, "extras", vast_extras_json(view->doc_bytes, &view->args->provider));
    json_put(object, "lint", vast_findings_json(&view->findings));
    json_put(object, "fire", fire);
    if (!put_fire(view, fire))
        return false;
    json_dumpf(object, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    printf("\n");
    return true;
}

/* --- the verb ------------------------------------------------------------------------------------------- */

static bool print_text(struct view *view)
{
    bool has_chain = view->args->is_resolve || !view->doc;

    return vast_text_print(view->arena, view->doc, has_chain ? view->resolver : NULL, &view->findings,
                           &view->err);
}

/* Whether there is VAST, and, where wrappers were followed, an ad or a document that says it has none. */
static bool is_good(const struct view *view)
{
    if (!view->doc || (view->doc->result != VAST_OK && view->doc->result != VAST_NO_AD))
        return false;
    return !view->args->is_resolve || view->resolver->result.nads || view->doc->result == VAST_NO_AD;
}

int tool_vast(const struct conf *conf, int argc, char **argv)
{
    SCOPED_VALUE(arena) arena = {0};
    SCOPED_VALUE(vast_args) args = {0};
    struct view view = {.arena = &arena, .args = &args, .bytes = {.max = DOCUMENT_MAX}};
    bool is_shown;

    arena_init(&arena, ARENA_MAX);
    if (!vast_args_read(&args, conf, &arena, argc, argv, &view.err)) {
        fprintf(stderr, "tracepool-worker vast: %s\n%s", view.err.detail, vast_args_usage);
        return EXIT_USAGE;
    }
    is_shown = get(&view, conf) && find_fault(&view) && (args.is_json ? print_json : print_text)(&view);
    buf_finish(&view.bytes);
    if (is_shown)
        return is_good(&view) ? EXIT_SUCCESS : EXIT_NO;
    fprintf(stderr, "tracepool-worker vast: %s\n", view.err.detail);
    return EXIT_USAGE;
}
