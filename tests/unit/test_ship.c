/*
 * test_ship.c - what goes into the next statement, and when, whatever the database answers; and that nothing
 * is committed in the spool that the database does not have.
 *
 * Spool and database are replaced by stand-ins: a test says what one gives and what the other answers.
 */
#include "tests/unit/fake_pg.h"

#include "common/loop.h"
#include "edge/queries.h"
#include "edge/ship.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- stand-ins ------------------------------------------------------------------------------- */

enum { BATCH = 4, YIELD_BYTES = 1000, TEXT_MAX = 64, AGE_MS = 100, SLOW_US = 3000 };

static int64_t unshipped;
static struct spool_batch *wanted; /* what a read under way is to fill; NULL: there is none */
static void (*read_done)(void *arg);
static void *read_arg;
static size_t nreads, committed;
static struct spool_item items[BATCH];

static char sent[TEXT_MAX]; /* the statement under way: its clicks, or the refusal of a quarantined one */
static bool is_quarantine;

int64_t spool_unshipped_bytes(const struct spool *spool)
{
    (void)spool;
    return unshipped;
}

void spool_read(struct spool *spool, size_t max, struct spool_batch *batch, void (*done)(void *arg),
                void *arg)
{
    (void)spool;
    assert_int_equal(max, BATCH);
    assert_null(wanted);
    wanted = batch;
    read_done = done;
    read_arg = arg;
    nreads++;
}

void spool_commit(struct spool *spool, const struct spool_batch *batch, size_t n)
{
    (void)spool;
    assert_true(n > committed && n <= batch->n);
    committed = n;
}

void spool_batch_finish(struct spool_batch *batch)
{
    (void)batch;
}

static void see(int q, const char *const *values)
{
    is_quarantine = q == Q_QUARANTINE_CLICK;
    snprintf(sent, sizeof(sent), "%s", values[is_quarantine ? 2 : 0]);
}

/* --- tools ----------------------------------------------------------------------------------- */

static uv_loop_t loop;
static struct ship *ship;
static uv_timer_t clock_tick; /* keeps the loop alive: the timer of what is tested does not */

static void on_clock_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* The read under way brings n clicks: 0, 1, 2, ... */
static void spool_gives(size_t n)
{
    static const char *const payloads[BATCH] = {"0", "1", "2", "3"};
    struct spool_batch *batch = wanted;

    assert_non_null(batch);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct spool_item){.payload = str_from(payloads[i]), .at_ms = AGE_MS};
    batch->items = items;
    batch->n = n;
    wanted = NULL;
    committed = 0;
    read_done(read_arg);
}

static void database_says(enum err_code code, const char *sqlstate)
{
    struct err err = {0};

    if (code != ERR_OK)
        err_set(&err, code, "no");
    fake_pg_answer(NULL, sqlstate, &err);
}

static void database_takes_it(void)
{
    database_says(ERR_OK, "00000");
}

static void database_refuses_it(void)
{
    database_says(ERR_DATABASE, "23514");
}

static void assert_sent(const char *clicks)
{
    assert_int_not_equal(fake_pg.query, -1);
    assert_false(is_quarantine);
    assert_string_equal(sent, clicks);
}

static void wait_until_sent(void)
{
    while (fake_pg.query == -1)
        uv_run(&loop, UV_RUN_ONCE);
}

static int begin(void **state)
{
    (void)state;
    fake_pg.see = see;
    fake_pg.is_up = true;
    unshipped = 2 * YIELD_BYTES; /* so much that it does not rest */
    wanted = NULL;
    fake_pg.query = -1;
    nreads = committed = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &clock_tick), 0);
    assert_int_equal(uv_timer_start(&clock_tick, on_clock_tick, 5, 5), 0);
    ship = ship_create(&(struct ship_options){
        .loop = &loop, .incarnation = "edge/test", .batch = BATCH, .yield_bytes = YIELD_BYTES});
    ship_kick(ship);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ship_stop(ship);
    uv_close((uv_handle_t *)&clock_tick, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ship_free(ship);
    return uv_loop_close(&loop);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_a_batch_is_one_statement(void **state)
{
    (void)state;
    spool_gives(3);
    assert_sent("[0,1,2]");
    assert_int_equal(committed, 0);
    assert_int_equal(ship_age_ms(ship, AGE_MS + 7), 7);
    unshipped = 0;
    database_takes_it();
    assert_int_equal(committed, 3);
    assert_int_equal(nreads, 1);
    assert_int_equal(ship_age_ms(ship, AGE_MS + 7), 0);
    unshipped = 2 * YIELD_BYTES;
    ship_kick(ship);
    assert_int_equal(nreads, 2);
}

static void test_while_the_database_is_away_the_batch_waits(void **state)
{
    (void)state;
    fake_pg.is_up = false;
    spool_gives(2);
    assert_int_equal(fake_pg.query, -1);
    fake_pg.is_up = true;
    ship_kick(ship);
    assert_sent("[0,1]");
}

static void test_a_refused_click_is_put_aside_alone(void **state)
{
    (void)state;
    spool_gives(4);
    database_refuses_it();
    assert_sent("[0,1]");
    database_takes_it();
    assert_int_equal(committed, 2);
    assert_sent("[2,3]");
    database_refuses_it();
    assert_sent("[2]");
    database_refuses_it();
    assert_true(is_quarantine);
    assert_string_equal(sent, "23514: no");
    assert_int_equal(committed, 2);
    database_takes_it();
    assert_int_equal(committed, 3);
    assert_sent("[3]");
    database_takes_it();
    assert_int_equal(committed, 4);
}

static void test_a_lost_connection_is_no_refusal(void **state)
{
    (void)state;
    spool_gives(4);
    database_says(ERR_DATABASE, "08006");
    assert_int_equal(fake_pg.query, -1);
    assert_int_equal(committed, 0);
    wait_until_sent();
    assert_sent("[0,1,2,3]");
}

static void test_what_takes_too_long_is_halved(void **state)
{
    (void)state;
    spool_gives(4);
    database_says(ERR_DATABASE_TIMEOUT, "57014");
    wait_until_sent();
    assert_sent("[0,1]");
}

static void answer_slowly(void)
{
    int64_t until = loop_now_us() + SLOW_US;

    while (loop_now_us() < until)
        ;
    database_takes_it();
}

static void test_shipping_rests_for_clicks(void **state)
{
    (void)state;
    spool_gives(4);
    unshipped = YIELD_BYTES - 1;
    answer_slowly();
    spool_gives(1);
    assert_int_equal(fake_pg.query, -1);
    ship_kick(ship); /* another click came */
    assert_int_equal(fake_pg.query, -1);
    wait_until_sent();
    assert_sent("[0]");
}

static void test_behind_a_full_spool_it_does_not(void **state)
{
    (void)state;
    spool_gives(4);
    unshipped = YIELD_BYTES;
    answer_slowly();
    spool_gives(1);
    assert_sent("[0]");
}

static void test_another_database_gets_it_all_again(void **state)
{
    (void)state;
    spool_gives(4);
    ship_again(ship);
    database_takes_it();
    assert_int_equal(committed, 0);
    assert_int_equal(nreads, 2);
    fake_pg.is_up = false;
    spool_gives(4);
    ship_again(ship);
    assert_int_equal(nreads, 3);
}

static void test_damage_alone_is_no_batch(void **state)
{
    (void)state;
    unshipped = 0;
    spool_gives(0);
    assert_int_equal(fake_pg.query, -1);
    assert_int_equal(nreads, 1);
}

#define ship_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ship_test(test_a_batch_is_one_statement),
        ship_test(test_while_the_database_is_away_the_batch_waits),
        ship_test(test_a_refused_click_is_put_aside_alone),
        ship_test(test_a_lost_connection_is_no_refusal),
        ship_test(test_what_takes_too_long_is_halved),
        ship_test(test_shipping_rests_for_clicks),
        ship_test(test_behind_a_full_spool_it_does_not),
        ship_test(test_another_database_gets_it_all_again),
        ship_test(test_damage_alone_is_no_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
