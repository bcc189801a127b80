/*
 * proc_parent.c - a program around common/proc, for its tests: children that serve HTTP on a shared socket.
 *
 *     proc_parent children=N drain_ms=N [stubborn=1] [bad=FILE]
 *
 * The parent prints `port N`. Each child prints `ready SLOT PID INCARNATION`, `told PID INCARNATION` when it
 * hears of a death, `orphaned PID` when its parent is gone, and `drained PID`. stubborn: children ignore
 * SIGTERM. bad: children end with status 2 while that file exists. Every answer is the child's process id.
 */
#include "common/httpd.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/proc.h"
#include "common/scope.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct child {
    uv_loop_t loop;
    struct loop_signals signals;
    struct proc_control control;
    struct httpd *httpd;
    uv_timer_t poll;
    bool is_stubborn, is_leaving;
};

static const char *option(char **argv, struct str key, const char *otherwise)
{
    for (int i = 1; argv[i]; i++)
        if (str_starts(str_from(argv[i]), key) && argv[i][key.len] == '=')
            return argv[i] + key.len + 1;
    return otherwise;
}

/* One write(2) a line, so that the lines of several processes don't mix. */
static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
    char line[256];
    va_list args;
    ssize_t written;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    written = write(STDOUT_FILENO, line, strlen(line));
    (void)written;
}

static void on_request(void *arg, struct httpd_conn *conn, const struct httpd_request *request)
{
    char text[16];

    (void)arg;
    (void)request;
    snprintf(text, sizeof(text), "%d\n", (int)getpid());
    httpd_respond(conn, 200, STR(""), str_from(text));
}

static void end_when_idle(uv_timer_t *timer)
{
    struct child *c = container_of(timer, struct child, poll);

    if (httpd_connections(c->httpd) > 0)
        return;
    say("drained %d\n", (int)getpid());
    httpd_destroy(c->httpd, NULL, NULL);
    loop_signals_stop(&c->signals);
    proc_control_stop(&c->control);
    uv_close((uv_handle_t *)&c->poll, NULL);
}

static void leave(struct child *c)
{
    if (c->is_leaving)
        return;
    c->is_leaving = true;
    httpd_drain(c->httpd);
    uv_timer_start(&c->poll, end_when_idle, 5, 5);
}

static void on_signal(void *arg, int signum)
{
    struct child *c = arg;

    if (signum != SIGHUP && !c->is_stubborn)
        leave(c);
}

static void on_parent_gone(void *arg)
{
    say("orphaned %d\n", (int)getpid());
    leave(arg);
}

static void on_sibling_dead(void *arg, const char *incarnation)
{
    (void)arg;
    say("told %d %s\n", (int)getpid(), incarnation);
}

static int run_child(char **argv, const struct proc_child *me)
{
    struct child c = {
        .control = {.on_parent_gone = on_parent_gone, .on_sibling_dead = on_sibling_dead, .arg = &c},
        .is_stubborn = option(argv, STR("stubborn"), NULL) != NULL,
    };
    struct httpd_options options = {
        .loop = &c.loop,
        .fds = me->fds,
        .nfds = me->nfds,
        .max_head = 16 * 1024,
        .max_connections = 1000,
        .head_timeout_ms = 10000,
        .idle_timeout_ms = 60000,
        .write_timeout_ms = 10000,
        .on_request = on_request,
    };

    if (access(option(argv, STR("bad"), ""), F_OK) == 0)
        return 2;
    uv_loop_init(&c.loop);
    uv_timer_init(&c.loop, &c.poll);
    loop_signals_start(&c.signals, &c.loop, on_signal, &c);
    proc_control_start(&c.control, &c.loop, me);
    c.httpd = httpd_create(&options);
    say("ready %d %d %s\n", me->slot, (int)getpid(), me->incarnation);
    proc_child_ready(me);
    uv_run(&c.loop, UV_RUN_DEFAULT);
    loop_finish(&c.loop);
    return 0;
}

static int run_parent(char **argv)
{
    struct proc_options options = {
        .program = "test",
        .argv = argv,
        .children = atoi(option(argv, STR("children"), "2")),
        .drain_ms = atoi(option(argv, STR("drain_ms"), "5000")),
        .nfds = 1,
    };
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    struct err err;

    if (!loop_listen("127.0.0.1:0", 1024, &options.fds[0], &err)) {
        log_error("parent.start", kv_err(&err));
        return 1;
    }
    getsockname(options.fds[0], (struct sockaddr *)&name, &len);
    say("port %d\n", ntohs(name.sin_port));
    return proc_run_parent(&options);
}

int main(int argc, char **argv)
{
    struct proc_child me = proc_child();

    (void)argc;
    log_init(LOG_INFO, LOG_LOGFMT, me.is_child ? "test.child" : "test");
    return me.is_child ? run_child(argv, &me) : run_parent(argv);
}
