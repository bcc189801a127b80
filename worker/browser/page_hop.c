/*
 * page_hop.c - what is kept of a hop: from Chromium's answers to the shape that the tracer's hops have.
 */
#include "worker/browser/page.h"

#include "common/json.h"
#include "worker/chain/head.h"

#include <stdarg.h>
#include <time.h>

enum { NOTES_MAX = 40, NOTE_BYTES = 300, LINE_MAX_BYTES = 16 * 1024 };

struct hop *page_hop(struct page *p)
{
    struct chain *chain = &p->result->chain;

    return chain->nhops ? &chain->hops[chain->nhops - 1] : NULL;
}

bool page_add_hop(struct page *p, const struct url *url, enum via via, struct str method)
{
    struct arena *a = p->options.arena;
    struct hop *hop = chain_add_hop(a, &p->result->chain);

    if (!hop)
        return err_set(&p->result->err, ERR_TOO_BIG, "a trace's memory is used up");
    hop->url = url->href;
    hop->via = via;
    hop->started_ms = p->now_ms - p->started_ms;
    hop->method = arena_copy(a, method);
    p->url = *url;
    return hop->method.ptr || err_set(&p->result->err, ERR_TOO_BIG, "a trace's memory is used up");
}

void page_drop_hop(struct page *p)
{
    struct chain *chain = &p->result->chain;
    struct str dropped = chain->hops[--chain->nhops].url;
    struct err ignored;

    p->is_repeated = false;
    page_note(p, "asked for and taken back: %.*s", STR_ARG(dropped));
    if (!url_parse(p->options.arena, page_hop(p)->url, NULL, &p->url, &ignored))
        p->url = (struct url){.href = page_hop(p)->url};
}

void page_note(struct page *p, const char *format, ...)
{
    struct hop *hop = page_hop(p);
    char note[NOTE_BYTES];
    va_list args;

    if (!hop || hop->nnotes >= NOTES_MAX)
        return;
    va_start(args, format);
    vsnprintf(note, sizeof(note), format, args);
    va_end(args);
    hop_add_note(p->options.arena, hop, hop->nnotes < NOTES_MAX - 1 ? note : "and more");
}

/* --- headers --------------------------------------------------------------------------------------- */

/* Several headers of one name come as one value with line breaks in between. */
static void keep_header(struct page *p, struct head *head, struct str name, struct str values)
{
    SCOPED_VALUE(buf) line = {.max = LINE_MAX_BYTES};

    for (struct str rest = values, value; str_cut(&rest, '\n', &value);) {
        buf_clear(&line);
        if (buf_printf(&line, "%.*s: %.*s", STR_ARG(name), STR_ARG(value)) &&
            !head_line(p->options.arena, head, buf_str(&line)))
            return;
    }
}

void page_keep_headers(struct page *p, const json_t *headers)
{
    struct hop *hop = page_hop(p);
    struct head head = {.content_length = -1, .status = hop->status};
    const json_t *header;
    size_t i;

    json_array_foreach(headers, i, header)
        keep_header(p, &head, json_get_str(header, "name", STR("")), json_get_str(header, "value", STR("")));
    hop->headers = head.headers;
    hop->nheaders = head.nheaders;
    if (head.content_type.len)
        hop->content_type = head.content_type;
    p->location = head_is_redirect(&head) ? head.location : (struct str){0};
}

void page_keep_cookies(struct page *p, struct hop *hop, const json_t *headers)
{
    struct head head = {.content_length = -1, .status = hop->status};
    const char *name;
    const json_t *value;

    json_object_foreach((json_t *)headers, name, value)
    {
        if (str_equal_nocase(str_from(name), STR("Set-Cookie")))
            keep_header(p, &head, STR("Set-Cookie"), str_from(json_string_value(value)));
    }
    hop->cookie_names = head.cookie_names;
    hop->ncookie_names = head.ncookie_names;
}

/* --- the rest of an answer -------------------------------------------------------------------------- */

static struct str version_of(struct str protocol)
{
    if (str_equal(protocol, STR("h2")))
        return STR("2");
    if (str_starts(protocol, STR("h3")))
        return STR("3");
    return str_starts(protocol, STR("http/1.0")) ? STR("1.0") : STR("1.1");
}

/* "TLS 1.3" as libcurl's tracer writes it: "TLSv1.3". */
static struct str tls_of(struct arena *a, struct str protocol)
{
    const char *text;

    if (!str_starts(protocol, STR("TLS ")))
        return arena_copy(a, protocol);
    text = arena_printf(a, "TLSv%.*s", (int)(protocol.len - 4), protocol.ptr + 4);
    return str_from(text);
}

/* Chromium says where within the request each step ended, -1 when it was not made. */
static int step_ms(const json_t *timing, const char *name)
{
    double at = json_number_value(json_object_get(timing, name));

    return at > 0 && at < 1e9 ? (int)(at + 0.5) : -1;
}

static void keep_timing(struct hop *hop, const json_t *timing)
{
    if (!json_is_object(timing))
        return;
    hop->timing.dns = step_ms(timing, "dnsEnd");
    hop->timing.connect = step_ms(timing, "connectEnd");
    hop->timing.tls = step_ms(timing, "sslEnd");
    hop->timing.first_byte = step_ms(timing, "receiveHeadersEnd");
}

/* Chromium tells the common name alone. */
static struct str named(struct arena *a, const json_t *security, const char *key)
{
    struct str name = json_get_str(security, key, STR(""));

    return name.len ? str_from(arena_printf(a, "CN=%.*s", STR_ARG(name))) : STR("");
}

/* Seconds since 1970 as ISO 8601; empty when there is no such moment. */
static struct str moment(struct arena *a, const json_t *seconds)
{
    time_t at = (time_t)json_number_value(seconds);
    struct tm utc;
    char text[32];

    if (at > 0 && gmtime_r(&at, &utc) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc))
        return arena_copy(a, str_from(text));
    return STR("");
}

static void keep_certificate(struct arena *a, struct hop *hop, const json_t *security)
{
    struct hop_certificate *c = &hop->certificate;
    const json_t *name;
    size_t i;

    if (!json_is_object(security))
        return;
    *c = (struct hop_certificate){.error = c->error};
    c->subject = named(a, security, "subjectName");
    c->issuer = named(a, security, "issuer");
    c->not_before = moment(a, json_object_get(security, "validFrom"));
    c->not_after = moment(a, json_object_get(security, "validTo"));
    json_array_foreach(json_object_get(security, "sanList"), i, name)
        certificate_add_name(a, c, (struct str){json_string_value(name), json_string_length(name)});
}

void page_keep_response(struct page *p, struct hop *hop, const json_t *response)
{
    const struct trace_proxy *proxy = &p->options.request.proxy;
    struct arena *a = p->options.arena;
    struct str tls = json_get_str(json_object_get(response, "securityDetails"), "protocol", STR(""));
    struct str mime = json_get_str(response, "mimeType", STR(""));

    if (!hop->content_type.len)
        hop->content_type = arena_copy(a, mime);
    if (proxy->scheme.len) /* what Chromium talks to is always our own relay */
        hop->remote_address = arena_copy(a, proxy->host);
    hop->http_version = version_of(json_get_str(response, "protocol", STR("")));
    hop->tls_version = tls_of(a, tls);
    if (tls.len && !str_equal(hop->http_version, STR("1.1"))) /* that may have been agreed on, or not */
        hop->alpn = arena_copy(a, json_get_str(response, "protocol", STR("")));
    keep_certificate(a, hop, json_object_get(response, "securityDetails"));
    hop->header_bytes = json_get_int(response, "encodedDataLength", 0);
    keep_timing(hop, json_object_get(response, "timing"));
}

void page_keep_end(struct page *p, struct hop *hop, double at_s, int64_t bytes)
{
    double ms = (at_s - p->asked_at_s) * 1000;

    if (p->asked_at_s > 0 && ms >= 0 && ms < 1e9)
        hop->timing.total = (int)(ms + 0.5);
    if (bytes > hop->header_bytes)
        hop->body_bytes = bytes - hop->header_bytes;
}
