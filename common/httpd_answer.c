/*
 * httpd_answer.c - one answer: its head in the server's buffer, head and body in one system call.
 *
 * What the socket does not take at once is copied and waits for it; that is the rare case.
 */
#include "common/httpd_internal.h"

#include "common/json.h"
#include "common/scope.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

/* clang-format off */
static const struct { int status; const char *reason; } reasons[] = {
    {200, "OK"},                    {201, "Created"},             {202, "Accepted"},
    {204, "No Content"},            {301, "Moved Permanently"},   {302, "Found"},
    {303, "See Other"},             {304, "Not Modified"},        {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},    {400, "Bad Request"},         {401, "Unauthorized"},
    {403, "Forbidden"},             {404, "Not Found"},           {405, "Method Not Allowed"},
    {408, "Request Timeout"},       {409, "Conflict"},            {411, "Length Required"},
    {413, "Content Too Large"},     {414, "URI Too Long"},        {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},    {422, "Unprocessable Content"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},                     {500, "Internal Server Error"},
    {501, "Not Implemented"},       {502, "Bad Gateway"},         {503, "Service Unavailable"},
    {504, "Gateway Timeout"},       {505, "HTTP Version Not Supported"},
};
/* clang-format on */

static const char *reason_of(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

/* --- the head --------------------------------------------------------------------------------- */

static void put_number(struct buf *out, size_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + n % 10);
    } while ((n /= 10) > 0);
    buf_append(out, digits + at, sizeof(digits) - at);
}

/* RFC 9110 6.6.1. Made once a second. */
static struct str date_line(struct httpd *httpd)
{
    time_t now_s = time(NULL);
    struct tm utc;

    if (now_s != httpd->date_s) {
        gmtime_r(&now_s, &utc);
        strftime(httpd->date, sizeof(httpd->date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
        httpd->date_s = now_s;
    }
    return str_from(httpd->date);
}

static void put_connection(struct buf *out, const struct httpd_conn *conn)
{
    if (conn->closes)
        buf_append_str(out, STR("Connection: close\r\n"));
    else if (conn->exchange->head.minor_version == 0)
        buf_append_str(out, STR("Connection: keep-alive\r\n"));
}

static const size_t UNKNOWN_LENGTH = SIZE_MAX;

/* RFC 9110 8.6: an answer with 204 has no Content-Length; one with 304 needs none. */
static void put_head(struct httpd_conn *conn, int status, struct str headers, size_t body_len)
{
    struct buf *out = &conn->httpd->out;

    buf_clear(out);
    buf_append_str(out, STR("HTTP/1.1 "));
    put_number(out, (size_t)status);
    buf_append_char(out, ' ');
    buf_append_str(out, str_from(reason_of(status)));
    buf_append_str(out, STR("\r\nDate: "));
    buf_append_str(out, date_line(conn->httpd));
    if (status != 204 && status != 304 && body_len != UNKNOWN_LENGTH) {
        buf_append_str(out, STR("\r\nContent-Length: "));
        put_number(out, body_len);
    }
    buf_append_str(out, STR("\r\n"));
    put_connection(out, conn);
    buf_append_str(out, headers);
    buf_append_str(out, STR("\r\n"));
    assert(!out->is_full); /* headers are the handler's own and short */
}

/* --- sending ---------------------------------------------------------------------------------- */

/* What did not fit; lives until the write has ended. */
struct rest {
    uv_write_t write;
    struct httpd_conn *conn;
    size_t len;
    char bytes[];
};

static void on_written(uv_write_t *write, int status)
{
    struct rest *rest = container_of(write, struct rest, write);
    struct httpd_conn *conn = rest->conn;

    free(rest);
    if (conn->state != CONN_WRITING)
        return; /* closed meanwhile */
    if (status == 0)
        conn_answered(conn);
    else
        conn_close(conn);
}

static void write_rest(struct httpd_conn *conn, size_t sent, struct str head, struct str body)
{
    struct str left[] = {str_slice(head, sent, head.len),
                         str_slice(body, sent > head.len ? sent - head.len : 0, body.len)};
    struct rest *rest = malloc(sizeof(*rest) + left[0].len + left[1].len);
    uv_buf_t buf;

    if (!rest)
        abort();
    rest->conn = conn;
    rest->len = 0;
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        if (left[i].len)
            memcpy(rest->bytes + rest->len, left[i].ptr, left[i].len);
        rest->len += left[i].len;
    }
    buf = uv_buf_init(rest->bytes, (unsigned)rest->len);
    conn->unsent = SIZE_MAX;
    conn_enter(conn, CONN_WRITING);
    if (uv_write(&rest->write, &conn->stream, &buf, 1, on_written) != 0) {
        free(rest);
        conn_close(conn);
    }
}

/*
 * When the client has said that it will send no more, the kernel holds the answer back (MSG_MORE) until the
 * connection's end, which follows at once: both travel in one packet, and the client is woken once. Not for
 * others: bytes of theirs that we have not read make the end a reset, which would take the answer with it.
 * Returns the bytes taken, or -1.
 */
static ssize_t put_in_socket(struct httpd_conn *conn, struct iovec *parts, size_t nparts)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = nparts};
    bool is_end_near = !conn->exchange->head.keep_alive && !conn->is_misread;
    int flags = is_end_near ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
    ssize_t sent;
    uv_os_fd_t fd;

    if (uv_fileno(&conn->handle, &fd) != 0)
        return -1;
    do
        sent = nparts == 1 ? send(fd, parts->iov_base, parts->iov_len, flags) : sendmsg(fd, &message, flags);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static void send_answer(struct httpd_conn *conn, struct str head, struct str body)
{
    struct iovec parts[] = {{(char *)head.ptr, head.len}, {(char *)body.ptr, body.len}};
    ssize_t sent = put_in_socket(conn, parts, body.len > 0 ? 2 : 1);

    if (sent < 0)
        conn_close(conn);
    else if ((size_t)sent == head.len + body.len)
        conn_answered(conn);
    else
        write_rest(conn, (size_t)sent, head, body);
}

void httpd_respond(struct httpd_conn *conn, int status, struct str headers, struct str body)
{
    const struct httpd_head *head = &conn->exchange->head;
    bool has_body = head->method != HTTPD_HEAD && status != 204 && status != 304;

    if (!conn_settle(conn))
        return;
    if (conn->is_broken) {
        conn_close(conn);
        return;
    }
    conn->closes = conn->is_misread || !head->keep_alive || conn->httpd->is_draining;
    put_head(conn, status, headers, body.len);
    send_answer(conn, buf_str(&conn->httpd->out), has_body ? body : STR(""));
}

void httpd_respond_error(struct httpd_conn *conn, int status, struct str headers, const char *message)
{
    SCOPED(json_t) object = json_object();
    SCOPED_VALUE(buf) all_headers;
    SCOPED_VALUE(buf) body;

    if (!object)
        abort();
    json_put_str(object, "error", str_from(message));
    buf_init(&body, HTTPD_SCRATCH);
    json_write(object, &body);
    buf_append_char(&body, '\n');
    buf_init(&all_headers, HTTPD_SCRATCH / 2);
    buf_append_str(&all_headers, STR("Content-Type: application/json\r\n"));
    buf_append_str(&all_headers, headers);
    httpd_respond(conn, status, buf_str(&all_headers), buf_str(&body));
}

/* --- an answer without a known end ------------------------------------------------------------- */

bool httpd_stream_send(struct httpd_conn *conn, struct str bytes)
{
    uv_buf_t buf = uv_buf_init((char *)bytes.ptr, (unsigned)bytes.len);

    assert(conn->is_owed);
    if (conn->state != CONN_BUSY || conn->is_ended || conn->is_broken)
        return false;
    conn->is_broken = uv_try_write(&conn->stream, &buf, 1) != (int)bytes.len;
    return !conn->is_broken;
}

void httpd_stream_begin(struct httpd_conn *conn, struct str headers)
{
    conn->closes = true;
    put_head(conn, 200, headers, UNKNOWN_LENGTH);
    conn->is_broken = !httpd_stream_send(conn, buf_str(&conn->httpd->out));
}

void httpd_stream_end(struct httpd_conn *conn)
{
    if (!conn_settle(conn))
        return;
    if (conn->is_broken)
        conn_close(conn);
    else
        conn_answered(conn);
}

/* --- what handlers ask ------------------------------------------------------------------------ */

const struct httpd_request *httpd_request(const struct httpd_conn *conn)
{
    return &conn->exchange->request;
}

void httpd_set_data(struct httpd_conn *conn, void *data)
{
    conn->exchange->data = data;
}

void *httpd_data(const struct httpd_conn *conn)
{
    return conn->exchange->data;
}
