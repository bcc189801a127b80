/*
 * test_around.c - which offers a child goes around: those whose traces lately needed the browser
 * (worker/around.c).
 */
#include "tests/unit/test.h"

#include "worker/around.h"

#include <stdio.h>

#define PAGES "11111111-1111-1111-1111-111111111111"
#define SHOP "22222222-2222-2222-2222-222222222222"

static void an_offer_that_needs_the_browser_is_gone_around(void **state)
{
    struct around a = {.n = 0};

    (void)state;
    assert_null(around_offers(&a));
    around_note(&a, STR(SHOP), false);
    assert_null(around_offers(&a));
    around_note(&a, STR(PAGES), true);
    assert_string_equal(around_offers(&a), "{" PAGES "}");
    around_note(&a, STR(""), true);
    assert_string_equal(around_offers(&a), "{" PAGES ",00000000-0000-0000-0000-000000000000}");
}

static void one_that_no_longer_does_is_forgotten(void **state)
{
    struct around a = {.n = 0};

    (void)state;
    around_note(&a, STR(PAGES), true);
    around_note(&a, STR(SHOP), true);
    for (int i = 0; i < 40; i++)
        around_note(&a, STR(SHOP), i % 10 == 0);
    assert_string_equal(around_offers(&a), "{" PAGES "," SHOP "}");
    for (int i = 0; i < 80; i++)
        around_note(&a, STR(SHOP), false);
    assert_string_equal(around_offers(&a), "{" PAGES "}");
}

static void of_too_many_the_one_that_needs_it_least_makes_room(void **state)
{
    struct around a = {.n = 0};
    char id[AROUND_ID_MAX];

    (void)state;
    around_note(&a, STR(SHOP), true);
    around_note(&a, STR(SHOP), false);
    for (int i = 1; i < AROUND_MAX; i++) {
        snprintf(id, sizeof(id), "33333333-3333-3333-3333-%012d", i);
        around_note(&a, str_from(id), true);
    }
    assert_non_null(strstr(around_offers(&a), SHOP));
    around_note(&a, STR(PAGES), true);
    assert_null(strstr(around_offers(&a), SHOP));
    assert_non_null(strstr(around_offers(&a), PAGES));
    assert_int_equal(a.n, AROUND_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_that_needs_the_browser_is_gone_around),
        cmocka_unit_test(one_that_no_longer_does_is_forgotten),
        cmocka_unit_test(of_too_many_the_one_that_needs_it_least_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
