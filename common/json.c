/*
 * json.c - jansson with views instead of C strings, and strings that any byte may enter.
 */
#include "common/json.h"

#include "common/err.h"

#include <stdarg.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024 * 1024 };

/* Length of the valid UTF-8 sequence at s[i] by Unicode table 3-7, or 0. */
static size_t sequence(struct str s, size_t i)
{
    const unsigned char *p = (const unsigned char *)s.ptr + i;
    size_t left = s.len - i, len;
    unsigned char low = 0x80, high = 0xbf;

    if (p[0] < 0x80)
        return p[0] != 0;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (left < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t k = 2; k < len; k++)
        if ((p[k] & 0xc0) != 0x80)
            return 0;
    return len;
}

void json_clean_utf8(struct str s, struct buf *out)
{
    size_t i = 0;

    while (i < s.len) {
        size_t run = i, len;

        while (run < s.len && (len = sequence(s, run)) != 0)
            run += len;
        buf_append(out, s.ptr + i, run - i);
        if (run < s.len) {
            buf_append_str(out, STR("\xef\xbf\xbd"));
            run++;
        }
        i = run;
    }
}

json_t *json_from_str(struct str s)
{
    SCOPED_VALUE(buf) clean;
    json_t *value;

    buf_init(&clean, TEXT_MAX);
    json_clean_utf8(s, &clean);
    value = json_stringn(buf_cstr(&clean), clean.len);
    if (!value)
        abort();
    return value;
}

json_t *json_packed(const char *format, ...)
{
    json_t *value;
    va_list args;

    va_start(args, format);
    value = json_vpack_ex(NULL, 0, format, args);
    va_end(args);
    if (!value)
        abort();
    return value;
}

void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        abort();
}

void json_add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        abort();
}

void json_put_str(json_t *object, const char *key, struct str value)
{
    json_put(object, key, value.ptr ? json_from_str(value) : json_null());
}

void json_put_int(json_t *object, const char *key, int64_t value)
{
    json_put(object, key, json_integer(value));
}

struct str json_get_str(const json_t *object, const char *key, struct str otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)}
                                 : otherwise;
}

int64_t json_get_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool json_get_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* jansson has a word for everything but that there is no memory. */
json_t *json_load(struct str text, size_t flags, json_error_t *where)
{
    json_t *value = json_loadb(text.ptr ? text.ptr : "", text.len, flags, where);

    if (!value && !where->text[0])
        abort();
    return value;
}

json_t *json_parse(struct str text, struct err *err)
{
    json_error_t where;
    json_t *value = json_load(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);

    if (!value)
        err_set(err, ERR_BAD_INPUT, "no valid JSON: %s at line %d, column %d", where.text, where.line,
                where.column);
    return value;
}

static int append(const char *bytes, size_t len, void *arg)
{
    return buf_append(arg, bytes, len) ? 0 : -1;
}

void json_write(const json_t *value, struct buf *out)
{
    if (json_dump_callback(value, append, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0 && value && !out->is_full)
        abort();
}
