/*
 * judge.c - is what the server answered what the state wanted?
 *
 * A query that is refused is its caller's business, unless the server takes no writes at all: then it is the
 * wrong one. A preparation that is refused is the connection's, and the text says what a person has to do.
 */
#include "common/pg/internal.h"
#include "common/pg/row.h"

#include <string.h>

bool pg_is_error(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY;
}

static bool sqlstate_starts(const PGresult *res, const char *prefix)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    return state && strncmp(state, prefix, strlen(prefix)) == 0;
}

static const char *primary_message(const PGresult *res)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    return text ? text : PQresultErrorMessage(res);
}

static enum pg_event refused(struct pg *pg, const char *what)
{
    err_set(&pg->err, ERR_DATABASE, "%s: %s", what, primary_message(pg->result));
    return PG_EV_FAIL;
}

/*
 * A primary that became a standby, or a server that was told to take no writes: another one may, or this one
 * later.
 */
static enum pg_event judge_answer(struct pg *pg)
{
    if (!pg->result || !pg_is_error(pg->result) || !sqlstate_starts(pg->result, "25006"))
        return PG_EV_OK;
    pg->is_read_only = true;
    return refused(pg, "the server takes no writes");
}

static enum pg_event judge_version(struct pg *pg)
{
    int wanted = pg->options.schema_version;

    if (pg_is_error(pg->result) && !sqlstate_starts(pg->result, "42883"))
        return refused(pg, "schema_version");
    int64_t found =
        pg_is_error(pg->result) ? 0 : row_int(pg->result, 0, row_column(pg->result, "version"), 0);
    if (found >= wanted)
        return PG_EV_OK;
    if (found)
        err_set(&pg->err, ERR_SCHEMA,
                "the database has schema version %d, this program needs %d: run migrations/apply.sh",
                (int)found, wanted);
    else
        err_set(&pg->err, ERR_SCHEMA,
                "the database has no tracepool schema (version 0), this program needs %d: run "
                "migrations/apply.sh",
                wanted);
    return PG_EV_FAIL;
}

/* Class 42: a table, column or function that the query names is not there. */
static enum pg_event judge_prepared(struct pg *pg)
{
    if (!pg->result || !pg_is_error(pg->result))
        return PG_EV_OK;
    const char *name = pg->options.queries[pg->nresults - 1].name;
    if (!sqlstate_starts(pg->result, "42"))
        return refused(pg, name);
    err_set(&pg->err, ERR_SCHEMA, "query %s does not fit the database (%s): run migrations/apply.sh", name,
            primary_message(pg->result));
    return PG_EV_FAIL;
}

enum pg_event pg_judge(struct pg *pg)
{
    if (PQstatus(pg->conn) == CONNECTION_BAD && pg->state != PG_BUSY)
        return pg_wire_lost(pg, "connection lost: ");
    if (pg->state == PG_BUSY)
        return judge_answer(pg);
    if (pg->state == PG_CHECKING)
        return judge_version(pg);
    if (pg->state == PG_PREPARING)
        return judge_prepared(pg);
    if (pg->state == PG_LISTENING && pg_is_error(pg->result))
        return refused(pg, "listen");
    return PG_EV_OK;
}
