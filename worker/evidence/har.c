/*
 * har.c - see har.h. Field by field what http://www.softwareishard.com/blog/har-12-spec/ asks for.
 */
#include "worker/evidence/har.h"

#include "common/arena.h"
#include "common/json.h"
#include "common/loop.h"
#include "common/url.h"

#include <stdio.h>
#include <time.h>

enum { URL_MAX = 1 << 20, QUERY_MEMORY = 4 << 20, UNKNOWN = -1 };

static const char PAGE[] = "trace";

static json_t *new_object(void)
{
    json_t *object = json_object();

    if (!object)
        abort();
    return object;
}

/* Where HAR wants text, unknown is "". */
static void put_text(json_t *object, const char *key, struct str value)
{
    json_put_str(object, key, value.len ? value : STR(""));
}

static json_t *put_array(json_t *object, const char *key)
{
    json_t *array = json_array();

    if (!array)
        abort();
    json_put(object, key, array);
    return array;
}

static json_t *append_pair(json_t *array, struct str name, struct str value)
{
    json_t *pair = new_object();

    put_text(pair, "name", name);
    put_text(pair, "value", value);
    json_add(array, pair);
    return pair;
}

/* --- text ---------------------------------------------------------------------------------------- */

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

/* Behind the user information that begins at `from`, or `from` when there is none. */
static size_t skip_user(struct str s, size_t from)
{
    size_t behind = from;

    for (size_t i = from; i < s.len; i++) {
        char c = s.ptr[i];

        if (is_slash(c) || c == '?' || c == '#' || c == ' ')
            break;
        if (c == '@')
            behind = i + 1;
    }
    return behind;
}

/* A URL, or a header's value with a URL in it, without names and passwords before a host. */
static void put_clean(json_t *object, const char *key, struct str s)
{
    SCOPED_VALUE(buf) clean;

    buf_init(&clean, URL_MAX);
    for (size_t i = 0; i < s.len;) {
        buf_append_char(&clean, s.ptr[i++]);
        if (i >= 2 && is_slash(s.ptr[i - 1]) && is_slash(s.ptr[i - 2]))
            i = skip_user(s, i);
    }
    json_put_str(object, key, buf_str(&clean));
}

static void put_version(json_t *object, struct str version)
{
    char text[32] = "";

    if (version.len)
        snprintf(text, sizeof(text), "HTTP/%.*s", STR_ARG(version));
    json_put_str(object, "httpVersion", str_from(text));
}

static void put_time(json_t *object, int64_t at_ms)
{
    time_t seconds = at_ms / 1000;
    struct tm tm;
    char day[32], text[48];

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof(text), "%s.%03dZ", day, (int)(at_ms % 1000));
    json_put_str(object, "startedDateTime", str_from(text));
}

/* --- one entry ----------------------------------------------------------------------------------- */

/* What stands between the first '?' and the '#': nothing else can be the query of a serialised URL. */
static struct str query_of(struct str href)
{
    struct str visible = str_slice(href, 0, str_find(href, 0, '#'));

    return str_slice(visible, str_find(visible, 0, '?') + 1, visible.len);
}

static json_t *request_json(const struct hop *hop)
{
    SCOPED_VALUE(arena) memory = {.ceiling = QUERY_MEMORY};
    json_t *object = new_object(), *query;
    struct url_query_iter it;
    struct str name, value;

    json_put_str(object, "method", hop->method.len ? hop->method : STR("GET"));
    put_clean(object, "url", hop->url);
    put_version(object, hop->http_version);
    put_array(object, "cookies");
    put_array(object, "headers");
    query = put_array(object, "queryString");
    url_query_init(&it, query_of(hop->url));
    while (url_query_next(&it, &memory, &name, &value))
        append_pair(query, name, value);
    json_put_int(object, "headersSize", UNKNOWN);
    json_put_int(object, "bodySize", UNKNOWN);
    return object;
}

static void put_headers(json_t *object, const struct hop *hop)
{
    json_t *array = put_array(object, "headers");

    for (int i = 0; i < hop->nheaders; i++)
        put_clean(append_pair(array, hop->headers[i].name, STR("")), "value", hop->headers[i].value);
}

static void put_cookies(json_t *object, const struct hop *hop)
{
    json_t *array = put_array(object, "cookies");

    for (int i = 0; i < hop->ncookie_names; i++)
        json_put_str(append_pair(array, hop->cookie_names[i], STR("")), "comment",
                     STR("the value is not kept"));
}

static bool is_packed(const struct hop *hop)
{
    for (int i = 0; i < hop->nheaders; i++)
        if (str_equal_nocase(hop->headers[i].name, STR("content-encoding")))
            return true;
    return false;
}

static json_t *response_json(const struct hop *hop, const struct hop *next)
{
    json_t *object = new_object(), *content = new_object();

    json_put_int(object, "status", hop->status);
    json_put_str(object, "statusText", STR(""));
    put_version(object, hop->http_version);
    put_cookies(object, hop);
    put_headers(object, hop);
    json_put_int(content, "size", is_packed(hop) ? UNKNOWN : hop->body_bytes);
    put_text(content, "mimeType", hop->content_type);
    json_put(object, "content", content);
    put_clean(object, "redirectURL", next ? next->url : STR(""));
    json_put_int(object, "headersSize", hop->status ? hop->header_bytes : UNKNOWN);
    json_put_int(object, "bodySize", hop->status ? hop->body_bytes : UNKNOWN);
    return object;
}

/* The time from one moment to a later one; unknown moments are -1 and take none. */
static int64_t span(int64_t from, int64_t to)
{
    return to > from && from >= 0 ? to - from : 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* HAR wants lengths where we have moments; `connect` holds `ssl`, and `send` is too short to be seen. */
static json_t *timings_json(const struct hop_timing *t)
{
    json_t *object = new_object();
    int64_t is_new = t->connect >= 0, looked_up = later(t->dns, 0);
    int64_t ready = later(later(t->tls, t->connect), looked_up), total = later(t->total, 0);
    int64_t answered = t->first_byte >= 0 ? t->first_byte : total;

    json_put_int(object, "blocked", UNKNOWN);
    json_put_int(object, "dns", t->dns >= 0 ? t->dns : UNKNOWN);
    json_put_int(object, "connect", is_new ? span(looked_up, ready) : UNKNOWN);
    json_put_int(object, "ssl", t->tls >= 0 ? span(t->connect, t->tls) : UNKNOWN);
    json_put_int(object, "send", 0);
    json_put_int(object, "wait", span(ready, answered));
    json_put_int(object, "receive", span(answered, total));
    return object;
}

static void put_own_fields(json_t *entry, const struct hop *hop)
{
    json_t *notes = put_array(entry, "_notes");

    json_put_str(entry, "_via", str_from(via_name(hop->via)));
    for (int i = 0; i < hop->nnotes; i++)
        json_add(notes, json_from_str(hop->notes[i]));
    if (hop->tls_version.len || hop->certificate.error.len)
        json_put(entry, "_tls", hop_tls_json(hop));
}

static json_t *entry_json(const struct hop *hop, const struct hop *next, int64_t at_ms)
{
    json_t *entry = new_object();

    json_put_str(entry, "pageref", str_from(PAGE));
    put_time(entry, at_ms);
    json_put_int(entry, "time", later(hop->timing.total, 0));
    json_put(entry, "request", request_json(hop));
    json_put(entry, "response", response_json(hop, next));
    json_put(entry, "cache", new_object());
    json_put(entry, "timings", timings_json(&hop->timing));
    if (hop->remote_address.len)
        json_put_str(entry, "serverIPAddress", hop->remote_address);
    put_own_fields(entry, hop);
    return entry;
}

/* --- the log ------------------------------------------------------------------------------------- */

static void put_entries(json_t *log, const struct trace_result *r, int64_t began_ms)
{
    json_t *entries = put_array(log, "entries");
    int64_t since_ms = 0;

    for (int i = 0; i < r->chain.nhops; i++) {
        const struct hop *hop = &r->chain.hops[i], *next = i + 1 < r->chain.nhops ? hop + 1 : NULL;

        if (hop->started_ms >= 0)
            since_ms = hop->started_ms;
        json_add(entries, entry_json(hop, next, began_ms + since_ms));
        since_ms += later(hop->timing.total, 0);
    }
}

static void put_page(json_t *log, const struct trace_result *r, int64_t began_ms)
{
    json_t *page = new_object(), *timings = new_object();

    put_time(page, began_ms);
    json_put_str(page, "id", str_from(PAGE));
    put_clean(page, "title", r->chain.nhops ? r->chain.hops[0].url : STR(""));
    json_put_int(timings, "onContentLoad", UNKNOWN);
    json_put_int(timings, "onLoad", UNKNOWN);
    json_put(page, "pageTimings", timings);
    json_add(put_array(log, "pages"), page);
}

json_t *har_json(const struct trace_result *r)
{
    int64_t began_ms = r->started_at_ms ? r->started_at_ms : loop_wall_ms() - r->total_ms;
    json_t *har = new_object(), *log = new_object(), *creator = new_object();

    json_put_str(log, "version", STR("1.2"));
    json_put_str(creator, "name", STR("tracepool"));
    json_put_str(creator, "version", STR(TRACEPOOL_VERSION));
    json_put(log, "creator", creator);
    put_page(log, r, began_ms);
    put_entries(log, r, began_ms);
    json_put_str(log, "_outcome", str_from(outcome_name(r->outcome)));
    if (r->err.code != ERR_OK)
        json_put_str(log, "_error", str_from(err_name(r->err.code)));
    json_put(har, "log", log);
    return har;
}
