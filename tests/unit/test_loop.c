/*
 * test_loop.c - clocks, signals, the end of a loop, listening addresses.
 */
#include "tests/unit/test.h"

#include "common/loop.h"
#include "common/scope.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void clocks_agree(void **state)
{
    int64_t ms = loop_now_ms(), us = loop_now_us(), wall = loop_wall_ms();
    (void)state;

    assert_true(us / 1000 >= ms);
    assert_true(loop_now_us() >= us);
    assert_true(wall / 1000 >= time(NULL) - 5 && wall / 1000 <= time(NULL) + 5);
}

struct heard {
    int signums[8];
    int n;
};

static void on_signal(void *arg, int signum)
{
    struct heard *heard = arg;

    heard->signums[heard->n++] = signum;
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void signals_arrive_and_keep_no_loop_alive(void **state)
{
    struct loop_signals signals;
    struct heard heard = {.n = 0};
    uv_timer_t work;
    uv_loop_t loop;
    (void)state;

    uv_loop_init(&loop);
    loop_signals_start(&signals, &loop, on_signal, &heard);
    assert_false(uv_loop_alive(&loop));
    uv_timer_init(&loop, &work);
    uv_timer_start(&work, on_timer, 60000, 0); /* something to live for */
    raise(SIGPIPE);
    raise(SIGTERM);
    uv_run(&loop, UV_RUN_NOWAIT);
    raise(SIGHUP);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.signums[0], SIGTERM);
    assert_int_equal(heard.signums[1], SIGHUP);
    loop_signals_stop(&signals);
    uv_close((uv_handle_t *)&work, NULL);
    loop_finish(&loop);
}

static bool is_second_closed;

static void on_second_closed(uv_handle_t *handle)
{
    (void)handle;
    is_second_closed = true;
}

static void on_first_closed(uv_handle_t *handle)
{
    uv_close(handle->data, on_second_closed);
}

static void finishing_waits_for_closes_that_cause_closes(void **state)
{
    uv_timer_t first, second;
    uv_loop_t loop;
    (void)state;

    uv_loop_init(&loop);
    uv_timer_init(&loop, &first);
    uv_timer_init(&loop, &second);
    first.data = &second;
    uv_close((uv_handle_t *)&first, on_first_closed);
    loop_finish(&loop);
    assert_true(is_second_closed);
}

static void bad_addresses_are_named(void **state)
{
    static const char *const bad[] = {
        "",
        "80",
        "localhost:80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "1.2.3:80",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[127.0.0.1]:80",
        "unix:",
        "127.0.0.1:8o",
        " 127.0.0.1:80",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {.code = ERR_OK};
        int fd = -7;

        assert_false(loop_listen(bad[i], 8, &fd, &err));
        assert_int_equal(err.code, ERR_BAD_SETTING);
        assert_int_equal(fd, -7);
        assert_false(loop_is_local_address(bad[i]));
    }
}

static void local_addresses_are_told_apart(void **state)
{
    /* clang-format off */
    static const struct { const char *address; bool is_local; } table[] = {
        {"127.0.0.1:80", true},  {"127.9.9.9:0", true},      {"[::1]:80", true}, {"[::ffff:127.0.0.1]:80", true},
        {"unix:/x", true},       {":80", false},             {"0.0.0.0:80", false}, {"[::]:80", false},
        {"192.0.2.1:80", false}, {"[2001:db8::1]:80", false}, {"[::ffff:192.0.2.1]:80", false},
    };
    /* clang-format on */
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(loop_is_local_address(table[i].address), table[i].is_local);
}

static int port_of(int fd)
{
    struct sockaddr_in name;
    socklen_t len = sizeof(name);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    return ntohs(name.sin_port);
}

static void a_listening_socket_is_ready_to_use(void **state)
{
    struct err err = {.code = ERR_OK};
    char taken[32];
    int fd = -1, again = -1;
    (void)state;

    assert_true(loop_listen("127.0.0.1:0", 8, &fd, &err));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", port_of(fd));
    assert_false(loop_listen(taken, 8, &again, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.detail, taken));
    close(fd);
}

static void a_wildcard_takes_ipv4(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = -1, client = socket(AF_INET, SOCK_STREAM, 0);
    struct err err;
    (void)state;

    assert_true(loop_listen(":0", 8, &fd, &err));
    to.sin_port = htons((uint16_t)port_of(fd)); /* at the same place in both families */
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    close(client);
    close(fd);
}

static void a_socket_file_is_taken_over_from_the_dead_only(void **state)
{
    char dir[] = "/tmp/tracepool-loop-XXXXXX", address[64];
    struct stat st;
    int fd = -1, second = -1;
    struct err err = {.code = ERR_OK};
    (void)state;

    assert_non_null(mkdtemp(dir));
    snprintf(address, sizeof(address), "unix:%s/s", dir);
    assert_true(loop_listen(address, 8, &fd, &err));
    assert_false(loop_listen(address, 8, &second, &err)); /* somebody listens */
    close(fd);                                            /* as a kill would: the file stays */
    assert_int_equal(stat(address + 5, &st), 0);
    assert_true(loop_listen(address, 8, &fd, &err));
    close(fd);
    unlink(address + 5);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_agree),
        cmocka_unit_test(signals_arrive_and_keep_no_loop_alive),
        cmocka_unit_test(finishing_waits_for_closes_that_cause_closes),
        cmocka_unit_test(bad_addresses_are_named),
        cmocka_unit_test(local_addresses_are_told_apart),
        cmocka_unit_test(a_listening_socket_is_ready_to_use),
        cmocka_unit_test(a_wildcard_takes_ipv4),
        cmocka_unit_test(a_socket_file_is_taken_over_from_the_dead_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
