/*
 * test_seen.c - what children remember together: repeated clicks, buckets; and who declares to be a bot.
 */
#include "tests/unit/test.h"

#include "edge/agent.h"
#include "edge/seen.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MINUTE_MS = 60 * 1000, SECOND_US = 1000000 };

static struct seen *seen;
static int fd;

static int make(void **state)
{
    struct err err;

    (void)state;
    return seen_create(&fd, &err) && seen_attach(fd, &seen, &err) ? 0 : -1;
}

static int unmake(void **state)
{
    (void)state;
    seen_detach(seen);
    close(fd);
    return 0;
}

static uint64_t key_of(const char *a, const char *b)
{
    return seen_key(seen, (const struct str[]){str_from(a), str_from(b)}, 2);
}

static void test_keys_keep_texts_apart(void **state)
{
    (void)state;
    assert_int_equal(key_of("a", "b"), key_of("a", "b"));
    assert_int_not_equal(key_of("ab", ""), key_of("a", "b"));
    assert_int_not_equal(key_of("", "ab"), key_of("ab", ""));
    assert_int_not_equal(key_of("12345678", "9"), key_of("123456789", ""));
}

static void test_a_repeat_names_the_first(void **state)
{
    uint64_t key = key_of("repeat", "1");
    struct uuid one = uuid7_next(1000), two = uuid7_next(1001), first = {""};

    (void)state;
    assert_false(seen_before(seen, key, 5000, MINUTE_MS, NULL, &first)); /* looking leaves no trace */
    assert_false(seen_before(seen, key, 5000, MINUTE_MS, &one, &first));
    assert_true(seen_before(seen, key, 5001, MINUTE_MS, &two, &first));
    assert_string_equal(first.text, one.text);
    seen_keep(seen, key, &one, true);
    assert_true(seen_before(seen, key, 5000 + MINUTE_MS - 1, MINUTE_MS, &two, &first));
    assert_false(seen_before(seen, key, 5000 + MINUTE_MS, MINUTE_MS, &two, &first));
}

static void test_what_was_not_kept_is_not_repeated(void **state)
{
    uint64_t lost = key_of("lost", ""), silent = key_of("silent", "");
    struct uuid one = uuid7_next(1000), two = uuid7_next(1001), first;

    (void)state;
    assert_false(seen_before(seen, lost, 5000, MINUTE_MS, &one, &first));
    seen_keep(seen, lost, &two, false); /* somebody else's */
    assert_true(seen_before(seen, lost, 5001, MINUTE_MS, &two, &first));
    seen_keep(seen, lost, &one, false);
    assert_false(seen_before(seen, lost, 5002, MINUTE_MS, &two, &first));
    assert_false(seen_before(seen, silent, 5000, MINUTE_MS, &one, &first));
    assert_false(seen_before(seen, silent, 8000, MINUTE_MS, &two, &first)); /* its child died, perhaps */
}

static void test_the_oldest_gives_way(void **state)
{
    struct uuid id = uuid7_next(1000), first;
    int known = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t key = key_of("many", (char[]){(char)('a' + i % 26), (char)('a' + i / 26 % 26),
                                               (char)('a' + i / 676 % 26), (char)('a' + i / 17576), '\0'});

        assert_false(seen_before(seen, key, 10000 + i, MINUTE_MS * 60, &id, &first));
        seen_keep(seen, key, &id, true);
        known += seen_before(seen, key, 10000 + i, MINUTE_MS * 60, NULL, &first);
    }
    assert_int_equal(known, 200000);
}

static void test_a_bucket_empties_and_fills(void **state)
{
    uint64_t key = key_of("bucket", "1");
    int64_t now = 100 * (int64_t)SECOND_US;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(seen_allows(seen, key, now, SECOND_US, 3, true));
    assert_false(seen_allows(seen, key, now, SECOND_US, 3, true));
    assert_false(seen_allows(seen, key, now + SECOND_US - 1, SECOND_US, 3, true));
    assert_true(seen_allows(seen, key, now + SECOND_US, SECOND_US, 3, false));
    assert_true(seen_allows(seen, key, now + SECOND_US, SECOND_US, 3, true));
    assert_false(seen_allows(seen, key, now + SECOND_US, SECOND_US, 3, true));
    for (int i = 0; i < 3; i++)
        assert_true(seen_allows(seen, key, now + 60 * (int64_t)SECOND_US, SECOND_US, 3, true));
    assert_false(seen_allows(seen, key, now + 60 * (int64_t)SECOND_US, SECOND_US, 3, true));
}

static void test_other_processes_see_it(void **state)
{
    uint64_t key = key_of("shared", "");
    struct uuid id = uuid7_next(1000), first;
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        struct seen *own;
        struct err err;
        bool ok = seen_attach(fd, &own, &err) && !seen_before(own, key, 5000, MINUTE_MS, &id, &first);

        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(seen_before(seen, key, 5001, MINUTE_MS, NULL, &first));
    assert_string_equal(first.text, id.text);
}

static void test_agents(void **state)
{
    /* clang-format off */
    static const struct { const char *agent; const char *reason; } cases[] = {
        {"", NULL},
        {"curl/7.88.1", NULL},
        {"Wget/1.21.3", NULL},
        {"python-requests/2.31", NULL},
        {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", NULL},
        {"Mozilla/5.0 (Linux; Android 12; CUBOT P50) AppleWebKit/537.36", NULL},
        {"Mozilla/5.0 (robotics lab browser)", NULL},
        {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"},
        {"AdsBot-Google (+http://www.google.com/adsbot.html)", "bot"},
        {"Mediapartners-Google", "bot"},
        {"Mozilla/5.0 (compatible; bingbot/2.0)", "bot"},
        {"SOMEBOT", "bot"},
        {"Mozilla/5.0 (compatible; Baiduspider/2.0)", "bot"},
        {"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "link_preview"},
        {"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "link_preview"},
        {"TelegramBot (like TwitterBot)", "link_preview"},
        {"WhatsApp/2.23.20.0", "link_preview"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *reason = agent_skip_reason(str_from(cases[i].agent));

        if (!cases[i].reason)
            assert_null(reason);
        else
            assert_string_equal(reason, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_keep_texts_apart),
        cmocka_unit_test(test_a_repeat_names_the_first),
        cmocka_unit_test(test_what_was_not_kept_is_not_repeated),
        cmocka_unit_test(test_the_oldest_gives_way),
        cmocka_unit_test(test_a_bucket_empties_and_fills),
        cmocka_unit_test(test_other_processes_see_it),
        cmocka_unit_test(test_agents),
    };

    return cmocka_run_group_tests(tests, make, unmake);
}
