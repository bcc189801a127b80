/*
 * ads.c - see ads.h.
 */
#include "worker/ads.h"

#include "common/json.h"
#include "worker/vast/lint.h"

enum { LOOK_BYTES = 4096, MAX_BODY = 2 * 1024 * 1024 };

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

struct vast_resolve *ads_resolve(struct vast_fetcher *fetcher, uv_loop_t *loop, struct trace *t,
                                 const struct conf *conf, int64_t left_ms,
                                 void (*done)(void *arg, struct vast_resolver *r, const struct err *err),
                                 void *arg)
{
    struct vast_resolve_request request = {
        .bytes = t->result->body,
        .document_url = t->result->final_url,
        .resolver = {.max_wrappers = VAST_WRAPPERS_DEFAULT,
                     .max_fetches = VAST_FETCHES_DEFAULT,
                     .is_first_only = true,
                     .macros = vast_resolve_macros(&t->arena, NULL, 0, VAST_MACRO_BOTH, t->claim.user_agent)},
        .fetch = {.proxy = t->claim.proxy,
                  .user_agent = t->claim.user_agent,
                  .timeout_ms = VAST_TIMEOUT_MS,
                  .connect_timeout_ms = conf->trace_connect_timeout_ms,
                  .max_body = MAX_BODY,
                  .max_header = (size_t)conf->trace_header_max_bytes,
                  .max_redirects = VAST_REDIRECTS_MAX,
                  .allow_private = conf->trace_allow_private,
                  .ca_file = str_from(conf->http_ca_file)},
        .total_timeout_ms = left_ms,
    };

    return vast_resolve_start(fetcher, loop, &t->arena, &request, done, arg);
}

static void put_lint(json_t *evidence, struct arena *a, const struct vast_doc *doc)
{
    struct vast_findings findings = {0};
    struct err err;

    if (vast_lint(a, doc, &findings, &err))
        json_put(evidence, "lint", vast_findings_json(&findings));
}

static void put_error(json_t *evidence, const struct err *err)
{
    json_put_str(evidence, "error", str_from(err_name(err->code)));
    json_put_str(evidence, "detail", str_from(err->detail));
}

static void put_views(json_t *views, json_t *evidence, struct trace *t, const struct vast_resolution *found,
                      const struct vast_sender *sender)
{
    for (int i = 0; i < found->nads; i++) {
        const struct vast_found *ad = &found->ads[i];
        json_t *view;
        struct err err;

        if (ad->is_alternative || vast_view_creative(ad->ad) < 0)
            continue;
        if (vast_view_json(&t->arena, ad->ad, i, sender, &view, &err))
            json_array_append_new(views, view);
        else
            put_error(evidence, &err);
    }
}

json_t *ads_json(struct trace *t, const struct vast_resolver *r, const struct err *err,
                 const struct vast_sender *sender)
{
    const struct vast_resolution *found = r ? &r->result : NULL;
    json_t *object = json_object(), *views = json_array(), *evidence = NULL;

    if (found && found->source) {
        evidence = vast_doc_json(found->source);
        put_lint(evidence, &t->arena, found->source);
        vast_resolution_put(r, evidence);
    } else {
        evidence = json_object();
    }
    if (err->code != ERR_OK)
        put_error(evidence, err);
    else if (found)
        put_views(views, evidence, t, found, sender);
    json_put_str(object, "request_id", t->claim.request_id);
    json_put_int(object, "attempt", t->claim.attempt);
    json_put(object, "evidence", evidence);
    json_put(object, "views", views);
    return object;
}
