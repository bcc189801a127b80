/*
 * test_offers.c - offers from JSON: what is read, what is refused, how one is found and picked.
 */
#include "tests/unit/test.h"

#include "edge/offers.h"

#include <stdio.h>
#include <string.h>

static struct offers *parse(const char *json)
{
    struct offers *os = NULL;
    struct err err = {0};

    if (!offers_parse(str_from(json), &os, &err))
        fail_msg("%s", err.detail);
    return os;
}

static void test_everything_is_read(void **state)
{
    struct offers *os =
        parse("[{\"id\":\"01a20040-2ca4-7cda-a3b1-203e773c14fb\",\"offer_name\":\"shoes\","
              "\"final_url\":\"https://unused.example/\",\"tracking_urls\":[{\"url\":"
              "\"https://a.example/{gclid}\",\"weight\":3},{\"url\":\"http://b.example\"}],"
              "\"allowed_hosts\":[\"x.example\",\".y.example\"],\"target_country\":\"de\","
              "\"country_from\":\"header\",\"pass_params\":false,\"trace_click_ids\":\"marked\","
              "\"fallback_url\":\"https://f.example\",\"redirect_param\":\"to\",\"is_active\":true}]");
    const struct offer *o = offers_find(os, STR("shoes"));

    (void)state;
    assert_non_null(o);
    assert_str(o->id, "01a20040-2ca4-7cda-a3b1-203e773c14fb");
    assert_int_equal(o->nurls, 2);
    assert_int_equal(o->total_weight, 4);
    assert_int_equal(o->nhosts, 2);
    assert_str(o->country, "de");
    assert_str(o->fallback, "https://f.example/");
    assert_str(o->redirect_param, "to");
    assert_true(o->is_country_from_header && !o->pass_params && o->is_active);
    assert_int_equal(o->trace_click_ids, TARGET_CLICK_IDS_MARKED);
    assert_null(o->problem);
    offers_destroy(os);
}

static void test_defaults(void **state)
{
    struct offers *os =
        parse("[{\"offer_name\":\"o\",\"final_url\":\"https://a.example\",\"tracking_urls\":[],"
              "\"redirect_param\":null,\"fallback_url\":null}]");
    const struct offer *o = offers_find(os, STR("o"));

    (void)state;
    assert_true(o->pass_params && o->is_active && !o->is_country_from_header);
    assert_null(o->redirect_param.ptr);
    assert_int_equal(o->fallback.len, 0);
    assert_int_equal(o->trace_click_ids, TARGET_CLICK_IDS_NONE);
    assert_int_equal(o->nurls, 1);
    assert_null(offers_find(os, STR("O")));
    assert_null(offers_find(os, STR("")));
    offers_destroy(os);
}

static void test_a_bad_url_is_named_and_the_others_serve(void **state)
{
    struct offers *os =
        parse("[{\"offer_name\":\"all bad\",\"final_url\":\"not a url\"},"
              "{\"offer_name\":\"half\",\"tracking_urls\":[{\"url\":\"ftp://x/\"},"
              "{\"url\":\"https://ok.example\"}]},"
              "{\"offer_name\":\"host\",\"final_url\":\"https://{host}/\"},"
              "{\"offer_name\":\"none\"},"
              "{\"offer_name\":\"weightless\",\"tracking_urls\":[{\"url\":\"https://a/\",\"weight\":0}]},"
              "{\"offer_name\":\"fall\",\"final_url\":\"https://a/\",\"fallback_url\":\"javascript:1\"}]");

    (void)state;
    assert_int_equal(offers_count(os), 6);
    assert_int_equal(offers_find(os, STR("all bad"))->nurls, 0);
    assert_non_null(strstr(offers_find(os, STR("all bad"))->problem, "not%20a%20url"));
    assert_int_equal(offers_find(os, STR("half"))->nurls, 1);
    assert_non_null(strstr(offers_find(os, STR("half"))->problem, "ftp"));
    assert_int_equal(offers_find(os, STR("host"))->nurls, 0);
    assert_non_null(offers_find(os, STR("none"))->problem);
    assert_null(offer_pick(offers_find(os, STR("weightless")), 7));
    assert_non_null(offers_find(os, STR("fall"))->problem);
    assert_int_equal(offers_find(os, STR("fall"))->fallback.len, 0);
    offers_destroy(os);
}

static void test_what_is_no_list_of_offers(void **state)
{
    static const char *const bad[] = {"", "{}", "[", "null", "[{]", "[1] x"};
    struct offers *os = (struct offers *)state;
    struct err err;

    for (size_t i = 0; i < 6; i++)
        assert_false(offers_parse(str_from(bad[i]), &os, &err));
    assert_ptr_equal(os, state);
    os = parse("[1, null, {}, {\"offer_name\":\"\"}]"); /* entries without a name are passed over */
    assert_int_equal(offers_count(os), 0);
    assert_null(offers_find(os, STR("x")));
    offers_destroy(os);
}

static void test_many_are_found(void **state)
{
    enum { MANY = 3000 };
    SCOPED(char) json = malloc(MANY * 80);
    struct offers *os;
    size_t len = 0;
    char name[32];

    (void)state;
    for (int i = 0; i < MANY; i++)
        len += (size_t)snprintf(json + len, 80, "%c{\"offer_name\":\"n%d\",\"final_url\":\"http://h/%d\"}",
                                i ? ',' : '[', i, i);
    snprintf(json + len, 2, "]");
    os = parse(json);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_str(offers_find(os, str_from(name))->name, name);
    }
    assert_null(offers_find(os, STR("n3000")));
    offers_destroy(os);
}

static void test_weights(void **state)
{
    struct offers *os =
        parse("[{\"offer_name\":\"o\",\"tracking_urls\":[{\"url\":\"http://a/\",\"weight\":1},"
              "{\"url\":\"http://b/\",\"weight\":0},{\"url\":\"http://c/\",\"weight\":3}]}]");
    const struct offer *o = offers_find(os, STR("o"));
    int first = 0, n = 0;

    (void)state;
    for (uint64_t chance = 0; chance <= UINT32_MAX; chance += UINT32_MAX / 1000, n++)
        first += offer_pick(o, (uint32_t)chance) == &o->urls[0].target;
    assert_in_range(first, n / 4 - 1, n / 4 + 1);
    assert_ptr_equal(offer_pick(o, 0), &o->urls[0].target);
    assert_ptr_equal(offer_pick(o, UINT32_MAX), &o->urls[1].target);
    offers_destroy(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_read),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_a_bad_url_is_named_and_the_others_serve),
        cmocka_unit_test(test_what_is_no_list_of_offers),
        cmocka_unit_test(test_many_are_found),
        cmocka_unit_test(test_weights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
