/*
 * row.h - typed reading of a PGresult: by column name, checked once, then by index.
 */
#ifndef TRACEPOOL_COMMON_PG_ROW_H
#define TRACEPOOL_COMMON_PG_ROW_H

#include "common/scope.h"
#include "common/str.h"

#include <libpq-fe.h>
#include <stdint.h>

DEFINE_SCOPED_PTR(PGresult, PGresult, PQclear)

/* The column's number; asserts that it is there (queries.sql and its reader are one program). */
int row_column(const PGresult *res, const char *name);

/* Views into the result; NULL becomes the empty view, row_is_null tells them apart. */
bool row_is_null(const PGresult *res, int row, int column);
struct str row_str(const PGresult *res, int row, int column);
const char *row_cstr(const PGresult *res, int row, int column);
/* NULL gives otherwise; text that is no number asserts. */
int64_t row_int(const PGresult *res, int row, int column, int64_t otherwise);
bool row_bool(const PGresult *res, int row, int column, bool otherwise);

#endif
