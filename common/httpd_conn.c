/*
 * httpd_conn.c - one connection: turns the bytes that arrive into requests for the handler.
 *
 * All connections read into one scratch buffer of the server; only a connection with a request under
 * way holds memory for it, so ten thousand idle ones cost little more than their handles. While a
 * request is being answered nothing is moved that the handler may be looking at: later bytes wait in
 * a second buffer, and after the first of them reading stops until the answer is out.
 */
#include "common/httpd_internal.h"

#include "common/loop.h"
#include "common/metrics.h"
#include "common/scope.h"

#include <string.h>
#include <sys/socket.h>

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct httpd_conn *conn = container_of(handle, struct httpd_conn, handle);

    (void)wanted;
    *buf = uv_buf_init(conn->httpd->scratch, HTTPD_SCRATCH);
}

static void fill_peer(const struct httpd_conn *conn, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out, &conn->peer, sizeof(conn->peer));
}

static void begin_request(struct httpd_conn *conn)
{
    struct exchange *x = conn->exchange;

    x->looked = x->need = x->size = 0;
    x->data = NULL;
    x->request.started_us = loop_now_us();
    conn_enter(conn, CONN_READING);
}

static void take_bytes(struct httpd_conn *conn, const char *bytes, size_t len)
{
    if (!conn->exchange)
        conn->exchange = httpd_take_exchange(conn->httpd);
    if (conn->state == CONN_IDLE)
        begin_request(conn);
    buf_append(&conn->exchange->in, bytes, len);
}

/* --- requests --------------------------------------------------------------------------------- */

/*
 * Parsing starts from the first byte each time, so it only happens when a line has ended since the
 * last look: a client that sends byte by byte costs one look a line, not one a byte.
 */
static bool is_worth_a_look(const struct httpd *httpd, const struct exchange *x)
{
    struct str fresh = str_slice(buf_str(&x->in), x->looked, x->in.len);

    if (x->in.len < x->need || fresh.len == 0)
        return false;
    return x->looked == 0 || x->need > 0 || x->in.len >= httpd->options.max_head ||
           str_find(fresh, 0, '\n') < fresh.len;
}

static void serve(struct httpd_conn *conn)
{
    struct exchange *x = conn->exchange;
    struct httpd *httpd = conn->httpd;

    x->request.head = &x->head;
    x->request.body = str_slice(buf_str(&x->in), x->head.size, x->size);
    x->request.peer = &x->peer;
    fill_peer(conn, &x->peer);
    conn->is_owed = true;
    httpd->nowed++;
    conn_enter(conn, CONN_BUSY);
    httpd->options.on_request(httpd->options.arg, conn, &x->request);
}

/* RFC 9110 10.1.1: a client that waits for leave to send its body gets it, once. */
static void wait_for_body(struct httpd_conn *conn)
{
    struct exchange *x = conn->exchange;
    struct str go_on = STR("HTTP/1.1 100 Continue\r\n\r\n");
    uv_buf_t buf = uv_buf_init((char *)go_on.ptr, (unsigned)go_on.len);

    x->need = x->size;
    if (x->head.minor_version > 0 && x->in.len == x->head.size && httpd_header(&x->head, STR("Expect")).ptr &&
        uv_try_write(&conn->stream, &buf, 1) != (int)go_on.len)
        conn_close(conn); /* a socket without room for 25 bytes before any answer */
}

/* One look at what has arrived. False when more has to arrive first. */
static bool take_request(struct httpd_conn *conn)
{
    const struct httpd_options *options = &conn->httpd->options;
    struct exchange *x = conn->exchange;
    const char *why = "";
    int status = 400;

    if (!is_worth_a_look(conn->httpd, x))
        return false;
    switch (
        httpd_parse_head(buf_str(&x->in), options->max_head, options->max_body, &x->head, &status, &why)) {
    case HTTPD_PARSE_MORE:
        x->looked = x->in.len;
        return false;
    case HTTPD_PARSE_BAD:
        conn_refuse(conn, status, why);
        return true;
    case HTTPD_PARSE_DONE:
        break;
    }
    x->size = x->head.size + (size_t)x->head.content_length;
    if (x->in.len < x->size) {
        wait_for_body(conn);
        return false;
    }
    serve(conn);
    return true;
}

/* Reads requests out of what has arrived until one waits for its answer or for more bytes. */
static void run(struct httpd_conn *conn)
{
    if (conn->is_running)
        return;
    conn->is_running = true;
    while (conn->state == CONN_READING && take_request(conn))
        ;
    conn->is_running = false;
    if (conn->is_ended && (conn->state == CONN_READING || conn->state == CONN_IDLE))
        conn_close(conn);
}

void conn_refuse(struct httpd_conn *conn, int status, const char *why)
{
    bool is_405 = status == 405;
    struct str allow =
        conn->httpd->options.max_body > 0 ? STR("Allow: GET, HEAD, POST\r\n") : STR("Allow: GET, HEAD\r\n");

    metrics_add(METRIC_HTTP_REFUSED, 1);
    conn->is_misread = true;
    conn->is_owed = true;
    conn->httpd->nowed++;
    conn_enter(conn, CONN_BUSY);
    httpd_respond_error(conn, status, is_405 ? allow : STR(""), why);
}

/* --- what arrives ----------------------------------------------------------------------------- */

static void take_end(struct httpd_conn *conn, bool is_orderly)
{
    conn->is_ended = true;
    conn->is_broken |= !is_orderly;
    uv_read_stop(&conn->stream);
    if (conn->state != CONN_BUSY && conn->state != CONN_WRITING)
        conn_close(conn);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct httpd_conn *conn = container_of(stream, struct httpd_conn, stream);

    if (nread < 0) {
        take_end(conn, nread == UV_EOF);
    } else if (conn->state == CONN_LINGER) {
        conn->lingered += (uint32_t)nread;
        if (conn->lingered > HTTPD_LINGER_BYTES)
            conn_close(conn);
    } else if (conn->state == CONN_BUSY || conn->state == CONN_WRITING) {
        buf_append(&conn->exchange->more, buf->base, (size_t)nread);
        conn->is_stopped = true;
        uv_read_stop(stream);
    } else if (nread > 0) {
        take_bytes(conn, buf->base, (size_t)nread);
        run(conn);
    }
}

static void read_on(struct httpd_conn *conn)
{
    int failed = conn->is_ended ? 0 : uv_read_start(&conn->stream, on_alloc, on_read);

    conn->is_stopped = false;
    if (failed != 0 && failed != UV_EALREADY)
        conn_close(conn);
}

void conn_start(struct httpd_conn *conn)
{
    read_on(conn);
}

/* --- what follows an answer ------------------------------------------------------------------- */

/*
 * Closing a socket that holds unread bytes resets the connection, and the reset may overtake the
 * answer. So: end our side, and read a little until the client ends its own.
 */
static void linger(struct httpd_conn *conn)
{
    uv_os_fd_t fd;

    if (conn->is_ended || uv_fileno(&conn->handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        conn_close(conn);
        return;
    }
    conn_enter(conn, CONN_LINGER);
    httpd_release_exchange(conn->httpd, TAKE(conn->exchange));
    read_on(conn);
}

void conn_answered(struct httpd_conn *conn)
{
    struct exchange *x = conn->exchange;

    if (conn->closes || conn->httpd->is_draining) {
        if (conn->is_misread || x->more.len > 0 || x->in.len > x->size)
            linger(conn);
        else
            conn_close(conn);
        return;
    }
    buf_consume(&x->in, x->size);
    buf_append_str(&x->in, buf_str(&x->more));
    buf_clear(&x->more);
    if (x->in.len > 0) {
        begin_request(conn);
    } else {
        httpd_release_exchange(conn->httpd, TAKE(conn->exchange));
        conn_enter(conn, CONN_IDLE);
    }
    if (conn->is_stopped)
        read_on(conn);
    run(conn);
}
