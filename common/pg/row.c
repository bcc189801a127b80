/*
 * row.c - typed reading of a PGresult. See row.h.
 */
#include "common/pg/row.h"

#include <assert.h>
#include <errno.h>

int row_column(const PGresult *res, const char *name)
{
    int column = PQfnumber(res, name);

    assert(column >= 0);
    return column;
}

bool row_is_null(const PGresult *res, int row, int column)
{
    return PQgetisnull(res, row, column);
}

struct str row_str(const PGresult *res, int row, int column)
{
    return (struct str){PQgetvalue(res, row, column), (size_t)PQgetlength(res, row, column)};
}

const char *row_cstr(const PGresult *res, int row, int column)
{
    return PQgetvalue(res, row, column);
}

int64_t row_int(const PGresult *res, int row, int column, int64_t otherwise)
{
    const char *text = PQgetvalue(res, row, column);
    char *end;

    if (PQgetisnull(res, row, column))
        return otherwise;
    errno = 0;
    int64_t value = strtoll(text, &end, 10);
    assert(end != text && *end == '\0' && errno == 0);
    return value;
}

bool row_bool(const PGresult *res, int row, int column, bool otherwise)
{
    if (PQgetisnull(res, row, column))
        return otherwise;
    return *PQgetvalue(res, row, column) == 't';
}
