/*
 * ask.c - reads the bodies of calls for one trace. See ask.h.
 *
 * The fields are two tables. Whether an address may be visited is the worker's question, who asks it when the
 * name is resolved; here is only whether it is one.
 */
#include "monitor/ask.h"

#include "common/json.h"
#include "common/url.h"
#include "common/uuid.h"

#include <inttypes.h>
#include <string.h>

enum { SHOWN_BYTES = 60, URL_BYTES = 8192, PARAMS_BYTES = 32768, ARENA_BYTES = 256 * 1024 };

enum kind { KIND_UUID, KIND_URL, KIND_COUNTRY, KIND_MODE, KIND_PARAMS, KIND_NUMBER };

struct field {
    const char *name;
    enum kind kind;
    int64_t min, max; /* of a number */
    const char *to;   /* its name for request_trace() */
    bool is_option;   /* it is one of the trace's options there */
    int add;          /* to a number, on its way */
};

/* clang-format off */
static const struct field process_fields[] = {
    {"request_id",     KIND_UUID,    0, 0, "request_id",     false, 0},
    {"offer_id",       KIND_UUID,    0, 0, "offer_id",       false, 0},
    {"tracking_url",   KIND_URL,     0, 0, "tracking_url",   false, 0},
    {"target_country", KIND_COUNTRY, 0, 0, "target_country", false, 0},
    {"inbound_params", KIND_PARAMS,  0, 0, "inbound_params", false, 0},
    {"referrer",       KIND_URL,     0, 0, "referrer",       true,  0},
};
static const struct field intelligent_fields[] = {
    {"url",            KIND_URL,     0,   0,      "tracking_url",   false, 0},
    {"mode",           KIND_MODE,    0,   0,      "mode",           true,  0},
    {"target_country", KIND_COUNTRY, 0,   0,      "target_country", false, 0},
    {"referrer",       KIND_URL,     0,   0,      "referrer",       true,  0},
    {"max_redirects",  KIND_NUMBER,  0,   99,     "max_hops",       true,  1}, /* hops count the start */
    {"timeout_ms",     KIND_NUMBER,  100, 600000, "timeout_ms",     true,  0},
};
/* clang-format on */

static bool is_url(struct str text)
{
    struct arena arena;
    struct url url;
    struct err why;

    arena_init(&arena, ARENA_BYTES);
    bool ok = text.len <= URL_BYTES && url_parse(&arena, text, NULL, &url, &why) && url_is_http(&url);
    arena_finish(&arena);
    return ok;
}

/* ISO 3166: two letters; the pool has them in lower case. */
static bool is_country(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] | 0x20) < 'a' || (text.ptr[i] | 0x20) > 'z')
            return false;
    return text.len == 2;
}

static bool is_mode(struct str text)
{
    return str_equal(text, STR("auto")) || str_equal(text, STR("http_only")) ||
           str_equal(text, STR("browser"));
}

static bool is_params(const json_t *value)
{
    SCOPED_VALUE(buf) text = {.max = PARAMS_BYTES + 1};

    if (!json_is_object(value))
        return false;
    json_write(value, &text);
    return text.len <= PARAMS_BYTES;
}

static bool is_valid(const struct field *f, const json_t *value)
{
    struct str text =
        json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)} : STR("");

    switch (f->kind) {
    case KIND_UUID:
        return uuid_is_valid(text);
    case KIND_URL:
        return is_url(text);
    case KIND_COUNTRY:
        return is_country(text);
    case KIND_MODE:
        return is_mode(text);
    case KIND_PARAMS:
        return is_params(value);
    case KIND_NUMBER:
        return json_is_integer(value) && json_integer_value(value) >= f->min &&
               json_integer_value(value) <= f->max;
    }
    return false;
}

static bool refuse(const struct field *f, const json_t *value, struct err *err)
{
    static const char *const wanted[] = {[KIND_UUID] = "a UUID",
                                         [KIND_URL] = "an http or https URL of at most 8192 bytes",
                                         [KIND_COUNTRY] = "a country's two letters, as in \"us\"",
                                         [KIND_MODE] = "auto, http_only or browser",
                                         [KIND_PARAMS] = "an object of at most 32768 bytes"};
    SCOPED_VALUE(buf) shown = {.max = SHOWN_BYTES};

    json_write(value, &shown);
    if (f->kind == KIND_NUMBER)
        return err_set(err, ERR_BAD_INPUT,
                       "%s must be a whole number from %" PRId64 " to %" PRId64 ", not %s", f->name, f->min,
                       f->max, buf_cstr(&shown));
    if (f->kind == KIND_URL) /* its parameters are nobody's business but the caller's */
        return err_set(err, ERR_BAD_INPUT, "%s must be %s", f->name, wanted[f->kind]);
    return err_set(err, ERR_BAD_INPUT, "%s must be %s, not %s", f->name, wanted[f->kind], buf_cstr(&shown));
}

static bool refuse_unknown(const char *name, const struct field *fields, int n, struct err *err)
{
    SCOPED_VALUE(buf) names = {.max = 200};

    for (int i = 0; i < n; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", fields[i].name);
    return err_set(err, ERR_BAD_INPUT, "unknown field \"%.*s\"; known are %s", SHOWN_BYTES, name,
                   buf_cstr(&names));
}

static void put(const struct field *f, json_t *value, json_t *ask, json_t *options)
{
    json_t *to = f->is_option ? options : ask;

    if (f->kind == KIND_NUMBER)
        json_put_int(to, f->to, json_integer_value(value) + f->add);
    else
        json_put(to, f->to, json_incref(value));
}

/* null is as good as absent: the original's callers send it. */
static bool take_fields(json_t *body, const struct field *fields, int n, json_t *ask, json_t *options,
                        struct err *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(body, name, value)
    {
        const struct field *f = NULL;

        for (int i = 0; i < n && !f; i++)
            f = strcmp(fields[i].name, name) == 0 ? &fields[i] : NULL;
        if (!f)
            return refuse_unknown(name, fields, n, err);
        if (json_is_null(value))
            continue;
        if (!is_valid(f, value))
            return refuse(f, value, err);
        put(f, value, ask, options);
    }
    return true;
}

static json_t *read(struct str text, const struct field *fields, int n, struct err *err)
{
    struct err why;
    SCOPED(json_t) body = json_parse(text, &why);
    SCOPED(json_t) ask = json_object();
    json_t *options = json_object();

    json_put(ask, "options", options);
    if (!body) {
        err_set(err, ERR_BAD_INPUT, "the body is %s", why.detail);
        return NULL;
    }
    if (!json_is_object(body)) {
        err_set(err, ERR_BAD_INPUT, "the body must be a JSON object");
        return NULL;
    }
    return take_fields(body, fields, n, ask, options, err) ? TAKE(ask) : NULL;
}

json_t *ask_read_process(struct str body, struct err *err)
{
    SCOPED(json_t) ask = read(body, process_fields, ARRAY_LEN(process_fields), err);

    if (ask && !json_object_get(ask, "request_id") && !json_object_get(ask, "tracking_url")) {
        err_set(err, ERR_BAD_INPUT,
                "tracking_url is missing; or give the request_id of a request that is there");
        return NULL;
    }
    return TAKE(ask);
}

json_t *ask_read_intelligent(struct str body, struct err *err)
{
    SCOPED(json_t) ask = read(body, intelligent_fields, ARRAY_LEN(intelligent_fields), err);

    if (ask && !json_object_get(ask, "tracking_url")) {
        err_set(err, ERR_BAD_INPUT, "url is missing");
        return NULL;
    }
    return TAKE(ask);
}
