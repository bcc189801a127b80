/*
 * httpd.c - the server: accepts connections, keeps their deadlines, drains and ends.
 *
 * One timer serves all connections: it looks at the first of each list, which is the next to run out
 * of time, and it stands still while there is no connection at all.
 */
#include "common/httpd_internal.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/scope.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>

enum { BACKLOG = 4096, SWEEP_MIN_MS = 10, SWEEP_MAX_MS = 1000, DRAIN_IDLE_MS = 1000, DRAIN_SWEEP_MS = 50 };

/* --- deadlines -------------------------------------------------------------------------------- */

/* Milliseconds a connection may stay in a state; 0: no limit. */
static int64_t limit_ms(const struct httpd *httpd, enum conn_state state)
{
    switch (state) {
    case CONN_IDLE:
        return httpd->is_draining ? DRAIN_IDLE_MS : httpd->options.idle_timeout_ms;
    case CONN_READING:
        return httpd->options.head_timeout_ms;
    case CONN_WRITING:
        return httpd->options.write_timeout_ms;
    case CONN_LINGER:
        return HTTPD_LINGER_MS;
    case CONN_BUSY:
    case CONN_CLOSED:
    case CONN_STATES:
        break;
    }
    return 0;
}

/* A slow reader is no dead one: what counts is whether it has read anything since the last look. */
static bool reads_on(struct httpd_conn *conn)
{
    size_t unsent = uv_stream_get_write_queue_size(&conn->stream);
    uv_os_fd_t fd;
    int in_kernel;
    bool is_less;

    if (uv_fileno(&conn->handle, &fd) == 0 && ioctl(fd, SIOCOUTQ, &in_kernel) == 0)
        unsent += (size_t)in_kernel;
    is_less = unsent < conn->unsent;
    conn->unsent = unsent;
    return is_less;
}

static void expire(struct httpd_conn *conn)
{
    if (conn->state == CONN_READING)
        conn_refuse(conn, 408, "the request took too long");
    else if (conn->state == CONN_WRITING && reads_on(conn))
        conn_enter(conn, CONN_WRITING);
    else
        conn_close(conn);
}

static void on_sweep(uv_timer_t *timer)
{
    struct httpd *httpd = container_of(timer, struct httpd, sweep);
    int64_t now = (int64_t)uv_now(httpd->options.loop);

    for (enum conn_state state = 0; state < CONN_CLOSED; state++) {
        int64_t limit = limit_ms(httpd, state);
        struct httpd_conn *conn;

        while (limit > 0 && (conn = httpd_first(httpd, state)) != NULL && now - conn->since_ms >= limit)
            expire(conn);
    }
}

static uint64_t sweep_interval(const struct httpd *httpd)
{
    int64_t least = HTTPD_LINGER_MS;

    for (enum conn_state state = 0; state < CONN_CLOSED; state++) {
        int64_t limit = limit_ms(httpd, state);

        if (limit > 0 && limit < least)
            least = limit;
    }
    least /= 4;
    return (uint64_t)(least < SWEEP_MIN_MS ? SWEEP_MIN_MS : least > SWEEP_MAX_MS ? SWEEP_MAX_MS : least);
}

/* --- accepting -------------------------------------------------------------------------------- */

static void read_peer(struct httpd_conn *conn, sa_family_t family)
{
    int len = sizeof(conn->peer);

    conn->peer.family = family;
    if (family != AF_UNIX && uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&conn->peer, &len) != 0)
        conn->is_broken = true;
}

/* Too many: first who only waits for a goodbye, then the longest idle, the slowest to ask, to read. */
static bool make_room(struct httpd *httpd)
{
    static const enum conn_state order[] = {CONN_LINGER, CONN_IDLE, CONN_READING, CONN_WRITING};

    for (size_t i = 0; i < ARRAY_LEN(order) && httpd->nconnections >= httpd->options.max_connections; i++) {
        struct httpd_conn *victim = httpd_first(httpd, order[i]);

        if (victim) {
            metrics_add(METRIC_HTTP_CROWDED_OUT, 1);
            conn_close(victim);
        }
    }
    return httpd->nconnections < httpd->options.max_connections;
}

static struct httpd_conn *create_conn(struct httpd *httpd, sa_family_t family)
{
    struct httpd_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        abort();
    conn->httpd = httpd;
    conn->link.before = conn->link.after = &conn->link;
    if (family == AF_UNIX)
        uv_pipe_init(httpd->options.loop, &conn->pipe, 0);
    else
        uv_tcp_init(httpd->options.loop, &conn->tcp);
    if (httpd->nconnections++ == 0)
        uv_timer_start(&httpd->sweep, on_sweep, httpd->sweep_ms, httpd->sweep_ms);
    httpd->open_handles++;
    metrics_add(METRIC_HTTP_CONNECTIONS, 1);
    conn_enter(conn, CONN_IDLE);
    return conn;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = container_of(stream, struct listener, stream);
    static struct log_gate gate;
    bool has_room = make_room(listener->httpd);
    struct httpd_conn *conn;

    if (status < 0) {
        if (log_gate_opens(&gate))
            log_warn("http.accept", kv("error", uv_strerror(status)), kv("times", gate.held_back + 1));
        return;
    }
    conn = create_conn(listener->httpd, listener->family);
    if (uv_accept(stream, &conn->stream) == 0)
        read_peer(conn, listener->family);
    else
        conn->is_broken = true;
    if (!has_room)
        metrics_add(METRIC_HTTP_CROWDED_OUT, 1);
    if (!has_room || conn->is_broken)
        conn_close(conn);
    else
        conn_start(conn);
}

/* --- the server ------------------------------------------------------------------------------- */

/* As where there is no event loop (loop_init): whoever started this process hears why, and starts another. */
static void need(bool is_done, const char *what)
{
    if (is_done)
        return;
    fprintf(stderr, "cannot listen: %s: %s (see ulimit -n)\n", what, strerror(errno));
    abort();
}

static void start_listener(struct httpd *httpd, struct listener *listener, int fd)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(name);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3), on = 1, failed;

    need(copy >= 0, "dup");
    need(getsockname(copy, (struct sockaddr *)&name, &len) == 0, "getsockname");
    listener->httpd = httpd;
    listener->family = name.ss_family;
    if (listener->family == AF_UNIX) {
        uv_pipe_init(httpd->options.loop, &listener->pipe, 0);
        failed = uv_pipe_open(&listener->pipe, copy);
    } else {
        setsockopt(copy, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* accepted sockets inherit it */
        uv_tcp_init(httpd->options.loop, &listener->tcp);
        failed = uv_tcp_open(&listener->tcp, copy);
    }
    need(failed == 0, "socket");
    httpd->open_handles++;
    need(uv_listen(&listener->stream, BACKLOG, on_connection) == 0, "listen");
}

struct httpd *httpd_create(const struct httpd_options *options)
{
    struct httpd *httpd = calloc(1, sizeof(*httpd));

    if (!httpd)
        abort();
    httpd->options = *options;
    httpd->scratch = malloc(HTTPD_SCRATCH);
    httpd->listeners = calloc((size_t)options->nfds + 1, sizeof(*httpd->listeners));
    if (!httpd->scratch || !httpd->listeners)
        abort();
    buf_init(&httpd->out, HTTPD_SCRATCH);
    for (int i = 0; i < CONN_STATES; i++)
        httpd->lists[i].before = httpd->lists[i].after = &httpd->lists[i];
    httpd->sweep_ms = sweep_interval(httpd);
    uv_timer_init(options->loop, &httpd->sweep);
    uv_unref((uv_handle_t *)&httpd->sweep);
    httpd->open_handles = 1;
    for (int i = 0; i < options->nfds; i++)
        start_listener(httpd, &httpd->listeners[i], options->fds[i]);
    httpd->nlisteners = options->nfds;
    return httpd;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *listener = container_of(handle, struct listener, handle);

    listener->httpd->open_handles--;
    httpd_end_if_over(listener->httpd);
}

/*
 * Who is idle now may have a request on its way, above all who has just been accepted. So idle
 * connections get a moment more; whoever asks in it is answered, and told that this was the last one.
 */
void httpd_drain(struct httpd *httpd)
{
    struct conn_link *list = &httpd->lists[CONN_IDLE];

    if (httpd->is_draining)
        return;
    httpd->is_draining = true;
    for (int i = 0; i < httpd->nlisteners; i++)
        uv_close(&httpd->listeners[i].handle, on_listener_closed);
    httpd->nlisteners = 0;
    for (struct conn_link *link = list->after; link != list; link = link->after)
        container_of(link, struct httpd_conn, link)->since_ms = (int64_t)uv_now(httpd->options.loop);
    if (httpd->nconnections > 0)
        uv_timer_start(&httpd->sweep, on_sweep, DRAIN_SWEEP_MS, DRAIN_SWEEP_MS);
}

static void on_sweep_closed(uv_handle_t *handle)
{
    struct httpd *httpd = container_of((uv_timer_t *)handle, struct httpd, sweep);

    httpd->open_handles--;
    httpd_end_if_over(httpd);
}

void httpd_destroy(struct httpd *httpd, void (*on_closed)(void *), void *arg)
{
    struct httpd_conn *conn;

    assert(!httpd->is_destroyed);
    httpd_drain(httpd);
    httpd->is_destroyed = true;
    httpd->on_closed = on_closed;
    httpd->on_closed_arg = arg;
    for (enum conn_state state = 0; state < CONN_CLOSED; state++)
        while ((conn = httpd_first(httpd, state)) != NULL)
            conn_close(conn);
    uv_close((uv_handle_t *)&httpd->sweep, on_sweep_closed);
}

int httpd_connections(const struct httpd *httpd)
{
    return httpd->nconnections;
}
