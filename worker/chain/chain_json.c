/*
 * chain_json.c - a trace's result as JSON: what the row keeps, the API answers and `trace --json` prints.
 *
 * What is unknown is null; lists that are empty are there all the same, so that a reader need not ask.
 */
#include "worker/chain/chain.h"

#include "common/json.h"

static json_t *new_object(void)
{
    json_t *object = json_object();

    if (!object)
        abort();
    return object;
}

static json_t *new_array(void)
{
    json_t *array = json_array();

    if (!array)
        abort();
    return array;
}

static void put_text_or_null(json_t *object, const char *key, struct str value)
{
    json_put(object, key, value.len ? json_from_str(value) : json_null());
}

static void put_ms(json_t *object, const char *key, int64_t ms)
{
    json_put(object, key, ms < 0 ? json_null() : json_integer(ms));
}

static json_t *texts(const struct str *items, int n)
{
    json_t *array = new_array();

    for (int i = 0; i < n; i++)
        json_add(array, json_from_str(items[i]));
    return array;
}

static json_t *timing_json(const struct hop_timing *t)
{
    json_t *object = new_object();

    put_ms(object, "dns", t->dns);
    put_ms(object, "connect", t->connect);
    put_ms(object, "tls", t->tls);
    put_ms(object, "first_byte", t->first_byte);
    put_ms(object, "total", t->total);
    return object;
}

/* A list of [name, value]: a header may come twice, and its spelling is the server's. */
static json_t *headers_json(const struct hop *hop)
{
    json_t *array = new_array();

    for (int i = 0; i < hop->nheaders; i++) {
        json_t *pair = new_array();

        json_add(pair, json_from_str(hop->headers[i].name));
        json_add(pair, json_from_str(hop->headers[i].value));
        json_add(array, pair);
    }
    return array;
}

/* null over plain http, and when TLS did not come to anything that could be told. */
json_t *hop_tls_json(const struct hop *hop)
{
    json_t *object;

    if (!hop->tls_version.len && !hop->certificate.error.len)
        return json_null();
    object = new_object();
    put_text_or_null(object, "version", hop->tls_version);
    put_text_or_null(object, "alpn", hop->alpn);
    put_text_or_null(object, "subject", hop->certificate.subject);
    put_text_or_null(object, "issuer", hop->certificate.issuer);
    put_text_or_null(object, "not_before", hop->certificate.not_before);
    put_text_or_null(object, "not_after", hop->certificate.not_after);
    json_put(object, "names", texts(hop->certificate.names, hop->certificate.nnames));
    json_put_int(object, "names_total", hop->certificate.names_total);
    put_text_or_null(object, "error", hop->certificate.error);
    return object;
}

static json_t *hop_json(const struct hop *hop)
{
    json_t *object = new_object();

    json_put_str(object, "url", hop->url);
    json_put(object, "status", hop->status ? json_integer(hop->status) : json_null());
    json_put_str(object, "via", str_from(via_name(hop->via)));
    put_text_or_null(object, "method", hop->method);
    put_text_or_null(object, "remote_address", hop->remote_address);
    put_text_or_null(object, "http_version", hop->http_version);
    json_put(object, "tls", hop_tls_json(hop));
    put_text_or_null(object, "content_type", hop->content_type);
    json_put(object, "timing_ms", timing_json(&hop->timing));
    json_put_int(object, "header_bytes", hop->header_bytes);
    json_put_int(object, "body_bytes", hop->body_bytes);
    json_put(object, "headers", headers_json(hop));
    json_put(object, "cookies_set", texts(hop->cookie_names, hop->ncookie_names));
    json_put(object, "notes", texts(hop->notes, hop->nnotes));
    return object;
}

json_t *chain_json(const struct chain *c)
{
    json_t *array = new_array();

    for (int i = 0; i < c->nhops; i++)
        json_add(array, hop_json(&c->hops[i]));
    return array;
}

json_t *trace_result_params_json(const struct trace_result *r)
{
    json_t *object = new_object();

    for (int i = 0; i < r->nparams; i++) {
        SCOPED_VALUE(buf) name;

        buf_init(&name, r->params[i].name.len * 3 + 1);
        json_clean_utf8(r->params[i].name, &name);
        json_put_str(object, buf_cstr(&name), r->params[i].value);
    }
    return object;
}

static json_t *error_json(const struct err *err)
{
    json_t *object;

    if (err->code == ERR_OK)
        return json_null();
    object = new_object();
    json_put_str(object, "code", str_from(err_name(err->code)));
    json_put_str(object, "detail", str_from(err->detail));
    json_put_str(object, "blame", str_from(err_blame_name(err_blame(err->code))));
    return object;
}

json_t *trace_result_json(const struct trace_result *r)
{
    json_t *object = new_object();

    json_put_str(object, "outcome", str_from(outcome_name(r->outcome)));
    json_put_str(object, "final_url", r->final_url);
    json_put_str(object, "mode_used", str_from(trace_mode_name(r->mode_used)));
    put_text_or_null(object, "detection_reason", r->detection_reason);
    json_put(object, "chain", chain_json(&r->chain));
    json_put(object, "extracted_params", trace_result_params_json(r));
    json_put_int(object, "timing_ms", r->total_ms);
    put_ms(object, "proxy_ms", r->proxy_ms);
    json_put_int(object, "bandwidth_kb", (r->bytes + 1023) / 1024);
    json_put(object, "error", error_json(&r->err));
    return object;
}
