/*
 * test_limit.c - how many traces a child may hold at once, and what says so (worker/limit.c).
 */
#include "tests/unit/test.h"

#include "worker/limit.h"

enum { SLOTS = 40, SLOW_MS = 100, SLOW_US = SLOW_MS * 1000 };

static struct limit made(void)
{
    struct limit l;

    limit_init(&l, SLOTS, SLOW_MS);
    return l;
}

static void check_room_with(const struct limit *l, int running, struct limit_browser browser, int room,
                            enum limit_by by)
{
    enum limit_by found;

    assert_int_equal(limit_room(l, running, browser, &found), room);
    assert_int_equal(found, by);
}

static void check_room(const struct limit *l, int running, int room, enum limit_by by)
{
    check_room_with(l, running, (struct limit_browser){0}, room, by);
}

static void test_room_is_what_slots_leave(void **state)
{
    struct limit l = made();

    (void)state;
    check_room(&l, 0, SLOTS, LIMIT_NONE);
    check_room(&l, SLOTS - 1, 1, LIMIT_NONE);
    check_room(&l, SLOTS, 0, LIMIT_SLOTS);
    check_room(&l, SLOTS + 3, 0, LIMIT_SLOTS);
}

static void test_a_full_browser_with_a_queue_takes_no_more(void **state)
{
    struct limit l = made();

    (void)state;
    check_room_with(&l, 8, (struct limit_browser){4, 4, 3}, SLOTS - 8, LIMIT_NONE);
    check_room_with(&l, 8, (struct limit_browser){4, 4, 4}, 0, LIMIT_BROWSER);
    check_room_with(&l, 9, (struct limit_browser){4, 4, 5}, 0, LIMIT_BROWSER);
    check_room_with(&l, SLOTS, (struct limit_browser){4, 4, 4}, 0, LIMIT_SLOTS);
}

static void test_claims_follow_the_share_that_needs_the_browser(void **state)
{
    struct limit l = made();

    (void)state;
    for (int i = 0; i < 200; i++)
        limit_trace_ended(&l, true);
    check_room_with(&l, 0, (struct limit_browser){4, 0, 0}, 8, LIMIT_NONE);
    check_room_with(&l, 5, (struct limit_browser){4, 4, 1}, 3, LIMIT_NONE);
    for (int i = 0; i < 400; i++)
        limit_trace_ended(&l, i % 4 == 0);
    check_room_with(&l, 0, (struct limit_browser){4, 4, 3}, 4, LIMIT_NONE);
    for (int i = 0; i < 200; i++)
        limit_trace_ended(&l, false);
    check_room_with(&l, 0, (struct limit_browser){4, 4, 3}, SLOTS, LIMIT_NONE);
}

static void test_a_slow_database_halves_once_a_second_down_to_one(void **state)
{
    struct limit l = made();

    (void)state;
    limit_database_took(&l, SLOW_US, 1000);
    check_room(&l, 0, SLOTS, LIMIT_NONE);
    limit_database_took(&l, SLOW_US + 1, 1000);
    limit_database_took(&l, SLOW_US + 1, 1999);
    check_room(&l, 0, SLOTS / 2, LIMIT_NONE);
    check_room(&l, SLOTS / 2, 0, LIMIT_DATABASE);
    for (int64_t at = 2000; at <= 20000; at += 1000)
        limit_database_took(&l, SLOW_US * 9, at);
    check_room(&l, 0, 1, LIMIT_NONE);
}

static void test_it_grows_again_step_by_step(void **state)
{
    struct limit l = made();
    int64_t at = 10000;

    (void)state;
    for (int64_t slow = 1000; slow <= at; slow += 1000)
        limit_database_took(&l, SLOW_US * 2, slow);
    limit_database_took(&l, 1000, at + 999);
    check_room(&l, 0, 1, LIMIT_NONE); /* not in the second after a slow one */
    for (int i = 0; i < 100; i++)
        limit_database_took(&l, 1000, at + 1000);
    check_room(&l, 0, 3, LIMIT_NONE); /* one step, however many answers */
    for (int64_t end = at + 10000; at < end; at += 250)
        limit_database_took(&l, 1000, at + 1250);
    check_room(&l, 0, SLOTS, LIMIT_NONE);
}

static void test_a_machine_at_its_end_rests_and_goes_on_with_half(void **state)
{
    struct limit l = made();

    (void)state;
    limit_host_exhausted(&l, 1000);
    limit_host_exhausted(&l, 1000); /* the same moment's next trace */
    check_room(&l, 0, 0, LIMIT_HOST);
    assert_false(limit_look(&l));
    check_room(&l, 0, 0, LIMIT_HOST);
    limit_host_exhausted(&l, 1500);
    assert_true(limit_look(&l));
    assert_string_equal(limit_name(l.by), "host");
    check_room(&l, 0, 0, LIMIT_HOST);
    limit_look(&l);
    check_room(&l, 0, SLOTS / 2, LIMIT_NONE);
    check_room(&l, SLOTS / 2, 0, LIMIT_HOST);
}

/* So many looks at which that was seen; whether the last of them said that it changed. */
static bool looks(struct limit *l, int n, enum limit_by by)
{
    bool has_changed = false;

    for (int i = 0; i < n; i++) {
        limit_note(l, by);
        has_changed = limit_look(l);
    }
    return has_changed;
}

static void test_the_strongest_counts_once_it_lasts(void **state)
{
    struct limit l = made();

    (void)state;
    assert_false(looks(&l, 1, LIMIT_SLOTS));
    assert_true(looks(&l, 1, LIMIT_SLOTS));
    assert_int_equal(l.by, LIMIT_SLOTS);
    limit_note(&l, LIMIT_DATABASE);
    assert_false(looks(&l, 1, LIMIT_SLOTS));
    limit_note(&l, LIMIT_FREE_IPS);
    limit_note(&l, LIMIT_DATABASE);
    assert_true(looks(&l, 1, LIMIT_SLOTS));
    assert_string_equal(limit_name(l.by), "database");
}

static void test_a_farm_at_the_edge_of_two_says_one(void **state)
{
    struct limit l = made();

    (void)state;
    assert_true(looks(&l, 2, LIMIT_FREE_IPS));
    for (int i = 0; i < 20; i++) {
        assert_false(looks(&l, 3, LIMIT_SLOTS));
        assert_false(looks(&l, 1, LIMIT_FREE_IPS));
    }
    assert_false(looks(&l, 5, LIMIT_NONE));
    assert_true(looks(&l, 1, LIMIT_NONE));
    assert_int_equal(l.by, LIMIT_NONE);
    assert_false(looks(&l, 20, LIMIT_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_is_what_slots_leave),
        cmocka_unit_test(test_a_full_browser_with_a_queue_takes_no_more),
        cmocka_unit_test(test_claims_follow_the_share_that_needs_the_browser),
        cmocka_unit_test(test_a_slow_database_halves_once_a_second_down_to_one),
        cmocka_unit_test(test_it_grows_again_step_by_step),
        cmocka_unit_test(test_a_machine_at_its_end_rests_and_goes_on_with_half),
        cmocka_unit_test(test_the_strongest_counts_once_it_lasts),
        cmocka_unit_test(test_a_farm_at_the_edge_of_two_says_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
