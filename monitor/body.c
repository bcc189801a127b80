/*
 * body.c - reads the few fields a call may have. See body.h.
 */
#include "monitor/body.h"

#include "common/json.h"

#include <inttypes.h>
#include <string.h>

enum { SHOWN_BYTES = 40 };

static const struct body_field *find(const struct body_field *fields, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static void list_names(const struct body_field *fields, int n, struct buf *out)
{
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s%s", i ? ", " : "", fields[i].name);
}

static bool refuse_unknown(const char *name, const struct body_field *fields, int n, struct err *err)
{
    SCOPED_VALUE(buf) names;

    buf_init(&names, 200);
    list_names(fields, n, &names);
    return err_set(err, ERR_BAD_INPUT, "unknown field \"%.*s\"; known are %s", SHOWN_BYTES, name,
                   buf_cstr(&names));
}

/* The value as it was sent, shortened. */
static bool refuse_value(const struct body_field *f, const json_t *value, struct err *err)
{
    SCOPED_VALUE(buf) shown;

    buf_init(&shown, 4096);
    json_write(value, &shown);
    return err_set(err, ERR_BAD_INPUT, "%s must be a whole number from %" PRId64 " to %" PRId64 ", not %.*s",
                   f->name, f->min, f->max, SHOWN_BYTES, buf_cstr(&shown));
}

static bool is_valid(const struct body_field *f, const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= f->min &&
           json_integer_value(value) <= f->max;
}

/* All of them first: a call with one wrong field changes nothing. */
static bool check_fields(json_t *object, const struct body_field *fields, int n, struct err *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        const struct body_field *f = find(fields, n, name);

        if (!f)
            return refuse_unknown(name, fields, n, err);
        if (!is_valid(f, value))
            return refuse_value(f, value, err);
    }
    return true;
}

bool body_read(struct str body, const struct body_field *fields, int nfields, struct err *err)
{
    struct err why;

    if (str_trim(body).len == 0)
        return true;
    SCOPED(json_t) object = json_parse(body, &why);
    if (!object)
        return err_set(err, ERR_BAD_INPUT, "the body is %s", why.detail);
    if (!json_is_object(object))
        return err_set(err, ERR_BAD_INPUT, "the body must be a JSON object");
    if (!check_fields(object, fields, nfields, err))
        return false;
    for (int i = 0; i < nfields; i++)
        *fields[i].value = json_get_int(object, fields[i].name, *fields[i].value);
    return true;
}
