/*
 * countries.c - see countries.h.
 */
#include "worker/countries.h"

#include "common/buf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAY_MAX_BYTES = 16 * 1024 };

/* One of the setting's entries, in quotes and in lower case. False when it is none. */
static bool put_country(struct buf *array, struct str country)
{
    buf_append_str(array, array->len ? STR(",\"") : STR("{\""));
    for (size_t i = 0; i < country.len; i++) {
        char c = country.ptr[i];

        if (!isalnum((unsigned char)c) && c != '-' && c != '_')
            return false;
        buf_append_char(array, (char)tolower((unsigned char)c));
    }
    buf_append_char(array, '"');
    return true; /* whether there was room is asked at the end */
}

bool countries_read(const char *list, char **out, struct err *err)
{
    SCOPED_VALUE(buf) array = {.max = ARRAY_MAX_BYTES};
    char *result;

    for (struct str rest = str_from(list), part; str_cut(&rest, ',', &part);) {
        part = str_trim(part);
        if (part.len && !put_country(&array, part))
            return err_set(err, ERR_BAD_SETTING,
                           "worker.countries: \"%.*s\" is no country; wanted are codes, as in us, de",
                           STR_ARG(part));
    }
    if (array.len == 0) {
        *out = NULL; /* every country */
        return true;
    }
    if (!buf_append_char(&array, '}'))
        return err_set(err, ERR_BAD_SETTING, "worker.countries: longer than %d bytes", ARRAY_MAX_BYTES);
    result = strdup(buf_cstr(&array));
    if (!result)
        abort();
    *out = result;
    return true;
}
