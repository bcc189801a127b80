/*
 * test_finish.c - ended traces reach PostgreSQL in batches, and one that it refuses holds up nobody.
 *
 * The connection is replaced by stand-ins: a test sees each statement and answers it as PostgreSQL would.
 */
#include "tests/unit/fake_pg.h"

#include "common/json.h"
#include "common/pg/row.h"
#include "worker/finish.h"
#include "worker/queries_worker.h"

#include <stdlib.h>
#include <string.h>

/* --- stand-ins ------------------------------------------------------------------------------- */

static int nsent;
static json_t *sent_items;

static void see(int q, const char *const *values)
{
    (void)q;
    assert_string_equal(values[0], "host.1.1");
    json_decref(sent_items);
    sent_items = json_loads(values[1], 0, NULL);
    nsent++;
}

static int nended;

static enum trace_event stay(struct trace *t)
{
    (void)t;
    return EV_WAIT;
}

static enum trace_event gone(struct trace *t)
{
    nended++;
    t->child = NULL;
    return EV_WAIT;
}

const trace_enter_fn trace_enter[TRACE_STATE_COUNT] = {[0 ... TRACE_GONE - 1] = stay, [TRACE_GONE] = gone};

/* --- tools ----------------------------------------------------------------------------------- */

enum { TRACES = 3 };
static struct trace traces[TRACES];
static struct finish finish;
static uv_loop_t loop;
static int nstored;

static void on_stored(void *arg)
{
    (void)arg;
    nstored++;
}

static bool joins_next;
static int njoined;

static bool join(void *arg, int n)
{
    (void)arg;
    assert_int_not_equal(fake_pg.query, -1); /* the results are queued already */
    njoined += joins_next ? n : 0;
    return joins_next;
}

static bool has_free_slots;

static bool keeps_up(void *arg)
{
    (void)arg;
    return has_free_slots;
}

static int setup(void **state)
{
    static const char *const ids[TRACES] = {"id-0", "id-1", "id-2"};
    (void)state;

    fake_pg.see = see;
    fake_pg.is_up = true;
    nsent = nstored = 0;
    nended = 0;
    uv_loop_init(&loop);
    finish_init(&finish, &loop, NULL, "host.1.1", on_stored, NULL);
    finish.keeps_up = keeps_up;
    finish.joins = join;
    joins_next = false;
    njoined = 0;
    has_free_slots = true;
    for (int i = 0; i < TRACES; i++) {
        traces[i] = (struct trace){.state = TRACE_FINISHING};
        traces[i].claim.request_id = str_from(ids[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    finish_close(&finish);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    json_decref(sent_items);
    sent_items = NULL;
    fake_pg.query = -1;
    return 0;
}

/* finish_traces() took everything that was sent. */
static PGresult *accepting(void)
{
    PGresAttDesc columns[3];
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    memset(columns, 0, sizeof(columns));
    columns[0].name = (char *)"request_id";
    columns[1].name = (char *)"accepted";
    columns[2].name = (char *)"new_status";
    PQsetResultAttrs(res, 3, columns);
    for (int row = 0; row < (int)json_array_size(sent_items); row++) {
        struct str id = json_get_str(json_array_get(sent_items, (size_t)row), "request_id", STR(""));

        PQsetvalue(res, row, 0, (char *)id.ptr, (int)id.len);
        PQsetvalue(res, row, 1, (char *)"t", 1);
        PQsetvalue(res, row, 2, (char *)"completed", 9);
    }
    return res;
}

static void answer(const char *sqlstate, enum err_code code)
{
    SCOPED(PGresult) res = code == ERR_OK ? accepting() : NULL;
    struct err err = {.code = code};

    fake_pg_answer(res, sqlstate, &err);
}

static void accept_it(void)
{
    answer("", ERR_OK);
}

static void expect_sent(int query, size_t n)
{
    assert_int_equal(fake_pg.query, query);
    assert_int_equal(json_array_size(sent_items), n);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void what_ends_meanwhile_shares_the_next_statement(void **state)
{
    (void)state;
    for (int i = 0; i < TRACES; i++)
        finish_add(&finish, &traces[i]);
    expect_sent(Q_FINISH, 1);
    accept_it();
    assert_int_equal(traces[0].state, TRACE_GONE);
    expect_sent(Q_FINISH, 2);
    accept_it();
    assert_int_equal(traces[2].state, TRACE_GONE);
    assert_int_equal(nsent, 2);
    assert_int_equal(nstored, 2);
}

static void statements_of_a_child_that_keeps_up_are_apart(void **state)
{
    (void)state;
    finish.gather_ms = 100;
    finish_add(&finish, &traces[0]);
    expect_sent(Q_FINISH, 1); /* the first goes at once */
    accept_it();
    finish_add(&finish, &traces[1]);
    finish_add(&finish, &traces[2]);
    assert_int_equal(fake_pg.query, -1);
    while (fake_pg.query == -1)
        uv_run(&loop, UV_RUN_ONCE);
    expect_sent(Q_FINISH, 2);
    accept_it();
    assert_int_equal(nended, 3);
}

static void where_traces_wait_for_slots_results_do_not_wait(void **state)
{
    (void)state;
    finish.gather_ms = 100;
    has_free_slots = false;
    for (int i = 0; i < TRACES; i++) {
        finish_add(&finish, &traces[i]);
        expect_sent(Q_FINISH, 1);
        accept_it();
    }
}

/* The one that was joined is answered first, and then there may be another. */
static void the_next_results_wait_for_what_was_joined(void **state)
{
    (void)state;
    joins_next = true;
    for (int i = 0; i < TRACES; i++)
        finish_add(&finish, &traces[i]);
    assert_int_equal(njoined, 1);
    accept_it();
    assert_int_equal(fake_pg.query, -1);
    uv_run(&loop, UV_RUN_NOWAIT);
    expect_sent(Q_FINISH, 2);
    assert_int_equal(njoined, 3);
    accept_it();
    assert_int_equal(nended, 3);
}

static void without_a_database_they_wait_in_order(void **state)
{
    (void)state;
    fake_pg.is_up = false;
    for (int i = 0; i < TRACES; i++)
        finish_add(&finish, &traces[i]);
    assert_int_equal(nsent, 0);
    fake_pg.is_up = true;
    finish_wake(&finish);
    expect_sent(Q_FINISH, 3);
    answer("", ERR_DATABASE); /* gone again: nobody knows whether it was done */
    assert_int_equal(traces[0].state, TRACE_FINISHING);
    finish_wake(&finish);
    expect_sent(Q_FINISH, 3);
    assert_str(json_get_str(json_array_get(sent_items, 0), "request_id", STR("")), "id-0");
    accept_it();
    assert_int_equal(nended, 3);
}

/* Pictures of 5 MiB: together they would be a statement that takes too long. */
static void heavy_results_go_one_at_a_time(void **state)
{
    enum { PICTURE = 5 << 20 };
    static char picture[PICTURE];
    static struct trace_result result = {.kept.screenshot = {picture, PICTURE}};
    (void)state;

    memset(picture, 'A', sizeof(picture));
    fake_pg.is_up = false;
    for (int i = 0; i < TRACES; i++) {
        traces[i].claim.evidence = evidence_bit(EVIDENCE_SCREENSHOT);
        traces[i].result = &result;
        finish_add(&finish, &traces[i]);
    }
    fake_pg.is_up = true;
    finish_wake(&finish);
    for (int i = 0; i < TRACES; i++) {
        expect_sent(Q_FINISH, 1);
        assert_str(json_get_str(json_array_get(sent_items, 0), "request_id", STR("")),
                   traces[i].claim.request_id.ptr);
        accept_it();
    }
    assert_int_equal(nended, TRACES);
}

static void what_is_handed_back_goes_apart(void **state)
{
    (void)state;
    fake_pg.is_up = false;
    traces[1].is_let_go = true;
    for (int i = 0; i < TRACES; i++)
        finish_add(&finish, &traces[i]);
    fake_pg.is_up = true;
    finish_wake(&finish);
    expect_sent(Q_FINISH, 2);
    joins_next = true;
    accept_it();
    expect_sent(Q_GIVE_BACK, 1);
    assert_int_equal(njoined, 0);
    accept_it();
    assert_int_equal(nended, 3);
}

static void one_bad_result_is_found_and_cut(void **state)
{
    (void)state;
    fake_pg.is_up = false;
    for (int i = 0; i < TRACES; i++)
        finish_add(&finish, &traces[i]);
    fake_pg.is_up = true;
    joins_next = true;
    finish_wake(&finish);
    assert_int_equal(njoined, 3);
    answer("22P05", ERR_DATABASE); /* one of the three */
    expect_sent(Q_FINISH, 1);
    accept_it();
    expect_sent(Q_FINISH, 1);
    answer("22P05", ERR_DATABASE); /* this one */
    assert_true(traces[1].is_cut);
    expect_sent(Q_FINISH, 1);
    assert_str(json_get_str(json_array_get(sent_items, 0), "request_id", STR("")), "id-1");
    accept_it();
    expect_sent(Q_FINISH, 1);
    accept_it();
    assert_int_equal(nended, 3);
    assert_int_equal(njoined, 3); /* nothing is joined to statements that may be refused */
}

static void what_is_refused_even_cut_is_left_to_its_lease(void **state)
{
    (void)state;
    finish_add(&finish, &traces[0]);
    finish_add(&finish, &traces[1]);
    answer("23514", ERR_DATABASE);
    answer("23514", ERR_DATABASE);
    assert_int_equal(traces[0].state, TRACE_GONE);
    expect_sent(Q_FINISH, 1);
    accept_it();
    assert_int_equal(traces[1].state, TRACE_GONE);
}

static void a_trace_may_go_away_while_it_waits_or_is_on_its_way(void **state)
{
    (void)state;
    for (int i = 0; i < TRACES; i++)
        finish_add(&finish, &traces[i]);
    finish_forget(&finish, &traces[0]);
    finish_forget(&finish, &traces[2]);
    accept_it();
    assert_int_equal(traces[0].state, TRACE_FINISHING); /* whoever forgot it moves it */
    expect_sent(Q_FINISH, 1);
    assert_str(json_get_str(json_array_get(sent_items, 0), "request_id", STR("")), "id-1");
    accept_it();
    assert_int_equal(nended, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_ends_meanwhile_shares_the_next_statement),
        TEST(statements_of_a_child_that_keeps_up_are_apart),
        TEST(where_traces_wait_for_slots_results_do_not_wait),
        TEST(the_next_results_wait_for_what_was_joined),
        TEST(without_a_database_they_wait_in_order),
        TEST(heavy_results_go_one_at_a_time),
        TEST(what_is_handed_back_goes_apart),
        TEST(one_bad_result_is_found_and_cut),
        TEST(what_is_refused_even_cut_is_left_to_its_lease),
        TEST(a_trace_may_go_away_while_it_waits_or_is_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
