/*
 * query.h - a statement of a program's queries.sql, as the build turns it into C.
 *
 * common/pg/queries.awk makes from each `-- name: claim` block an entry Q_CLAIM of an enum and a row
 * of `const struct query queries[]`.
 */
#ifndef TRACEPOOL_COMMON_PG_QUERY_H
#define TRACEPOOL_COMMON_PG_QUERY_H

struct query {
    const char *name; /* as in `-- name:`; also the name it is prepared under */
    int nparams;      /* the highest $n in the text */
    const char *text;
};

#endif
