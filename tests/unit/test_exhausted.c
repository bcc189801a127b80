/*
 * test_exhausted.c - which errnos are this machine's own, and when a transfer has ended by one
 * (common/exhausted.c, curl_loop.c).
 */
#include "tests/unit/test.h"

#include "common/curl_loop.h"
#include "common/exhausted.h"
#include "common/scope.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ERRNO_MAX = 4095 };

static const struct {
    int error;
    const char *limit;
} ours[] = {
    {EADDRNOTAVAIL, "net.ipv4.ip_local_port_range"},
    {EAGAIN, "net.ipv4.ip_local_port_range"},
    {EMFILE, "ulimit -n"},
    {ENFILE, "fs.file-max"},
    {ENOBUFS, "net.ipv4.tcp_mem"},
    {ENOMEM, "net.ipv4.tcp_mem"},
};

static const char *limit_of(int error)
{
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (ours[i].error == error)
            return ours[i].limit;
    }
    return NULL;
}

static void every_errno_is_ours_or_is_not(void **state)
{
    (void)state;
    for (int error = 0; error <= ERRNO_MAX; error++)
        assert_int_equal(exhausted_is(error), limit_of(error) != NULL);
}

static void the_text_names_whom_and_the_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        struct err err;

        assert_false(exhausted_explain(&err, ours[i].error, "%s:%d", "203.0.113.9", 7000));
        assert_int_equal(err.code, ERR_HOST_EXHAUSTED);
        assert_int_equal(err_blame(err.code), BLAME_US);
        assert_true(err_is_retryable(err.code));
        assert_non_null(strstr(err.detail, "203.0.113.9:7000"));
        assert_non_null(strstr(err.detail, ours[i].limit));
        assert_int_equal(err.detail[strlen(err.detail) - 1], ')'); /* nothing was cut */
    }
}

static void a_full_table_of_descriptors_is_noticed(void **state)
{
    struct curl_sockaddr address = {.family = AF_INET, .socktype = SOCK_STREAM};
    struct rlimit before, none;
    int failure = 0, fd, found;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(exhausted_now(), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    found = exhausted_now();
    fd = curl_loop_open(&address, &failure);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(found, EMFILE);
    assert_int_equal(fd, CURL_SOCKET_BAD);
    assert_int_equal(failure, EMFILE);
    fd = curl_loop_open(&address, &failure);
    assert_true(fd >= 0);
    close(fd);
}

/*
 * A socket that could not be had is told by whoever wanted it; only a connection that failed can be due to
 * that.
 */
static void a_transfer_ends_by_it_only_where_it_had_to_connect(void **state)
{
    CURL *easy = curl_easy_init();

    (void)state;
    for (int code = 0; code < CURL_LAST; code++) {
        bool had_to = code == CURLE_COULDNT_CONNECT;

        assert_int_equal(curl_loop_exhausted(easy, (CURLcode)code, EMFILE), had_to ? EMFILE : 0);
        assert_int_equal(curl_loop_exhausted(easy, (CURLcode)code, EAFNOSUPPORT), 0);
        assert_int_equal(curl_loop_exhausted(easy, (CURLcode)code, 0), 0);
    }
    curl_easy_cleanup(easy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_errno_is_ours_or_is_not),
        cmocka_unit_test(the_text_names_whom_and_the_limit),
        cmocka_unit_test(a_full_table_of_descriptors_is_noticed),
        cmocka_unit_test(a_transfer_ends_by_it_only_where_it_had_to_connect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
