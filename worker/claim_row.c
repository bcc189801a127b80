/*
 * claim_row.c - see claim_row.h. What the request's options leave open comes from the settings; what
 * they ask for beyond the settings' limits is cut to them.
 */
#include "worker/claim_row.h"

#include "common/json.h"
#include "common/pg/row.h"
#include "worker/tracer/verdict.h"

#include <string.h>

enum { EXPECTED_PARAMS_MAX = 64, HOPS_MAX = 100, TIMEOUT_MIN_MS = 100 };

struct claim_columns claim_columns_of(const PGresult *res)
{
    return (struct claim_columns){
        .request_id = row_column(res, "request_id"),
        .attempt = row_column(res, "attempt"),
        .retry_count = row_column(res, "retry_count"),
        .max_retries = row_column(res, "max_retries"),
        .offer_id = row_column(res, "offer_id"),
        .offer_name = row_column(res, "offer_name"),
        .url = row_column(res, "tracking_url"),
        .country = row_column(res, "target_country"),
        .options = row_column(res, "options"),
        .wait_ms = row_column(res, "wait_ms"),
        .ip = row_column(res, "ip_address"),
        .scheme = row_column(res, "proxy_scheme"),
        .host = row_column(res, "proxy_host"),
        .port = row_column(res, "proxy_port"),
        .user = row_column(res, "proxy_user"),
        .secret = row_column(res, "proxy_secret"),
        .request_cursor = row_column(res, "request_cursor"),
        .ip_cursor = row_column(res, "ip_cursor"),
    };
}

struct str claim_user_agent(const struct conf *conf, struct arena *a)
{
    if (conf->http_user_agent[0])
        return arena_copy(a, str_from(conf->http_user_agent));
    if (conf->http_contact[0])
        return str_from(arena_printf(a, "tracepool/%s (+%s)", TRACEPOOL_VERSION, conf->http_contact));
    return arena_copy(a, STR("tracepool/" TRACEPOOL_VERSION));
}

static void read_identity(const PGresult *res, int row, const struct claim_columns *at, struct arena *a,
                          struct trace_claim *out)
{
    out->request_id = arena_copy(a, row_str(res, row, at->request_id));
    out->attempt = (int)row_int(res, row, at->attempt, 0);
    out->retry_count = (int)row_int(res, row, at->retry_count, 0);
    out->max_retries = (int)row_int(res, row, at->max_retries, 0);
    out->wait_ms = row_int(res, row, at->wait_ms, 0);
    out->offer_id = arena_copy(a, row_str(res, row, at->offer_id));
    out->offer_name = arena_copy(a, row_str(res, row, at->offer_name));
    out->country = arena_copy(a, row_str(res, row, at->country));
    out->ip = arena_copy(a, row_str(res, row, at->ip));
    out->url = arena_copy(a, row_str(res, row, at->url));
}

static bool read_proxy(const PGresult *res, int row, const struct claim_columns *at, struct arena *a,
                       struct trace_claim *out, struct err *err)
{
    struct str port = row_str(res, row, at->port), scheme = row_str(res, row, at->scheme);
    int64_t number;

    if (!str_to_int(port, &number) || number < 1 || number > 65535)
        return err_set(err, ERR_PROXY_UNKNOWN, "proxy %.*s: port \"%.*s\" is none", STR_ARG(out->ip),
                       STR_ARG(port));
    if (scheme.len == 0) /* a trace without one would leave from this machine */
        return err_set(err, ERR_PROXY_UNKNOWN, "proxy %.*s: no scheme", STR_ARG(out->ip));
    if (row_str(res, row, at->host).len == 0)
        return err_set(err, ERR_PROXY_UNKNOWN, "proxy %.*s: no host", STR_ARG(out->ip));
    out->proxy.port = (int)number;
    /* Names are the proxy's to resolve in any case: a name looked up here would betray the trace. */
    out->proxy.scheme = str_equal(scheme, STR("socks5")) ? STR("socks5h") : arena_copy(a, scheme);
    out->proxy.host = arena_copy(a, row_str(res, row, at->host));
    out->proxy.user = arena_copy(a, row_str(res, row, at->user));
    out->secret_name = arena_copy(a, row_str(res, row, at->secret));
    return true;
}

static void read_expected(const json_t *names, struct arena *a, struct trace_claim *out)
{
    size_t n = json_array_size(names);

    if (n > EXPECTED_PARAMS_MAX)
        n = EXPECTED_PARAMS_MAX;
    out->expected_params = arena_alloc(a, n * sizeof(struct str) + 1);
    for (size_t i = 0; out->expected_params && i < n; i++) {
        const json_t *name = json_array_get(names, i);

        if (json_is_string(name))
            out->expected_params[out->nexpected_params++] =
                arena_copy(a, (struct str){json_string_value(name), json_string_length(name)});
    }
}

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Kinds that this version does not know are left to those that do. */
static unsigned read_evidence(const json_t *names)
{
    unsigned set = 0;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *item = json_string_value(json_array_get(names, i));

        for (int kind = 0; item && kind < EVIDENCE_COUNT; kind++)
            if (strcmp(item, evidence_name((enum evidence)kind)) == 0)
                set |= evidence_bit((enum evidence)kind);
    }
    return set;
}

bool claim_is_sampled(struct str request_id, int percent)
{
    struct str tail = str_slice(request_id, request_id.len > 8 ? request_id.len - 8 : 0, request_id.len);
    uint32_t number = 0;

    for (size_t i = 0; i < tail.len; i++) {
        char c = tail.ptr[i];

        number = number * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return number % 100 < (uint32_t)percent;
}

/* What the offer's earlier traces say about mode auto. */
static void read_auto(const json_t *options, const struct conf *conf, struct arena *a,
                      struct trace_claim *out)
{
    struct str learnt = json_get_str(options, "learnt", STR(""));
    int64_t percent = within(json_get_int(options, "sample_percent", conf->auto_sample_percent), 0, 100);

    if (out->mode != MODE_AUTO)
        return;
    out->learnt = verdict_is_learnt(learnt) ? arena_copy(a, learnt) : STR("");
    out->is_sampled = claim_is_sampled(out->request_id, (int)percent);
}

static struct str row_text(const json_t *row, struct arena *a)
{
    char *text = json_is_object(row) ? json_dumps(row, JSON_COMPACT) : NULL;
    struct str copy = text ? arena_copy(a, str_from(text)) : STR("");

    free(text);
    return copy;
}

static void read_ad(const json_t *options, struct arena *a, struct trace_claim *out)
{
    out->is_tag = str_equal(json_get_str(options, "kind", STR("link")), STR("vast"));
    out->may_cache = json_get_bool(options, "vast_cache", false);
    out->vast_provider = arena_copy(a, json_get_str(options, "vast_provider", STR("")));
    out->vast_row = row_text(json_object_get(options, "vast"), a);
}

static bool read_options(struct str text, const struct conf *conf, struct arena *a, struct trace_claim *out,
                         struct err *err)
{
    SCOPED(json_t) options = text.len ? json_parse(text, err) : json_object();
    struct str mode, agent;

    if (!options)
        return false;
    mode = json_get_str(options, "mode", STR("auto"));
    if (!trace_mode_from(mode, &out->mode))
        return err_set(err, ERR_BAD_INPUT, "mode \"%.*s\": auto, http_only or browser", STR_ARG(mode));
    read_auto(options, conf, a, out);
    out->extract_only = json_get_bool(options, "extract_only", false);
    out->block_resources = json_get_bool(options, "block_resources", true);
    out->referrer = arena_copy(a, json_get_str(options, "referrer", STR("")));
    agent = json_get_str(options, "user_agent", STR(""));
    out->user_agent = agent.len ? arena_copy(a, agent) : claim_user_agent(conf, a);
    out->max_hops = (int)within(json_get_int(options, "max_hops", conf->trace_max_hops), 1, HOPS_MAX);
    out->timeout_ms = within(json_get_int(options, "timeout_ms", conf->trace_timeout_s * 1000),
                             TIMEOUT_MIN_MS, conf->trace_timeout_s * 1000);
    out->evidence = read_evidence(json_object_get(options, "evidence"));
    read_expected(json_object_get(options, "expected_params"), a, out);
    read_ad(options, a, out);
    return true;
}

bool claim_read(const PGresult *res, int row, const struct claim_columns *at, const struct conf *conf,
                struct arena *a, struct trace_claim *out, struct err *err)
{
    *out = (struct trace_claim){.timeout_ms = conf->trace_timeout_s * 1000};
    read_identity(res, row, at, a, out);
    if (!read_proxy(res, row, at, a, out, err) ||
        !read_options(row_str(res, row, at->options), conf, a, out, err))
        return false;
    if (a->is_full)
        return err_set(err, ERR_TOO_BIG, "the request alone fills trace.memory_max_bytes");
    return true;
}
