/*
 * store.c - see store.h. Which error is worth a retry and whose fault it is comes from common/err.h.
 */
#include "worker/store.h"

#include "common/json.h"
#include "worker/evidence/har.h"
#include "worker/evidence/kept.h"

enum { EVIDENCE_MAX = 8 << 20 };

static const struct err no_error;

const struct err *store_error(const struct trace *t)
{
    if (t->err.code != ERR_OK)
        return &t->err;
    return t->result ? &t->result->err : &no_error;
}

enum outcome store_outcome(const struct trace *t)
{
    if (t->err.code == ERR_TRACE_TIMEOUT)
        return OUTCOME_TIMEOUT;
    if (t->err.code != ERR_OK || !t->result)
        return OUTCOME_ERROR;
    return t->result->outcome;
}

static void put_identity(json_t *o, const struct trace *t)
{
    json_put_str(o, "request_id", t->claim.request_id);
    json_put_int(o, "attempt", t->claim.attempt);
    json_put_str(o, "ip", t->claim.ip);
}

static void put_error(json_t *o, const struct err *err)
{
    bool is_error = err->code != ERR_OK;

    json_put(o, "error", is_error ? json_string(err_name(err->code)) : json_null());
    json_put(o, "detail", is_error && err->detail[0] ? json_from_str(str_from(err->detail)) : json_null());
    json_put(o, "retry", json_boolean(is_error && err_is_retryable(err->code)));
    json_put_str(o, "blame", str_from(err_blame_name(err_blame(err->code))));
}

static json_t *text_or_null(struct str s)
{
    return s.len ? json_from_str(s) : json_null();
}

/* What the tracer found. Offers that want the outcome alone (extract_only) keep no chain. */
static void put_findings(json_t *o, const struct trace *t)
{
    const struct trace_result *r = t->result;

    json_put(o, "final_url", text_or_null(r->final_url));
    json_put(o, "params", trace_result_params_json(r));
    json_put(o, "chain", t->claim.extract_only ? json_array() : chain_json(&r->chain));
    json_put_str(o, "mode_used", str_from(trace_mode_name(r->mode_used)));
    json_put(o, "reason", text_or_null(r->detection_reason));
    json_put(o, "response_ms", r->proxy_ms >= 0 ? json_integer(r->proxy_ms) : json_null());
    json_put_int(o, "kb", (r->bytes + 1023) / 1024);
}

static json_t *ms_or_null(const struct trace_result *r)
{
    return r ? json_integer(r->total_ms) : json_null();
}

/* What the database learns from about modes: each one's time, and what a comparison of both said. */
static void put_modes(json_t *o, const struct trace *t)
{
    const struct trace_result *r = t->result, *browsed = t->browsed;

    json_put(o, "http_ms", ms_or_null(t->http ? t->http : r->mode_used == MODE_HTTP_ONLY ? r : NULL));
    json_put(o, "browser_ms", ms_or_null(browsed ? browsed : r->mode_used == MODE_BROWSER ? r : NULL));
    json_put(o, "compared", browsed ? comparison_json(&t->compared, t->http, browsed) : json_null());
}

/* One that is too large for a row is left out. */
static void add_json(json_t *list, enum evidence kind, json_t *object)
{
    SCOPED_VALUE(buf) text = {.max = EVIDENCE_MAX};
    json_t *item;

    json_write(object, &text);
    json_decref(object);
    if (text.is_full)
        return;
    item = json_object();
    json_put_str(item, "kind", str_from(evidence_name(kind)));
    json_put_str(item, "content_type", STR("application/json"));
    json_put_str(item, "body", buf_str(&text));
    json_add(list, item);
}

static void add_screenshot(json_t *list, const struct kept *kept)
{
    json_t *item;

    if (!kept->screenshot.len)
        return;
    item = json_object();
    json_put_str(item, "kind", str_from(evidence_name(EVIDENCE_SCREENSHOT)));
    json_put_str(item, "content_type", kept->screenshot_type);
    json_put_str(item, "body", kept->screenshot);
    json_put(item, "is_base64", json_true());
    json_add(list, item);
}

/* What the offer asked to keep. Over HTTP alone there is no console, and nothing to be seen. */
static void put_evidence(json_t *o, const struct trace *t)
{
    unsigned wanted = t->claim.evidence;
    json_t *list;

    if (!wanted)
        return;
    list = json_array();
    if (evidence_has(wanted, EVIDENCE_HAR))
        add_json(list, EVIDENCE_HAR, har_json(t->result));
    if (evidence_has(wanted, EVIDENCE_COOKIES))
        add_json(list, EVIDENCE_COOKIES, kept_cookies_json(t->result));
    if (evidence_has(wanted, EVIDENCE_CONSOLE) && t->result->mode_used == MODE_BROWSER)
        add_json(list, EVIDENCE_CONSOLE, kept_console_json(t->result));
    add_screenshot(list, &t->result->kept);
    json_put(o, "evidence", list);
}

json_t *store_result_json(const struct trace *t)
{
    json_t *o = json_object();

    put_identity(o, t);
    json_put_str(o, "outcome", str_from(outcome_name(store_outcome(t))));
    put_error(o, store_error(t));
    json_put_int(o, "trace_ms", t->ended_ms - t->claimed_ms);
    if (t->result && !t->is_cut) {
        put_findings(o, t);
        put_modes(o, t);
        put_evidence(o, t);
    }
    return o;
}

json_t *store_return_json(const struct trace *t)
{
    json_t *o = json_object();

    put_identity(o, t);
    return o;
}
