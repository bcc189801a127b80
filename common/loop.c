/*
 * loop.c - clocks, signals, the last close of a loop, and listening sockets.
 */
#include "common/loop.h"

#include "common/scope.h"
#include "common/str.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t loop_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t loop_now_ms(void)
{
    return loop_now_us() / 1000;
}

int64_t loop_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- signals --------------------------------------------------------------------------------- */

static void on_uv_signal(uv_signal_t *handle, int signum)
{
    struct loop_signals *s = handle->data;

    s->on_signal(s->arg, signum);
}

static void start_signal(struct loop_signals *s, uv_signal_t *handle, uv_loop_t *loop, int signum)
{
    int failed = uv_signal_init(loop, handle);

    assert(failed == 0);
    handle->data = s;
    failed = uv_signal_start(handle, on_uv_signal, signum);
    assert(failed == 0);
    uv_unref((uv_handle_t *)handle);
}

void loop_signals_start(struct loop_signals *s, uv_loop_t *loop, void (*on_signal)(void *, int), void *arg)
{
    signal(SIGPIPE, SIG_IGN);
    s->on_signal = on_signal;
    s->arg = arg;
    start_signal(s, &s->term, loop, SIGTERM);
    start_signal(s, &s->interrupt, loop, SIGINT);
    start_signal(s, &s->hup, loop, SIGHUP);
}

void loop_signals_stop(struct loop_signals *s)
{
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
    uv_close((uv_handle_t *)&s->hup, NULL);
}

/* --- the end of a loop ------------------------------------------------------------------------ */

static void count_closing(uv_handle_t *handle, void *arg)
{
    if (uv_is_closing(handle))
        ++*(int *)arg;
}

void loop_init(uv_loop_t *loop)
{
    int status = uv_loop_init(loop);

    if (status == 0)
        return;
    fprintf(stderr, "no event loop: %s (see ulimit -n)\n", uv_strerror(status));
    abort();
}

void loop_finish(uv_loop_t *loop)
{
    while (uv_loop_close(loop) == UV_EBUSY) {
        int closing = 0;

        uv_walk(loop, count_closing, &closing);
        /* Neither a close nor a request is under way: somebody forgot a handle, and waiting won't help. */
        assert(closing > 0 || loop->active_reqs.count > 0);
        uv_run(loop, UV_RUN_ONCE);
    }
}

/* --- addresses -------------------------------------------------------------------------------- */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    };
    socklen_t len;
    bool is_wildcard; /* ":PORT": every address of both families */
};

static bool parse_unix(struct str path, struct address *out)
{
    if (path.len == 0 || path.len >= sizeof(out->un.sun_path) || memchr(path.ptr, 0, path.len))
        return false;
    out->un.sun_family = AF_UNIX;
    memcpy(out->un.sun_path, path.ptr, path.len);
    out->un.sun_path[path.len] = '\0';
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    return true;
}

static bool parse_port(struct str text, in_port_t *port)
{
    int64_t value;

    if (!str_to_int(text, &value) || value > 65535)
        return false;
    *port = htons((uint16_t)value);
    return true;
}

static bool parse_host(struct str host, in_port_t port, struct address *out)
{
    char text[INET6_ADDRSTRLEN + 1];
    bool is_v6 = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

    if (is_v6)
        host = str_slice(host, 1, host.len - 1);
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (is_v6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = port;
        out->len = sizeof(out->v6);
        return inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = port;
    out->len = sizeof(out->v4);
    return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1;
}

static bool parse_address(struct str text, struct address *out)
{
    struct str prefix = STR("unix:"), host;
    size_t colon = text.len;
    in_port_t port;

    memset(out, 0, sizeof(*out));
    if (str_starts(text, prefix))
        return parse_unix(str_slice(text, prefix.len, text.len), out);
    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0 || !parse_port(str_slice(text, colon, text.len), &port))
        return false;
    host = str_slice(text, 0, colon - 1);
    if (host.len == 0) {
        out->is_wildcard = true;
        host = STR("[::]");
    }
    return parse_host(host, port, out);
}

bool loop_is_local_address(const char *address)
{
    struct address a;

    if (!parse_address(str_from(address), &a))
        return false;
    if (a.any.sa_family == AF_UNIX)
        return true;
    if (a.any.sa_family == AF_INET)
        return (ntohl(a.v4.sin_addr.s_addr) >> 24) == 127;
    if (IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr))
        return a.v6.sin6_addr.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr);
}

/* --- listening -------------------------------------------------------------------------------- */

/* A socket file that nobody listens on is what a killed process left behind. */
static void remove_stale_unix(const struct address *a)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (probe < 0)
        return;
    if (connect(probe, &a->any, a->len) != 0 && errno == ECONNREFUSED)
        unlink(a->un.sun_path);
    close(probe);
}

/* Nagle's delay is switched off here because accepted sockets inherit it, at no further system call. */
static int open_socket(const struct address *a, int backlog)
{
    int on = 1, off = 0, saved;
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (a->any.sa_family == AF_UNIX) {
        remove_stale_unix(a);
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (a->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, a->is_wildcard ? &off : &on, sizeof(on));
    if (bind(fd, &a->any, a->len) == 0 && listen(fd, backlog) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* A machine without IPv6 still has every IPv4 address. */
static int open_wildcard(const struct address *both, int backlog)
{
    struct address v4 = {.len = sizeof(v4.v4)};
    int fd = open_socket(both, backlog);

    if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    v4.v4.sin_family = AF_INET;
    v4.v4.sin_port = both->v6.sin6_port;
    return open_socket(&v4, backlog);
}

bool loop_listen(const char *address, int backlog, int *fd, struct err *err)
{
    struct address a;
    int opened;

    if (!parse_address(str_from(address), &a))
        return err_set(
            err, ERR_BAD_SETTING,
            "listen on \"%s\": wanted ADDRESS:PORT, [V6]:PORT, :PORT or unix:/path, without host names",
            address);
    opened = a.is_wildcard ? open_wildcard(&a, backlog) : open_socket(&a, backlog);
    if (opened < 0)
        return err_set(err, ERR_IO, "listen on %s: %s", address, strerror(errno));
    *fd = opened;
    return true;
}
