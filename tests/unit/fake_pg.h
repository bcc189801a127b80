/*
 * fake_pg.h - a connection to PostgreSQL that a test plays: it sees each question, one at a time, and answers
 * when it likes.
 */
#ifndef TRACEPOOL_TESTS_UNIT_FAKE_PG_H
#define TRACEPOOL_TESTS_UNIT_FAKE_PG_H

#include "tests/unit/test.h"

#include "common/pg/conn.h"

static struct {
    bool is_up;
    int query; /* the question on its way; -1: there is none */
    pg_done_cb done;
    void *arg;
    void (*see)(int query, const char *const *values); /* the test's: what it remembers of a question */
} fake_pg = {.query = -1};

bool pg_is_up(const struct pg *pg)
{
    (void)pg;
    return fake_pg.is_up;
}

void pg_send(struct pg *pg, int q, const char *const *values, int64_t timeout_ms, pg_done_cb done, void *arg)
{
    (void)pg;
    (void)timeout_ms;
    assert_int_equal(fake_pg.query, -1);
    fake_pg.query = q;
    fake_pg.done = done;
    fake_pg.arg = arg;
    fake_pg.see(q, values);
}

static void fake_pg_answer(PGresult *res, const char *sqlstate, const struct err *err)
{
    assert_int_not_equal(fake_pg.query, -1);
    fake_pg.query = -1;
    fake_pg.done(fake_pg.arg, res, sqlstate, err);
}

#endif
