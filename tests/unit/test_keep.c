/*
 * test_keep.c - which of the two places a click waits for, and that it is answered once and released once,
 * whatever spool and database do, in whatever order.
 *
 * Both are replaced by stand-ins: a test says when and what they answer.
 */
#include "tests/unit/test.h"

#include "common/json.h"
#include "common/loop.h"
#include "edge/keep.h"
#include "edge/queries.h"

#include <stdlib.h>
#include <string.h>

/* --- stand-ins ------------------------------------------------------------------------------- */

enum { ASKED_MAX = 8 };

struct asked {
    int q;
    char *text; /* the clicks as JSON; of a quarantined one the refusal */
    pg_done_cb done;
    void *arg;
};

static bool is_up, is_full;
static struct spool_entry *spooled[8];
static size_t nspooled;
static struct asked asked[ASKED_MAX];
static size_t nasked;

bool pg_is_up(const struct pg *pg)
{
    (void)pg;
    return is_up;
}

void pg_send(struct pg *pg, int q, const char *const *values, int64_t timeout_ms, pg_done_cb done, void *arg)
{
    (void)pg;
    (void)timeout_ms;
    assert_true(nasked < ASKED_MAX);
    asked[nasked++] = (struct asked){q, strdup(values[q == Q_RECORD_CLICKS ? 0 : 2]), done, arg};
}

bool spool_append(struct spool *spool, int64_t at_ms, struct str payload, struct spool_entry *entry)
{
    (void)spool;
    (void)at_ms;
    (void)payload;
    if (is_full)
        return false;
    spooled[nspooled++] = entry;
    return true;
}

/* --- tools ----------------------------------------------------------------------------------- */

struct one {
    struct keep_click click;
    int nanswers, nreleases;
    bool is_kept;
};

static uv_loop_t loop;
static struct keep *keep;
static struct one ones[4];
static uv_timer_t clock_tick; /* keeps the loop alive: the timer of what is tested does not */

static void on_clock_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void on_done(struct keep_click *click, bool is_kept)
{
    struct one *one = container_of(click, struct one, click);

    one->nanswers++;
    one->is_kept = is_kept;
    assert_int_equal(one->nreleases, 0);
}

static void on_release(struct keep_click *click)
{
    struct one *one = container_of(click, struct one, click);

    one->nreleases++;
    assert_int_equal(one->nanswers, 1);
}

static struct one *add(int i)
{
    static const char *const payloads[] = {"{\"n\":0}", "{\"n\":1}", "{\"n\":2}", "{\"n\":3}"};

    ones[i] = (struct one){
        .click = {.at_ms = 1, .payload = str_from(payloads[i]), .done = on_done, .release = on_release}};
    keep_add(keep, &ones[i].click);
    return &ones[i];
}

static void database_says(size_t i, const char *sqlstate)
{
    struct err err = {0};

    if (strcmp(sqlstate, "00000") != 0)
        err_set(&err, ERR_DATABASE, "it said %s", sqlstate);
    asked[i].done(asked[i].arg, NULL, sqlstate, &err);
}

static void spool_says(size_t i, bool is_durable)
{
    spooled[i]->done(spooled[i], is_durable);
}

/* Until the click is answered by the clock. */
static void wait_for_answer(const struct one *one)
{
    while (!one->nanswers)
        uv_run(&loop, UV_RUN_ONCE);
}

static void assert_over(const struct one *one, bool is_kept)
{
    assert_int_equal(one->nanswers, 1);
    assert_int_equal(one->nreleases, 1);
    assert_true(one->is_kept == is_kept);
}

static int begin(void **state)
{
    (void)state;
    is_up = true;
    is_full = false;
    nspooled = nasked = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &clock_tick), 0);
    assert_int_equal(uv_timer_start(&clock_tick, on_clock_tick, 5, 5), 0);
    keep = keep_create(&loop, NULL, NULL, "edge/test");
    return 0;
}

static int end(void **state)
{
    (void)state;
    keep_stop(keep);
    uv_close((uv_handle_t *)&clock_tick, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    keep_free(keep);
    for (size_t i = 0; i < nasked; i++)
        free(asked[i].text);
    return uv_loop_close(&loop);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_on_disk_is_enough(void **state)
{
    struct one *one = add(0);

    (void)state;
    assert_int_equal(one->nanswers, 0);
    spool_says(0, true);
    assert_over(one, true);
    assert_int_equal(nasked, 0);
}

static void test_what_the_spool_lost_goes_to_the_database(void **state)
{
    struct one *one = add(0);

    (void)state;
    spool_says(0, false);
    assert_int_equal(one->nanswers, 0);
    assert_int_equal(nasked, 1);
    assert_string_equal(asked[0].text, "[{\"n\":0}]");
    database_says(0, "00000");
    assert_over(one, true);
}

static void test_several_go_in_one_statement(void **state)
{
    (void)state;
    is_full = true;
    add(0); /* is under way alone while the others gather */
    add(1);
    add(2);
    assert_int_equal(nasked, 1);
    database_says(0, "00000");
    assert_int_equal(nasked, 2);
    assert_string_equal(asked[1].text, "[{\"n\":1},{\"n\":2}]");
    database_says(1, "00000");
    for (int i = 0; i < 3; i++)
        assert_over(&ones[i], true);
}

static void test_a_sync_that_hangs_asks_the_database_too(void **state)
{
    struct one *one = add(0);

    (void)state;
    while (nasked == 0)
        uv_run(&loop, UV_RUN_ONCE);
    database_says(0, "00000");
    assert_int_equal(one->nanswers, 1);
    assert_true(one->is_kept);
    assert_int_equal(one->nreleases, 0); /* the spool still holds its bytes */
    spool_says(0, true);
    assert_over(one, true);
}

static void test_behind_a_hanging_sync_nobody_waits_for_it(void **state)
{
    (void)state;
    add(0);
    while (nasked == 0)
        uv_run(&loop, UV_RUN_ONCE);
    database_says(0, "00000");
    add(1); /* nothing waits for the spool now: it is asked as usual */
    assert_int_equal(nasked, 1);
    spool_says(0, true);
    spool_says(1, true);
    assert_over(&ones[0], true);
    assert_over(&ones[1], true);
}

static void test_neither_in_time_is_said(void **state)
{
    struct one *one;

    (void)state;
    is_full = true;
    is_up = false;
    one = add(0);
    wait_for_answer(one);
    assert_over(one, false);
    assert_int_equal(nasked, 0);
}

static void test_an_answer_after_its_time_changes_nothing(void **state)
{
    struct one *one;

    (void)state;
    is_full = true;
    one = add(0);
    wait_for_answer(one); /* the statement is still under way */
    assert_over(one, false);
    database_says(0, "00000");
    assert_over(one, false);
}

/* Found by tests/fault: the later click was answered as kept, and then its own statement failed. */
static void test_a_late_answer_is_none_for_a_later_click(void **state)
{
    (void)state;
    is_full = true;
    wait_for_answer(add(0)); /* its statement is still under way */
    add(1);
    assert_int_equal(nasked, 1);
    database_says(0, "00000");
    assert_int_equal(ones[1].nanswers, 0);
    assert_int_equal(nasked, 2);
    assert_string_equal(asked[1].text, "[{\"n\":1}]");
    database_says(1, "");
    assert_int_equal(ones[1].nanswers, 0);
    wait_for_answer(&ones[1]);
    assert_false(ones[1].is_kept);
}

static void test_a_lost_connection_is_asked_again(void **state)
{
    struct one *one;

    (void)state;
    is_full = true;
    one = add(0);
    database_says(0, "");
    assert_int_equal(one->nanswers, 0);
    while (nasked == 1)
        uv_run(&loop, UV_RUN_ONCE);
    assert_string_equal(asked[1].text, "[{\"n\":0}]");
    database_says(1, "00000");
    assert_over(one, true);
}

static void test_a_refused_click_is_put_aside_and_stops_no_other(void **state)
{
    (void)state;
    is_full = true;
    add(0);
    add(1);
    add(2);
    database_says(0, "00000");
    database_says(1, "23514"); /* 1 and 2 together; then one by one */
    assert_string_equal(asked[2].text, "[{\"n\":1}]");
    database_says(2, "23514");
    assert_int_equal(asked[3].q, Q_QUARANTINE_CLICK);
    assert_string_equal(asked[3].text, "23514: it said 23514");
    assert_int_equal(nasked, 4); /* the next one waits for it */
    database_says(3, "00000");
    assert_over(&ones[1], true);
    assert_string_equal(asked[4].text, "[{\"n\":2}]");
    database_says(4, "00000");
    assert_over(&ones[2], true);
}

static void test_time_runs_out_while_it_is_put_aside(void **state)
{
    struct one *one;

    (void)state;
    is_full = true;
    one = add(0);
    database_says(0, "22P02");
    assert_int_equal(asked[1].q, Q_QUARANTINE_CLICK);
    wait_for_answer(one);
    assert_over(one, false);
    add(1);
    assert_int_equal(nasked, 2); /* not before it is known what became of the first */
    database_says(1, "00000");
    assert_over(one, false);
    assert_string_equal(asked[2].text, "[{\"n\":1}]");
    database_says(2, "00000");
    assert_over(&ones[1], true);
}

static void test_when_not_even_that_works_it_is_tried_again(void **state)
{
    struct one *one;

    (void)state;
    is_full = true;
    one = add(0);
    database_says(0, "23514");
    database_says(1, "");
    assert_int_equal(one->nanswers, 0);
    while (nasked == 2)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(asked[2].q, Q_RECORD_CLICKS);
    database_says(2, "00000");
    assert_over(one, true);
}

static void test_the_end_answers_what_waits(void **state)
{
    (void)state;
    add(0);
    is_full = true;
    add(1);
    keep_stop(keep); /* and once more when the test ends */
    assert_int_equal(ones[0].nanswers, 1);
    assert_over(&ones[1], false);
    spool_says(0, false);
    assert_over(&ones[0], false);
    database_says(0, "00000");
    assert_over(&ones[1], false);
}

#define keep_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        keep_test(test_on_disk_is_enough),
        keep_test(test_what_the_spool_lost_goes_to_the_database),
        keep_test(test_several_go_in_one_statement),
        keep_test(test_a_sync_that_hangs_asks_the_database_too),
        keep_test(test_behind_a_hanging_sync_nobody_waits_for_it),
        keep_test(test_neither_in_time_is_said),
        keep_test(test_an_answer_after_its_time_changes_nothing),
        keep_test(test_a_late_answer_is_none_for_a_later_click),
        keep_test(test_a_lost_connection_is_asked_again),
        keep_test(test_a_refused_click_is_put_aside_and_stops_no_other),
        keep_test(test_time_runs_out_while_it_is_put_aside),
        keep_test(test_when_not_even_that_works_it_is_tried_again),
        keep_test(test_the_end_answers_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
