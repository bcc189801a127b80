/*
 * test_cursors.c - cursors as PostgreSQL arrays: three lists of the same length and order, nothing else in
 * them.
 */
#include "tests/unit/test.h"

#include "worker/cursors.h"

#include <stdio.h>

static struct cursors c;
static struct buf countries, requests, ips;

static int setup(void **state)
{
    (void)state;
    c.n = 0;
    buf_init(&countries, 100000);
    buf_init(&requests, 100000);
    buf_init(&ips, 100000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_finish(&countries);
    buf_finish(&requests);
    buf_finish(&ips);
    return 0;
}

static void no_cursors_are_empty_arrays(void **state)
{
    (void)state;
    cursors_write(&c, &countries, &requests, &ips);
    assert_str(buf_str(&countries), "{}");
    assert_str(buf_str(&requests), "{}");
    assert_str(buf_str(&ips), "{}");
}

static void the_last_position_of_a_country_counts(void **state)
{
    (void)state;
    cursors_put(&c, STR("us"), STR("2026-01-01 00:00:00+00"), STR("2026-01-01 00:00:01+00"));
    cursors_put(&c, STR("de"), STR(""), STR("-infinity"));
    cursors_put(&c, STR("us"), STR("2026-01-01 00:00:09+00"), STR(""));
    cursors_write(&c, &countries, &requests, &ips);
    assert_str(buf_str(&countries), "{\"us\",\"de\"}");
    assert_str(buf_str(&requests), "{\"2026-01-01 00:00:09+00\",\"-infinity\"}");
    assert_str(buf_str(&ips), "{\"2026-01-01 00:00:01+00\",\"-infinity\"}");
}

static void a_country_that_would_break_the_array_is_left_to_full_scans(void **state)
{
    (void)state;
    cursors_put(&c, STR("u\"s"), STR("x"), STR("x"));
    cursors_put(&c, STR("u\\s"), STR("x"), STR("x"));
    cursors_put(&c, STR(""), STR("x"), STR("x"));
    cursors_put(&c, STR("a country that has a name of this length"), STR("x"), STR("x"));
    assert_int_equal(c.n, 0);
}

static void too_many_countries_keep_the_first(void **state)
{
    char name[8];
    (void)state;

    for (int i = 0; i < CURSORS_MAX + 10; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        cursors_put(&c, str_from(name), STR("2026-01-01 00:00:00.123456+00"),
                    STR("2026-01-01 00:00:00.123456+00"));
    }
    assert_int_equal(c.n, CURSORS_MAX);
    cursors_write(&c, &countries, &requests, &ips);
    assert_false(countries.is_full || requests.is_full || ips.is_full);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_cursors_are_empty_arrays),
        TEST(the_last_position_of_a_country_counts),
        TEST(a_country_that_would_break_the_array_is_left_to_full_scans),
        TEST(too_many_countries_keep_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
