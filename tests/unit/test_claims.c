/*
 * test_claims.c - when a child asks for work: enough, not too often, and no wake-up is ever lost.
 *
 * The connection is replaced by stand-ins: a test sees each question and answers it as PostgreSQL would.
 */
#include "tests/unit/fake_pg.h"

#include "common/loop.h"
#include "common/pg/row.h"
#include "worker/claims.h"
#include "worker/queries_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- stand-ins ------------------------------------------------------------------------------- */

static int asked_slots;
static bool asked_everywhere;
static char asked_around[64];
static char asked_batch[CLAIMS_ID_MAX];

static void see(int q, const char *const *values)
{
    if (q != Q_CLAIM)
        return;
    asked_slots = atoi(values[0]);
    assert_string_equal(values[2], "120000");
    asked_everywhere = values[4] == NULL;
    snprintf(asked_batch, sizeof(asked_batch), "%s", values[6] ? values[6] : "");
    snprintf(asked_around, sizeof(asked_around), "%s", values[7] ? values[7] : "");
}

static bool is_joined;

void pg_send_joined(struct pg *pg, int q, const char *const *values, int64_t timeout_ms, pg_done_cb done,
                    void *arg)
{
    pg_send(pg, q, values, timeout_ms, done, arg);
    is_joined = true;
}

/* --- tools ----------------------------------------------------------------------------------- */

static struct claims claims;
static struct conf conf;
static uv_loop_t loop;
static int slots, nrows, nlost, nidle;
static const char *around;

static struct claims_room room(void *arg, int leaving)
{
    (void)arg;
    return (struct claims_room){slots + leaving, around};
}

static void on_rows(void *arg, const PGresult *res, const char *batch, int64_t sent_ms)
{
    (void)arg;
    (void)sent_ms;
    assert_string_equal(batch, asked_batch);
    nrows += PQntuples(res);
    slots -= PQntuples(res);
    if (PQntuples(res) > 0)
        claims_put_cursor(&claims, STR("us"), STR("2026-01-01 00:00:00+00"), STR("2026-01-01 00:00:00+00"));
}

static void on_lost(void *arg)
{
    (void)arg;
    nlost++;
}

static void on_idle(void *arg)
{
    (void)arg;
    nidle++;
}

static void start(const char *mode)
{
    conf = (struct conf){.worker_mode = (char *)mode,
                         .worker_countries = (char *)"",
                         .worker_poll_ms = 1000,
                         .worker_full_scan_s = 15,
                         .trace_lease_s = 120};
    uv_loop_init(&loop);
    claims_init(&claims, &loop, &conf, NULL, "host.1.1");
    claims.room = room;
    claims.on_rows = on_rows;
    claims.on_lost = on_lost;
    claims.on_idle = on_idle;
    fake_pg.see = see;
    fake_pg.is_up = true;
    fake_pg.query = -1;
    is_joined = false;
    slots = 10;
    around = NULL;
    nrows = nlost = nidle = 0;
}

static int setup(void **state)
{
    (void)state;
    start("continuous");
    return 0;
}

static int setup_batch_mode(void **state)
{
    (void)state;
    start("batch");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    claims_close(&claims);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static void answer_with(int rows, const char *value, enum err_code code)
{
    SCOPED(PGresult) res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc column = {.name = (char *)"batch_id"};
    struct err err = {.code = code};

    PQsetResultAttrs(res, 1, &column);
    for (int row = 0; row < rows; row++)
        PQsetvalue(res, row, 0, (char *)value, (int)strlen(value));
    fake_pg_answer(code == ERR_OK ? res : NULL, "", &err);
}

static void answer(int rows)
{
    answer_with(rows, "x", ERR_OK);
}

static void expect_claim(int n, bool everywhere)
{
    assert_int_equal(fake_pg.query, Q_CLAIM);
    assert_int_equal(asked_slots, n);
    assert_int_equal(asked_everywhere, everywhere);
}

static void expect_a_claim_later(int n)
{
    assert_int_equal(fake_pg.query, -1);
    while (fake_pg.query == -1)
        uv_run(&loop, UV_RUN_ONCE);
    expect_claim(n, asked_everywhere);
}

/* The next poll, without its second of waiting. */
static void poll_now(void)
{
    uv_timer_start(&claims.poll, claims.poll.timer_cb, 0, 0);
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void it_asks_for_as_many_as_there_is_room_for(void **state)
{
    (void)state;
    claims_wake(&claims);
    expect_claim(10, true); /* nothing is known yet: everywhere */
    answer(10);
    assert_int_equal(fake_pg.query, -1); /* no room: no question, though there is more */
    slots = 4;
    claims_resume(&claims);
    expect_claim(4, false); /* and then where the last one stopped */
    answer(4);
}

static void expect_claim_around(int n, bool everywhere)
{
    expect_claim(n, everywhere);
    assert_string_equal(asked_around, "{a}");
}

static void a_busy_browser_is_gone_around_and_what_waits_for_it_stays_wanted(void **state)
{
    (void)state;
    around = "{a}";
    claims_wake(&claims);
    expect_claim_around(10, true);
    answer(10);
    slots = 2;
    claims_resume(&claims); /* there may be more of the others */
    expect_claim_around(2, false);
    answer(1);
    claims.turns.around_from_ms = INT64_MAX;
    claims_resume(&claims); /* there is not: not at once again */
    assert_int_equal(fake_pg.query, -1);
    assert_false(claims_join(&claims, 1)); /* nor with results */
    claims_wake(&claims);
    expect_claim_around(1, false);
    answer(0);
    around = NULL;
    claims_resume(&claims); /* the browser has room, and nobody had to say that there is work */
    expect_claim(1, true);
    answer(1);
    assert_int_equal(nrows, 12);
}

/* Their queues begin at different places. */
static void claims_around_offers_have_cursors_and_full_looks_of_their_own(void **state)
{
    (void)state;
    claims_wake(&claims);
    answer(10);
    slots = 10;
    around = "{a}";
    claims_resume(&claims);
    expect_claim_around(10, true); /* what the other kind knows is of no use */
    answer(10);
    slots = 10;
    claims_resume(&claims);
    expect_claim_around(10, false);
    claims.around_turns.full_from_ms = 0;
    answer(1);
    claims.turns.around_from_ms = 0;
    claims_resume(&claims); /* short: what is missing may be left of the cursors */
    expect_claim_around(9, true);
    answer(9);
    slots = 1;
    around = NULL;
    claims_resume(&claims);
    expect_claim(1, false); /* and the other kind goes on where it was */
    answer(1);
}

static void a_batch_goes_around_a_busy_browser_too(void **state)
{
    (void)state;
    claims_wake_batches(&claims);
    assert_int_equal(fake_pg.query, Q_OPEN_BATCHES);
    around = "{a}";
    answer_with(1, "b1", ERR_OK);
    expect_claim_around(10, true);
    assert_string_equal(asked_batch, "b1");
    answer(0);
    assert_false(claims.around_turns.wants_full); /* its bounds made it short, not a cursor */
}

static void a_short_claim_is_followed_by_a_look_everywhere_and_then_by_rest(void **state)
{
    (void)state;
    claims_wake(&claims);
    answer(10);
    slots = 10;
    claims_resume(&claims);
    expect_claim(10, false);
    claims.turns.full_from_ms = 0; /* a full scan may be made again */
    answer(3);
    expect_claim(7, true);
    answer(0);
    assert_int_equal(fake_pg.query, -1);
    claims_resume(&claims); /* slots became free, but there was nothing */
    assert_int_equal(fake_pg.query, -1);
    poll_now();
    assert_int_equal(fake_pg.query, Q_OPEN_BATCHES);
}

static void a_look_everywhere_that_must_wait_is_not_forgotten(void **state)
{
    (void)state;
    claims_wake(&claims);
    answer(10);
    slots = 10;
    claims_resume(&claims);
    claims.turns.full_from_ms = loop_now_ms() + 20;
    answer(3);
    assert_int_equal(fake_pg.query, -1);
    while (fake_pg.query == -1)
        uv_run(&loop, UV_RUN_ONCE);
    if (fake_pg.query == Q_OPEN_BATCHES)
        answer(0);
    if (fake_pg.query == Q_SETTLE_BATCHES)
        answer(0);
    expect_claim(7, true);
}

static int64_t pause_after_a_look_that_took(int64_t us)
{
    int64_t now = loop_now_ms();

    claims.turns.full_from_ms = 0;
    claims.turns.wants_full = true;
    claims_wake(&claims);
    expect_claim(10, true);
    claims.sent_us = loop_now_us() - us;
    answer(10);
    slots = 10;
    return claims.turns.full_from_ms - now;
}

static void only_a_slow_look_everywhere_has_to_wait_for_the_next(void **state)
{
    (void)state;
    assert_true(pause_after_a_look_that_took(-1000000) <
                1000); /* no time at all, however busy this machine is */
    assert_true(pause_after_a_look_that_took(100000) >= 2000);
}

/* The rows were inserted after the claim on its way took its snapshot. */
static void a_notify_during_a_claim_is_not_lost(void **state)
{
    (void)state;
    claims_wake(&claims);
    claims_wake(&claims);
    answer(0);
    assert_int_equal(fake_pg.query, Q_CLAIM);
    answer(0);
    assert_int_equal(fake_pg.query, -1);
}

/* Enough for a pause that the test would not miss, however slow its machine. */
enum { GATHER_MS = 100 };

static void what_comes_after_a_short_claim_is_claimed_together(void **state)
{
    (void)state;
    conf.worker_gather_ms = GATHER_MS;
    claims_wake(&claims); /* idle: at once */
    expect_claim(10, true);
    answer(1);
    claims_wake(&claims);
    claims_resume(&claims);
    claims_wake(&claims);
    expect_a_claim_later(9); /* neither lost nor made twice */
    answer(2);
    assert_int_equal(fake_pg.query, -1);
}

static void a_notify_during_a_short_claim_is_claimed_after_the_rest(void **state)
{
    (void)state;
    conf.worker_gather_ms = GATHER_MS;
    claims_wake(&claims);
    claims_wake(&claims);
    answer(0);
    expect_a_claim_later(10);
}

static void while_there_is_more_no_claim_rests(void **state)
{
    (void)state;
    conf.worker_gather_ms = GATHER_MS;
    claims_wake(&claims);
    answer(10);
    slots = 4;
    claims_resume(&claims);
    expect_claim(4, false);
    answer(4);
    slots = 2;
    claims_resume(&claims);
    expect_claim(2, false);
}

static void a_batch_waits_for_no_rest(void **state)
{
    (void)state;
    conf.worker_gather_ms = GATHER_MS;
    claims_wake(&claims);
    answer(1);
    claims_wake_batches(&claims);
    assert_int_equal(fake_pg.query, Q_OPEN_BATCHES);
    answer_with(1, "b-1", ERR_OK);
    expect_claim(9, true);
    assert_string_equal(asked_batch, "b-1");
}

static void a_resting_one_that_is_stopped_asks_no_more(void **state)
{
    (void)state;
    conf.worker_gather_ms = GATHER_MS;
    claims_wake(&claims);
    answer(1);
    claims_wake(&claims);
    claims_stop(&claims);
    uv_run(&loop, UV_RUN_DEFAULT); /* no timer is left */
    assert_int_equal(fake_pg.query, -1);
}

static void batches_go_first_and_an_empty_one_is_settled(void **state)
{
    (void)state;
    claims_wake_batches(&claims);
    claims_wake(&claims);
    assert_int_equal(fake_pg.query, Q_OPEN_BATCHES);
    answer_with(1, "b-1", ERR_OK);
    expect_claim(10, true);
    assert_string_equal(asked_batch, "b-1");
    answer(2);
    expect_claim(8, true); /* what is left over is for everybody */
    assert_string_equal(asked_batch, "");
    answer(8);
    slots = 8;
    claims_resume(&claims);
    assert_int_equal(fake_pg.query, Q_OPEN_BATCHES);
    answer_with(1, "b-1", ERR_OK);
    answer(0);
    assert_int_equal(fake_pg.query, Q_SETTLE_BATCHES);
}

static void batch_mode_claims_for_batches_alone(void **state)
{
    (void)state;
    claims_wake(&claims);
    assert_int_equal(fake_pg.query, -1);
    poll_now();
    assert_int_equal(fake_pg.query, Q_OPEN_BATCHES);
    answer_with(1, "b-1", ERR_OK);
    assert_string_equal(asked_batch, "b-1");
    answer(1);
    if (fake_pg.query == Q_SETTLE_BATCHES)
        answer(0);
    assert_int_equal(fake_pg.query, -1);
}

static void results_take_a_claim_for_their_slots_along(void **state)
{
    (void)state;
    assert_false(claims_join(&claims, 3)); /* nobody said that there is any work */
    claims_wake(&claims);
    assert_false(claims_join(&claims, 3)); /* one is on its way */
    answer(10);
    assert_int_equal(fake_pg.query, -1);
    assert_true(claims_join(&claims, 3));
    assert_true(is_joined);
    expect_claim(3, false);
    answer(3);
    assert_int_equal(nrows, 13);
    slots = -1; /* fewer are wanted than there were */
    assert_false(claims_join(&claims, 1));
    assert_true(claims_join(&claims, 2));
    expect_claim(1, false);
}

static void no_claim_is_joined_that_would_not_be_made(void **state)
{
    (void)state;
    conf.worker_gather_ms = GATHER_MS;
    claims_wake(&claims);
    answer(1);
    claims_wake(&claims);
    assert_false(claims_join(&claims, 1)); /* it rests */
    expect_a_claim_later(9);
    answer(9);
    claims.wants_settle = true;
    assert_false(claims_join(&claims, 1));
    claims.wants_settle = false;
    assert_true(claims_join(&claims, 1));
    claims_stop(&claims);
    answer(1);
    assert_false(claims_join(&claims, 1));
}

/* Results and claim are undone together: whoever was at fault, results must get through by themselves. */
static void after_a_joined_claim_that_failed_the_next_goes_alone(void **state)
{
    (void)state;
    claims_wake(&claims);
    answer(10);
    assert_true(claims_join(&claims, 2));
    is_joined = false;
    answer_with(0, "", ERR_DATABASE);
    assert_int_equal(nlost, 1);
    assert_false(claims_join(&claims, 2));
    slots = 2;
    claims_resume(&claims); /* they were stored: no wait for the next poll */
    expect_claim(2, false);
    assert_false(is_joined);
    answer(2);
    assert_true(claims_join(&claims, 2));
}

static void a_claim_without_an_answer_is_told_and_not_repeated_by_itself(void **state)
{
    (void)state;
    claims_wake(&claims);
    answer_with(0, "", ERR_DATABASE);
    assert_int_equal(nlost, 1);
    assert_int_equal(fake_pg.query, -1);
    fake_pg.is_up = false;
    claims_wake(&claims);
    assert_int_equal(fake_pg.query, -1);
    fake_pg.is_up = true;
    claims_wake(&claims);
    expect_claim(10, true);
}

static void a_stopped_one_asks_no_more_but_takes_what_was_on_its_way(void **state)
{
    (void)state;
    claims_wake(&claims);
    claims_stop(&claims);
    assert_int_equal(nidle, 0);
    answer(4);
    assert_int_equal(nrows, 4);
    assert_int_equal(nidle, 1);
    claims_wake(&claims);
    claims_wake_batches(&claims);
    assert_int_equal(fake_pg.query, -1);
}

static void polls_never_stop_and_are_not_in_step(void **state)
{
    uint64_t soonest_ms = UINT64_MAX;

    (void)state;
    fake_pg.is_up = false; /* so that nothing but the clock asks */
    for (int i = 0; i < 50; i++) {
        uint64_t due_ms;

        poll_now();
        assert_true(uv_is_active((uv_handle_t *)&claims.poll));
        due_ms = uv_timer_get_due_in(&claims.poll);
        assert_in_range(due_ms, 0, 1000);
        soonest_ms = due_ms < soonest_ms ? due_ms : soonest_ms;
    }
    assert_in_range(soonest_ms, 0, 950);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_busy_browser_is_gone_around_and_what_waits_for_it_stays_wanted),
        TEST(claims_around_offers_have_cursors_and_full_looks_of_their_own),
        cmocka_unit_test_setup_teardown(a_batch_goes_around_a_busy_browser_too, setup_batch_mode, teardown),
        TEST(it_asks_for_as_many_as_there_is_room_for),
        TEST(a_short_claim_is_followed_by_a_look_everywhere_and_then_by_rest),
        TEST(a_look_everywhere_that_must_wait_is_not_forgotten),
        TEST(only_a_slow_look_everywhere_has_to_wait_for_the_next),
        TEST(a_notify_during_a_claim_is_not_lost),
        TEST(what_comes_after_a_short_claim_is_claimed_together),
        TEST(a_notify_during_a_short_claim_is_claimed_after_the_rest),
        TEST(while_there_is_more_no_claim_rests),
        TEST(a_batch_waits_for_no_rest),
        TEST(a_resting_one_that_is_stopped_asks_no_more),
        TEST(batches_go_first_and_an_empty_one_is_settled),
        TEST(polls_never_stop_and_are_not_in_step),
        cmocka_unit_test_setup_teardown(batch_mode_claims_for_batches_alone, setup_batch_mode, teardown),
        TEST(results_take_a_claim_for_their_slots_along),
        TEST(no_claim_is_joined_that_would_not_be_made),
        TEST(after_a_joined_claim_that_failed_the_next_goes_alone),
        TEST(a_claim_without_an_answer_is_told_and_not_repeated_by_itself),
        TEST(a_stopped_one_asks_no_more_but_takes_what_was_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
