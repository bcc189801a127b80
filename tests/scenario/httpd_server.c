/*
 * httpd_server.c - a program around common/httpd, for the tests of that module and for measuring it.
 *
 *     httpd_server [max_head=N] [max_body=N] [max_connections=N] [head_ms=N] [idle_ms=N] [write_ms=N]
 *
 * Listens on a free loopback port and prints it. SIGTERM drains, SIGINT destroys; it ends when its loop
 * has nothing left. Paths: /hello, /redirect, /later (answers in a later turn of the loop), /echo (the
 * body), /big?BYTES, /never (is never answered), /seen (what the head said), /connections, /metrics.
 */
#include "common/httpd.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/scope.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uv_loop_t loop;
static struct httpd *httpd;
static struct httpd_conn *unanswered[1000];
static int nunanswered;

struct later {
    uv_timer_t timer;
    struct httpd_conn *conn;
};

static void on_later_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, struct later, timer));
}

static void on_later(uv_timer_t *timer)
{
    struct later *later = container_of(timer, struct later, timer);
    const struct httpd_request *request = httpd_request(later->conn);

    assert(httpd_data(later->conn) == later);
    httpd_respond(later->conn, 200, STR("Content-Type: text/plain\r\n"), request->head->target);
    uv_close((uv_handle_t *)timer, on_later_closed);
}

static void answer_later(struct httpd_conn *conn)
{
    struct later *later = malloc(sizeof(*later));

    assert(later);
    later->conn = conn;
    httpd_set_data(conn, later);
    uv_timer_init(&loop, &later->timer);
    uv_timer_start(&later->timer, on_later, 5, 0);
}

static void answer_big(struct httpd_conn *conn, struct str size)
{
    int64_t n = 0;
    char *bytes;

    if (!str_to_int(size, &n) || n > 100000000 || !(bytes = malloc((size_t)n + 1))) {
        httpd_respond_error(conn, 400, STR(""), "how \"big\"?");
        return;
    }
    memset(bytes, 'x', (size_t)n);
    httpd_respond(conn, 200, STR(""), (struct str){bytes, (size_t)n});
    free(bytes);
}

static void answer_seen(struct httpd_conn *conn, const struct httpd_request *request)
{
    const struct httpd_head *head = request->head;
    SCOPED_VALUE(buf) text;

    buf_init(&text, 64 * 1024);
    buf_printf(&text, "%.*s %.*s path=%.*s query=%.*s peer=%d\n", STR_ARG(head->method_text),
               STR_ARG(head->target), STR_ARG(head->path), STR_ARG(head->query), request->peer->ss_family);
    for (int i = 0; i < head->nheaders; i++)
        buf_printf(&text, "%.*s=%.*s\n", STR_ARG(head->headers[i].name), STR_ARG(head->headers[i].value));
    httpd_respond(conn, 200, STR(""), buf_str(&text));
}

static void on_request(void *arg, struct httpd_conn *conn, const struct httpd_request *request)
{
    struct str path = request->head->path;
    char text[32];

    (void)arg;
    if (str_equal(path, STR("/hello"))) {
        httpd_respond(conn, 200, STR("Content-Type: text/plain\r\n"), STR("hello\n"));
    } else if (str_equal(path, STR("/redirect"))) {
        httpd_respond(conn, 302,
                      STR("Location: https://example.com/landing?a=1\r\nCache-Control: no-store\r\n"),
                      STR(""));
    } else if (str_equal(path, STR("/later"))) {
        answer_later(conn);
    } else if (str_equal(path, STR("/echo"))) {
        httpd_respond(conn, 200, STR(""), request->body);
    } else if (str_equal(path, STR("/big"))) {
        answer_big(conn, request->head->query);
    } else if (str_equal(path, STR("/metrics"))) {
        SCOPED_VALUE(buf) metrics;

        buf_init(&metrics, 1 << 20);
        metrics_render(METRICS_HTTP, &metrics);
        httpd_respond(conn, 200, STR("Content-Type: text/plain; version=0.0.4\r\n"), buf_str(&metrics));
    } else if (str_equal(path, STR("/seen"))) {
        answer_seen(conn, request);
    } else if (str_equal(path, STR("/never")) && nunanswered < (int)ARRAY_LEN(unanswered)) {
        unanswered[nunanswered++] = conn;
    } else if (str_equal(path, STR("/connections"))) {
        snprintf(text, sizeof(text), "%d\n", httpd_connections(httpd));
        httpd_respond(conn, 200, STR(""), str_from(text));
    } else {
        httpd_respond_error(conn, 404, STR(""), "no \"such\"\npath");
    }
}

/* What a handler owes after the end: the connections are still there to be answered, nobody reads it. */
static void on_closed(void *arg)
{
    (void)arg;
    for (int i = 0; i < nunanswered; i++)
        httpd_respond(unanswered[i], 200, STR(""), STR(""));
    httpd = NULL;
}

static void on_signal(void *arg, int signum)
{
    struct loop_signals *signals = arg;

    if (signum == SIGTERM)
        httpd_drain(httpd);
    if (signum == SIGINT) {
        httpd_destroy(httpd, on_closed, NULL);
        loop_signals_stop(signals);
    }
}

static int64_t option(int argc, char **argv, struct str key, int64_t otherwise)
{
    int64_t value = otherwise;

    for (int i = 1; i < argc; i++) {
        struct str arg = str_from(argv[i]);
        size_t equals = str_find(arg, 0, '=');

        if (str_equal(str_slice(arg, 0, equals), key) &&
            str_to_int(str_slice(arg, equals + 1, arg.len), &value))
            break;
    }
    return value;
}

static int listen_anywhere(void)
{
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    struct err err;
    int fd = -1;

    if (!loop_listen("127.0.0.1:0", 4096, &fd, &err)) {
        log_error("server.start", kv_err(&err));
        exit(1);
    }
    getsockname(fd, (struct sockaddr *)&name, &len);
    printf("%d\n", ntohs(name.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    int fd = listen_anywhere();
    struct loop_signals signals;
    struct httpd_options options = {
        .loop = &loop,
        .fds = &fd,
        .nfds = 1,
        .max_head = (size_t)option(argc, argv, STR("max_head"), 16 * 1024),
        .max_body = option(argc, argv, STR("max_body"), 8192),
        .max_connections = (int)option(argc, argv, STR("max_connections"), 20000),
        .head_timeout_ms = option(argc, argv, STR("head_ms"), 10000),
        .idle_timeout_ms = option(argc, argv, STR("idle_ms"), 60000),
        .write_timeout_ms = option(argc, argv, STR("write_ms"), 10000),
        .on_request = on_request,
    };

    uv_loop_init(&loop);
    loop_signals_start(&signals, &loop, on_signal, &signals);
    httpd = httpd_create(&options);
    close(fd); /* the server has its own copy, which it closes when it drains */
    uv_run(&loop, UV_RUN_DEFAULT);
    if (httpd) {
        httpd_destroy(httpd, on_closed, NULL);
        loop_signals_stop(&signals);
    }
    loop_finish(&loop);
    return 0;
}
