/*
 * relay_conn.c - one connection of Chromium: its head, the way out, and the bytes both ways.
 *
 * A CONNECT becomes a tunnel that ends with either side. A plain request is one request: its answer is
 * passed on until the far side closes, and whatever Chromium would send after it ends the connection, so
 * that nothing leaves here unread and unjudged. Each direction holds at most one piece in flight, so a slow
 * reader slows its writer and costs no memory.
 */
#include "worker/browser/relay_internal.h"

#include "common/loop.h"

#include <stdio.h>
#include <string.h>

enum { HEAD_MAX = 256 * 1024, OUT_MAX = 512 * 1024, FIRST_BYTES = 12, URL_ARENA = 1024 * 1024 };

static const char CHALLENGE[] = "HTTP/1.1 407 Proxy Authentication Required\r\n"
                                "Proxy-Authenticate: Basic realm=\"trace\"\r\nContent-Length: 0\r\n\r\n";
static const char ESTABLISHED[] = "HTTP/1.1 200 Connection established\r\n\r\n";
static const char REFUSED[] = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

struct write {
    uv_write_t request;
    struct relay_conn *conn;
    char bytes[];
};

static void pump_up(struct relay_conn *c);
static void pump_down(struct relay_conn *c);
static void watch(struct relay_conn *c);

/* --- the end -------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct relay_conn *c = handle->data;
    struct relay *r = c->relay;

    if (--c->open_handles > 0)
        return;
    buf_finish(&c->in);
    buf_finish(&c->out);
    free(c->url);
    free(c);
    relay_handle_closed(r);
}

void relay_conn_close(struct relay_conn *c)
{
    if (c->state == RELAY_CLOSED)
        return;
    c->state = RELAY_CLOSED;
    c->pass = NULL;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    if (c->has_upstream)
        uv_close((uv_handle_t *)&c->upstream, on_closed);
    if (c->easy) {
        curl_loop_remove(c->relay->wire, c->easy);
        curl_easy_cleanup(c->easy);
        c->easy = NULL;
    }
    uv_close((uv_handle_t *)&c->client, on_closed);
}

/* --- to Chromium ---------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
    struct write *w = container_of(request, struct write, request);
    struct relay_conn *c = w->conn;

    free(w);
    c->is_writing = false;
    if (c->state == RELAY_CLOSED)
        return;
    if (status != 0 || c->is_ending)
        relay_conn_close(c);
    else if (c->state == RELAY_PIPING) {
        pump_down(c);
        watch(c);
    }
}

static void write_client(struct relay_conn *c, struct str bytes)
{
    struct write *w = malloc(sizeof(*w) + bytes.len);
    uv_buf_t buf;

    if (!w)
        abort();
    w->conn = c;
    memcpy(w->bytes, bytes.ptr, bytes.len);
    buf = uv_buf_init(w->bytes, (unsigned)bytes.len);
    c->is_writing = true;
    if (uv_write(&w->request, (uv_stream_t *)&c->client, &buf, 1, on_written) != 0) {
        free(w);
        relay_conn_close(c);
    }
}

/* Tells the trace, and Chromium: a tunnel gets an answer; a page must not look as if it had one. */
static void fail(struct relay_conn *c, const struct err *err)
{
    struct relay_pass *pass = c->pass;

    pass->options.on_failure(pass->options.arg, str_from(c->url ? c->url : ""), err);
    if (c->state == RELAY_CLOSED) /* the trace has given up */
        return;
    if (!c->head.is_connect || c->state == RELAY_PIPING)
        return relay_conn_close(c);
    c->is_ending = true;
    write_client(c, str_from(REFUSED));
}

/* --- from the far side ---------------------------------------------------------------------------------- */

static void count_bytes(struct relay_conn *c, size_t n)
{
    c->pass->bytes += (int64_t)n;
    if (c->pass->proxy_ms < 0)
        c->pass->proxy_ms = loop_now_ms() - c->pass->opened_ms;
}

/*
 * The beginning of a plain answer is held back until it is clear that it is no 407 of the real proxy, which
 * Chromium would take for the relay's own. False when the connection is gone.
 */
static bool judge_first(struct relay_conn *c, struct str piece)
{
    struct err err;

    if (!c->pass->options.request->proxy.scheme.len || !str_equal(str_slice(piece, 8, 12), STR(" 407")))
        return true;
    err_set(&err, ERR_PROXY_AUTH, "through %.*s:%d: 407, credentials refused",
            STR_ARG(c->pass->options.request->proxy.host), c->pass->options.request->proxy.port);
    fail(c, &err);
    return false;
}

/* One piece at a time: the next is read when this one is written. */
static void pump_down(struct relay_conn *c)
{
    size_t n = 0;
    CURLcode code;

    if (c->is_writing)
        return;
    code = curl_easy_recv(c->easy, c->piece + c->held, sizeof(c->piece) - c->held, &n);
    if (code == CURLE_AGAIN)
        return;
    if (code != CURLE_OK || n == 0)
        return relay_conn_close(c);
    count_bytes(c, n);
    c->held += n;
    if (!c->is_judged && !c->head.is_connect && c->held < FIRST_BYTES)
        return;
    n = c->held;
    c->held = 0;
    if (c->is_judged || c->head.is_connect || judge_first(c, (struct str){c->piece, n}))
        write_client(c, (struct str){c->piece, n});
    c->is_judged = true;
}

/* --- to the far side ------------------------------------------------------------------------------------ */

static void on_upstream(uv_poll_t *poll, int status, int events);

static void watch(struct relay_conn *c)
{
    int events = (c->is_writing ? 0 : UV_READABLE) | (c->out_sent < c->out.len ? UV_WRITABLE : 0);

    if (c->state == RELAY_PIPING)
        uv_poll_start(&c->upstream, events, on_upstream);
}

static void send_out(struct relay_conn *c)
{
    while (c->out_sent < c->out.len) {
        size_t n = 0;
        CURLcode code = curl_easy_send(c->easy, c->out.data + c->out_sent, c->out.len - c->out_sent, &n);

        if (code == CURLE_AGAIN)
            return;
        if (code != CURLE_OK)
            return relay_conn_close(c);
        c->out_sent += n;
    }
    buf_clear(&c->out);
    c->out_sent = 0;
}

static void on_upstream(uv_poll_t *poll, int status, int events)
{
    struct relay_conn *c = container_of(poll, struct relay_conn, upstream);

    if (status != 0 || (events & UV_READABLE))
        pump_down(c);
    if (c->state == RELAY_PIPING && (events & UV_WRITABLE))
        pump_up(c);
    watch(c);
}

static void allocate(uv_handle_t *handle, size_t wanted, uv_buf_t *buf);
static void on_client(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* Moves what Chromium sent towards the far side, and stops reading from it while that is full. */
static void pump_up(struct relay_conn *c)
{
    size_t take = c->in.len;

    if (!c->head.is_connect && (int64_t)take > c->body_left)
        return relay_conn_close(c); /* a second request, which nobody has read */
    c->body_left -= c->head.is_connect ? 0 : (int64_t)take;
    buf_append_str(&c->out, buf_str(&c->in));
    buf_clear(&c->in);
    send_out(c);
    if (c->state != RELAY_PIPING)
        return;
    if (c->out_sent < c->out.len)
        uv_read_stop((uv_stream_t *)&c->client);
    else
        uv_read_start((uv_stream_t *)&c->client, allocate, on_client);
}

static void start_piping(struct relay_conn *c)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    struct err err;

    curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD || uv_poll_init_socket(c->relay->loop, &c->upstream, fd) != 0) {
        err_set(&err, ERR_INTERNAL, "the connection has no socket");
        return fail(c, &err);
    }
    c->upstream.data = c;
    c->has_upstream = true;
    c->open_handles++;
    c->state = RELAY_PIPING;
    if (c->head.is_connect) {
        count_bytes(c, 0);
        write_client(c, str_from(ESTABLISHED));
    }
    pump_up(c);
    if (c->state == RELAY_PIPING)
        watch(c);
}

void relay_conn_dialled(struct relay_conn *c, CURLcode code)
{
    struct err err;

    c->is_dialling = false;
    if (code == CURLE_OK)
        return start_piping(c);
    relay_explain(c, code, &err);
    fail(c, &err);
}

/* --- the head ------------------------------------------------------------------------------------------- */

static bool identify(struct relay_conn *c)
{
    struct buf pair = {.max = 256};
    struct str rest, user;

    if (c->head.authorization.ptr && relay_head_credentials(c->head.authorization, &pair)) {
        rest = buf_str(&pair);
        str_cut(&rest, ':', &user);
        c->pass = relay_find_pass(c->relay, user, rest);
    }
    buf_finish(&pair);
    return c->pass != NULL;
}

/* The URL that is asked for; a CONNECT's is that of the origin's first page. */
static bool read_target(struct relay_conn *c, struct arena *a, struct url *target, struct err *err)
{
    struct str text = c->head.target;

    if (c->head.is_connect)
        text = str_from(arena_printf(a, "https://%.*s/", STR_ARG(text)));
    if (!url_parse(a, text, NULL, target, err))
        return false;
    c->url = strndup(target->href.ptr, target->href.len);
    return c->url || (abort(), false);
}

/* An http proxy wants the whole URL; a target that we talk to ourselves wants its path. */
static bool write_request(struct relay_conn *c, const struct url *target, struct err *err)
{
    const struct trace_proxy *proxy = &c->pass->options.request->proxy;
    bool is_http_proxy = str_starts(proxy->scheme, STR("http"));
    struct str none = {"", 0}, line = c->head.target;

    if (c->head.is_connect)
        return true;
    if (!is_http_proxy)
        line = str_slice(target->href, (size_t)(target->path.ptr - target->href.ptr), target->href.len);
    c->body_left = c->head.body_length;
    return relay_head_write(&c->head, line, is_http_proxy ? proxy->user : none,
                            is_http_proxy ? proxy->password : none, &c->out) ||
           err_set(err, ERR_TOO_BIG, "a request head of %zu bytes", c->head.size);
}

static bool go_out(struct relay_conn *c, struct err *err)
{
    SCOPED_VALUE(arena) a = {.ceiling = URL_ARENA};
    struct guard_policy policy = {.allow_private = c->pass->options.request->allow_private};
    struct url target;

    if (!read_target(c, &a, &target, err) || !guard_allows_hop(&target, &policy, err) ||
        !write_request(c, &target, err))
        return false;
    c->state = RELAY_DIALLING;
    return relay_dial(c, &target, err);
}

static void take_head(struct relay_conn *c)
{
    struct err err;

    if (!identify(c)) {
        buf_consume(&c->in, c->head.size);
        if (c->in.len) /* Chromium waits for the challenge's answer before it sends more */
            return relay_conn_close(c);
        return write_client(c, str_from(CHALLENGE));
    }
    uv_read_stop((uv_stream_t *)&c->client);
    if (!go_out(c, &err))
        return fail(c, &err);
    buf_consume(&c->in, c->head.size); /* the head's views are not looked at any more */
}

static void on_head_bytes(struct relay_conn *c)
{
    switch (relay_head_parse(buf_str(&c->in), HEAD_MAX, &c->head)) {
    case RELAY_MORE:
        break;
    case RELAY_HEAD:
        take_head(c);
        break;
    case RELAY_BAD:
        relay_conn_close(c);
        break;
    }
}

static void allocate(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    static char bytes[16 * 1024]; /* copied before the loop goes on */

    (void)handle;
    (void)wanted;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_client(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct relay_conn *c = container_of((uv_tcp_t *)stream, struct relay_conn, client);

    if (n == 0)
        return;
    if (n < 0 || !buf_append(&c->in, buf->base, (size_t)n))
        return relay_conn_close(c);
    if (c->state == RELAY_READING)
        on_head_bytes(c);
    else if (c->state == RELAY_PIPING) {
        pump_up(c);
        if (c->state == RELAY_PIPING)
            watch(c);
    }
}

void relay_conn_accept(struct relay *r)
{
    struct relay_conn *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->relay = r;
    c->next = r->conns;
    c->link = &r->conns;
    if (r->conns)
        r->conns->link = &c->next;
    r->conns = c;
    buf_init(&c->in, HEAD_MAX + 64 * 1024);
    buf_init(&c->out, OUT_MAX);
    uv_tcp_init(r->loop, &c->client);
    c->client.data = c;
    c->open_handles = 1;
    r->open_handles++;
    if (uv_accept((uv_stream_t *)&r->listener, (uv_stream_t *)&c->client) != 0 ||
        uv_read_start((uv_stream_t *)&c->client, allocate, on_client) != 0)
        return relay_conn_close(c);
    uv_tcp_nodelay(&c->client, 1); /* else the last piece of an answer waits 40 ms for Chromium's late ACK */
}
