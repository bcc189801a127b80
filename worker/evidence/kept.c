/*
 * kept.c - see kept.h.
 */
#include "worker/evidence/kept.h"

#include "common/json.h"

#include <time.h>

static const int64_t YEAR_9999_S = 253402300799;

static json_t *new_list(json_t *object, const char *key)
{
    json_t *list = json_array();

    if (!list)
        abort();
    json_put(object, key, list);
    return list;
}

static json_t *new_object(void)
{
    json_t *object = json_object();

    if (!object)
        abort();
    return object;
}

static json_t *text_or_null(struct str text)
{
    return text.len ? json_from_str(text) : json_null();
}

static json_t *time_or_null(int64_t at_s)
{
    time_t at = (time_t)(at_s < YEAR_9999_S ? at_s : YEAR_9999_S);
    struct tm utc;
    char text[40];

    if (at_s <= 0 || !gmtime_r(&at, &utc) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc))
        return json_null();
    return json_from_str(str_from(text));
}

static json_t *cookie_json(const struct kept_cookie *c)
{
    json_t *object = new_object();

    json_put_str(object, "name", c->name);
    json_put_str(object, "value", c->value);
    json_put_str(object, "domain", c->domain);
    json_put(object, "host_only", json_boolean(c->is_host_only));
    json_put_str(object, "path", c->path);
    json_put(object, "expires", time_or_null(c->expires_s));
    json_put(object, "secure", json_boolean(c->is_secure));
    json_put(object, "http_only", json_boolean(c->is_http_only));
    json_put(object, "same_site", text_or_null(c->same_site));
    return object;
}

json_t *kept_cookies_json(const struct trace_result *r)
{
    json_t *object = new_object(), *list = new_list(object, "cookies");

    for (int i = 0; i < r->kept.ncookies; i++)
        json_add(list, cookie_json(&r->kept.cookies[i]));
    json_put_int(object, "left_out", r->kept.cookies_left_out);
    return object;
}

static json_t *number_or_null(int64_t n)
{
    return n > 0 ? json_integer(n) : json_null();
}

static json_t *message_json(const struct trace_result *r, const struct kept_message *m)
{
    json_t *object = new_object();
    bool is_known = m->hop >= 0 && m->hop < r->chain.nhops;

    json_put_str(object, "kind", m->kind);
    json_put_str(object, "text", m->text);
    json_put(object, "source", text_or_null(m->source));
    json_put(object, "line", number_or_null(m->line));
    json_put(object, "column", number_or_null(m->column));
    json_put(object, "hop", number_or_null(is_known ? m->hop + 1 : 0));
    json_put(object, "page", is_known ? json_from_str(r->chain.hops[m->hop].url) : json_null());
    return object;
}

json_t *kept_console_json(const struct trace_result *r)
{
    json_t *object = new_object(), *list = new_list(object, "messages");

    for (int i = 0; i < r->kept.nmessages; i++)
        json_add(list, message_json(r, &r->kept.messages[i]));
    json_put_int(object, "left_out", r->kept.messages_left_out);
    return object;
}
