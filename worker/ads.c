/*
 * ads.c - see ads.h.
 */
#include "worker/ads.h"

#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "worker/chain/classify.h"
#include "worker/vast/extras.h"
#include "worker/vast/lint.h"
#include "worker/vast/xsd.h"

enum { LOOK_BYTES = 4096 };

/* What a trace knows of its ad. Texts are in its arena. */
struct ad {
    struct ads *ads;
    struct vast_provider provider; /* the settings' when err says that it cannot be used */
    struct err err;
    struct chain chain; /* hops of its tag */
};

/* The root element's name, behind declaration and comments. */
static struct str root_name(struct str text)
{
    size_t at = 0, end;

    for (;;) {
        at = str_find(text, at, '<');
        if (at + 1 >= text.len)
            return STR("");
        if (text.ptr[at + 1] != '?' && text.ptr[at + 1] != '!')
            break;
        at = str_find(text, at, '>');
    }
    for (end = at + 1; end < text.len; end++) {
        char c = text.ptr[end];

        if (c == ':')
            at = end;
        else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '>' || c == '/')
            break;
    }
    return str_slice(text, at + 1, end);
}

bool ads_found(const struct trace_result *result)
{
    return result->outcome == OUTCOME_OK &&
           str_equal_nocase(root_name(str_slice(result->body, 0, LOOK_BYTES)), STR("VAST"));
}

/* --- whose rules hold ------------------------------------------------------------------------------- */

void ads_init(struct ads *ads, uv_loop_t *loop, const struct conf *conf)
{
    struct err err;

    *ads = (struct ads){.conf = conf,
                        .loop = loop,
                        .fetcher = vast_fetcher_create(loop),
                        .cache = vast_cache_create((size_t)conf->vast_cache_max_bytes),
                        .rate = vast_rate_create()};
    if (!vast_rules_init(&ads->rules, conf, &err))
        abort();
    if (conf->vast_xsd_dir[0])
        ads->xsd = vast_xsd_open(conf->vast_xsd_dir, &err);
    if (conf->vast_xsd_dir[0] && !ads->xsd)
        log_error("vast.no_xsd", kv_err(&err));
}

void ads_close(struct ads *ads)
{
    vast_fetcher_destroy(ads->fetcher, NULL, NULL);
    vast_cache_destroy(ads->cache);
    vast_rate_destroy(ads->rate);
    vast_rules_finish(&ads->rules);
    vast_xsd_close(ads->xsd);
}

/* Once a trace. */
static bool find_rules(struct ads *ads, struct trace *t)
{
    static struct log_gate gate;

    if (t->ad)
        return t->ad->err.code == ERR_OK;
    t->ad = calloc(1, sizeof(*t->ad));
    if (!t->ad)
        abort();
    *t->ad = (struct ad){.ads = ads, .provider = ads->rules.defaults};
    if (vast_rules_find(&ads->rules, &t->arena, t->claim.vast_provider, t->claim.vast_row, &t->ad->provider,
                        &t->ad->err))
        return true;
    if (log_gate_opens(&gate))
        log_warn("vast.unusable", kv("trace", t->claim.request_id), kv("offer", t->claim.offer_name),
                 kv("held_back", gate.held_back), kv_err(&t->ad->err));
    return false;
}

bool ads_is_tag(struct ads *ads, struct trace *t)
{
    return t->claim.is_tag && find_rules(ads, t);
}

/* --- requesting it ---------------------------------------------------------------------------------- */

static struct str tag_url(struct trace *t, const struct vast_provider *p)
{
    SCOPED_VALUE(buf) url = {.max = URL_MAX_BYTES};

    return vast_provider_url(p, t->claim.url, NULL, 0, &url) ? arena_copy(&t->arena, buf_str(&url))
                                                             : t->claim.url;
}

static struct vast_fetch_options fetch_options(struct ads *ads, struct trace *t,
                                               const struct vast_provider *p)
{
    const struct conf *conf = ads->conf;
    int64_t rate = p->requests_per_minute ? p->requests_per_minute : conf->vast_requests_per_minute;

    return (struct vast_fetch_options){.proxy = t->claim.proxy,
                                       .user_agent = t->claim.user_agent,
                                       .headers = p->headers,
                                       .nheaders = p->nheaders,
                                       .header_hosts = p->hosts,
                                       .rate = ads->rate,
                                       .rate_name = p->requests_per_minute ? p->name : STR(""),
                                       .per_minute = (double)rate / (double)conf->worker_children,
                                       .chain = t->result ? NULL : &t->ad->chain,
                                       .timeout_ms = p->timeout_ms,
                                       .connect_timeout_ms = conf->trace_connect_timeout_ms,
                                       .max_body = (size_t)conf->vast_body_max_bytes,
                                       .max_header = (size_t)conf->trace_header_max_bytes,
                                       .max_redirects = (int)conf->vast_max_redirects,
                                       .retries = p->retries,
                                       .allow_private = conf->trace_allow_private,
                                       .ca_file = str_from(conf->http_ca_file)};
}

static struct str cache_scope(struct trace *t)
{
    const char *scope = arena_printf(&t->arena, "%.*s\n%.*s\n%.*s", STR_ARG(t->claim.offer_name),
                                     STR_ARG(t->claim.country), STR_ARG(t->claim.user_agent));

    return str_from(scope);
}

struct vast_resolve *ads_resolve(struct ads *ads, struct trace *t, int64_t left_ms,
                                 void (*done)(void *arg, struct vast_resolver *r, const struct err *err),
                                 void *arg)
{
    bool is_usable = find_rules(ads, t);
    const struct vast_provider *p = &t->ad->provider;
    struct vast_resolve_request request = {
        .resolver = {.max_wrappers = p->max_wrappers,
                     .max_fetches = is_usable ? (int)ads->conf->vast_max_fetches : 0,
                     .is_first_only = true,
                     .keep_source = true,
                     .mode = p->macro_mode,
                     .macros = vast_resolve_macros(&t->arena, p->macros, p->nmacros, p->macro_formats,
                                                   t->claim.user_agent)},
        .fetch = fetch_options(ads, t, p),
        .total_timeout_ms = left_ms,
        .cache = t->claim.may_cache ? ads->cache : NULL,
        .cache_ttl_ms = p->cache_ttl_ms,
        .cache_scope = cache_scope(t),
    };

    t->ad_started_ms = loop_now_ms();
    if (t->result) {
        request.bytes = t->result->body;
        request.document_url = t->result->final_url;
    } else {
        request.url = tag_url(t, p);
    }
    return vast_resolve_start(ads->fetcher, ads->loop, &t->arena, &request, done, arg);
}

/* --- the trace of a tag ----------------------------------------------------------------------------- */

/* From the cache: no hop was made, but the chain has to say where the document came from. */
static void add_kept_hop(struct trace *t, struct chain *chain, const struct vast_hop *from)
{
    struct hop *hop = chain_add_hop(&t->arena, chain);

    if (!hop)
        return;
    hop->url = from->final_url.len ? from->final_url : from->url;
    hop->status = from->status;
    hop->method = STR("GET");
    hop_add_note(&t->arena, hop, "answered from this worker's cache: the offer allows it (vast_cache)");
}

struct trace_result *ads_result(struct trace *t, const struct vast_resolver *r, const struct err *err)
{
    struct trace_result *result = arena_alloc(&t->arena, sizeof(*result));
    const struct vast_hop *first = r && r->result.nhops > 0 ? &r->result.hops[0] : NULL;

    if (!result) {
        err_set(&t->err, ERR_TOO_BIG, "a trace's memory is used up");
        return NULL;
    }
    *result = (struct trace_result){.mode_used = MODE_HTTP_ONLY,
                                    .chain = t->ad->chain,
                                    .proxy_ms = -1,
                                    .total_ms = loop_now_ms() - t->ad_started_ms,
                                    .err = first ? first->err : *err};
    if (first && !result->chain.nhops && first->status)
        add_kept_hop(t, &result->chain, first);
    else if (first && first->status)
        result->proxy_ms = result->chain.nhops ? result->chain.hops[0].timing.first_byte : -1;
    for (int i = 0; i < result->chain.nhops; i++)
        result->bytes += result->chain.hops[i].header_bytes + result->chain.hops[i].body_bytes;
    if (!trace_result_extract(&t->arena, result) && result->err.code == ERR_OK)
        err_set(&result->err, ERR_TOO_BIG, "a trace's memory is used up");
    result->outcome = result->err.code == ERR_OK ? OUTCOME_OK : classify_outcome(result->err.code);
    return result;
}

/* --- what was found --------------------------------------------------------------------------------- */

static struct str source_of(const struct trace *t, const struct vast_resolver *r)
{
    return r && r->result.source_bytes.len ? r->result.source_bytes : t->result ? t->result->body : STR("");
}

/* What the schema says is advice among the rest. */
static void put_lint(json_t *evidence, struct trace *t, const struct vast_resolver *r)
{
    const struct vast_doc *doc = r->result.source;
    struct vast_xsd *xsd = t->ad->ads->xsd;
    struct vast_findings findings = {0};
    struct err err;

    if (vast_lint(&t->arena, doc, &findings, &err) &&
        (!xsd || vast_xsd_check(xsd, &t->arena, source_of(t, r), doc, &findings, &err)))
        json_put(evidence, "lint", vast_findings_json(&findings));
}

static void put_error(json_t *evidence, const struct err *err)
{
    json_put_str(evidence, "error", str_from(err_name(err->code)));
    json_put_str(evidence, "detail", str_from(err->detail));
}

/* An ad that was found is a view; one that was lost, whom that is told. */
static void put_views(json_t *views, json_t *evidence, struct trace *t, const struct vast_resolution *found,
                      const struct vast_sender *sender)
{
    const struct vast_provider *p = &t->ad->provider;
    struct err err;
    json_t *view;

    for (int i = 0; i < found->nads; i++) {
        const struct vast_found *ad = &found->ads[i];

        if (ad->is_alternative || vast_view_creative(ad->ad) < 0)
            continue;
        if (vast_view_json(&t->arena, ad->ad, i, sender, p, &view, &err))
            json_add(views, view);
        else
            put_error(evidence, &err);
    }
    for (int i = 0; i < found->nfailures; i++) {
        if (!found->failures[i].errors.n)
            continue;
        if (vast_lost_json(&t->arena, &found->failures[i], found->nads + i, sender, p, &view, &err))
            json_add(views, view);
        else
            put_error(evidence, &err);
    }
}

static void put_provider(json_t *evidence, struct trace *t, const struct vast_resolver *r)
{
    const struct vast_provider *p = &t->ad->provider;

    if (t->claim.vast_provider.len)
        json_put_str(evidence, "provider", t->claim.vast_provider);
    if (t->ad->err.code != ERR_OK)
        json_put_str(evidence, "provider_error", str_from(t->ad->err.detail));
    if (p->nextras)
        json_put(evidence, "extras", vast_extras_json(source_of(t, r), p));
}

json_t *ads_json(struct trace *t, const struct vast_resolver *r, const struct err *err,
                 const struct vast_sender *sender)
{
    const struct vast_resolution *found = r ? &r->result : NULL;
    json_t *object = json_object(), *views = json_array(), *evidence = NULL;

    if (found && found->source) {
        evidence = vast_doc_json(found->source);
        put_lint(evidence, t, r);
        vast_resolution_put(r, evidence);
    } else {
        evidence = json_object();
        if (r)
            vast_resolution_put(r, evidence);
    }
    put_provider(evidence, t, r);
    if (err->code != ERR_OK)
        put_error(evidence, err);
    else if (found && t->ad->err.code == ERR_OK)
        put_views(views, evidence, t, found, sender);
    json_put_str(object, "request_id", t->claim.request_id);
    json_put_int(object, "attempt", t->claim.attempt);
    json_put(object, "evidence", evidence);
    json_put(object, "views", views);
    return object;
}
