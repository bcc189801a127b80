/*
 * httpd.h - a strict HTTP/1.1 server for short answers, on a libuv loop.
 *
 * Reads request heads by RFC 9112 with every leniency taken away: CRLF only, no folding, no chunked
 * bodies, one Host, token characters only, one Content-Length, origin-form targets of visible ASCII;
 * every doubt is 400 and close. Methods GET, HEAD and POST; POST needs Content-Length up to max_body.
 * Anything else is 405 (501 for what is no method at all). Limits in bytes and time on everything;
 * pipelined requests are answered in order.
 *
 * The pure head parser is httpd_parse_head (fuzzed, and compared with nginx and llhttp in a test).
 */
#ifndef TRACEPOOL_COMMON_HTTPD_H
#define TRACEPOOL_COMMON_HTTPD_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

enum { HTTPD_MAX_HEADERS = 64 };

enum httpd_method { HTTPD_GET, HTTPD_HEAD, HTTPD_POST, HTTPD_OTHER };

struct httpd_header {
    struct str name;  /* as sent */
    struct str value; /* without surrounding blanks */
};

struct httpd_head {
    enum httpd_method method;
    struct str method_text;
    struct str target; /* as sent */
    struct str path;   /* target up to '?', not decoded */
    struct str query;  /* behind '?', raw; ptr NULL when there is no '?' */
    struct httpd_header headers[HTTPD_MAX_HEADERS];
    int nheaders;
    int minor_version; /* HTTP/1.x */
    bool keep_alive;
    int64_t content_length; /* 0 when there is none */
    size_t size;            /* bytes of the head, the empty line included */
};

enum httpd_parse { HTTPD_PARSE_MORE, HTTPD_PARSE_DONE, HTTPD_PARSE_BAD };
/*
 * Reads one head from the start of bytes. Views point into bytes. HTTPD_PARSE_BAD sets *status to the
 * answer (400, 405, 411, 413, 414, 417, 431, 501, 505) and *why to a static sentence. Works on any bytes.
 */
enum httpd_parse httpd_parse_head(struct str bytes, size_t max_head, int64_t max_body,
                                  struct httpd_head *head, int *status, const char **why);
/* The value of the first header of that name, or an empty view with ptr NULL. Case does not matter. */
struct str httpd_header(const struct httpd_head *head, struct str name);

struct httpd;
struct httpd_conn;

struct httpd_request {
    const struct httpd_head *head;
    struct str body;
    const struct sockaddr_storage *peer; /* ss_family AF_UNIX for a unix socket */
    int64_t started_us;                  /* loop_now_us() when its first byte was read */
};

struct httpd_options {
    uv_loop_t *loop;
    const int *fds; /* listening sockets (loop_listen); the server closes its copies */
    int nfds;
    size_t max_head;          /* bytes; 16 KiB */
    int64_t max_body;         /* bytes; 0: POST is 405 */
    int max_connections;      /* above it, the longest idle one is closed first */
    int64_t head_timeout_ms;  /* first byte to the end of the body */
    int64_t idle_timeout_ms;  /* between requests */
    int64_t write_timeout_ms; /* for a client that reads nothing of its answer */
    void *arg;
    /*
     * One complete request. The handler answers with httpd_respond, now or later; request and what it
     * points to stay valid until then. The connection object too, even when the client has gone.
     */
    void (*on_request)(void *arg, struct httpd_conn *conn, const struct httpd_request *request);
};

struct httpd *httpd_create(const struct httpd_options *options);
/*
 * Closes the listening copies at once, busy connections after their answer, and idle ones a second
 * later, because a request may be on its way on them. It is over when httpd_connections is 0.
 */
void httpd_drain(struct httpd *httpd);
/* Drains, but closes busy connections too. on_closed when the last handle is gone; may be NULL. */
void httpd_destroy(struct httpd *httpd, void (*on_closed)(void *arg), void *arg);
int httpd_connections(const struct httpd *httpd);

/*
 * Answers. headers is complete header lines, each with CRLF, or an empty view; Content-Length,
 * Connection and Date are added. A HEAD request gets the same head and no body. Bytes are copied.
 */
void httpd_respond(struct httpd_conn *conn, int status, struct str headers, struct str body);
/* {"error": message} with that status, as application/json. */
void httpd_respond_error(struct httpd_conn *conn, int status, struct str headers, const char *message);

/*
 * An answer without a known end, such as an event stream: 200 and the head now, bytes as they come, the end
 * by closing. In place of httpd_respond, and only by GET. A handler that has begun a stream ends it, also
 * when the client is gone.
 */
void httpd_stream_begin(struct httpd_conn *conn, struct str headers);
/* False: the client is gone, or does not read what it gets. Never waits; all or nothing is sent. */
NODISCARD bool httpd_stream_send(struct httpd_conn *conn, struct str bytes);
void httpd_stream_end(struct httpd_conn *conn);
/* The request being answered. */
const struct httpd_request *httpd_request(const struct httpd_conn *conn);
/* Something of the handler's, kept with the connection until it answers. */
void httpd_set_data(struct httpd_conn *conn, void *data);
void *httpd_data(const struct httpd_conn *conn);

#endif
