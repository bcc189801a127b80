/*
 * web.c - a forward proxy that is also every origin behind it, made to cost next to nothing.
 *
 *     tracer_web         prints its port; serves on 127.0.0.1 until SIGTERM
 *
 * h0.test sends to h1.test with the same path, ... h4.test to h5.test, which shows a page: five hops on, six
 * requests a trace. Where the path begins with /script, h4.test shows a page too, whose script goes on to
 * h5.test; with /late it does so after 1.5 s. Plain requests and CONNECT; without Proxy-Authorization the
 * answer is 407. What was served so far is told at /stats of any host, without credentials.
 */
#include "common/scope.h"
#include "common/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 8192, EVENTS = 256, LAST = '5' };

struct client {
    int fd;
    bool is_tunnel;
    size_t len;
    char head[HEAD_MAX];
};

static struct {
    long connections, requests, pages, refused;
} served;

static const char PAGE[] = "<!doctype html><html lang=en><head><meta charset=utf-8><title>Spring sale</title>"
                           "<meta name=viewport content=\"width=device-width\"><link rel=stylesheet "
                           "href=/style.css></head><body><h1>Spring sale"
                           "</h1><p>Everything for the garden, delivered on the next day. Seeds, pots, tools "
                           "and more than two hundred kinds of "
                           "roses.</p><p><a href=/roses>Roses</a> <a href=/tools>Tools</a></p></body></html>";

/* What h4.test shows instead of a redirect. */
static const struct {
    const char *path, *page;
} scripted[] = {
    {"/script",
     "<!doctype html><title>One moment</title><script>location.replace('http://h5.test/sale')</script>"},
    {"/late", "<!doctype html><title>One moment</title><p>Please wait.</p><script>setTimeout(() => "
              "location.replace('http://h5.test/sale'), 1500)</script>"},
};

static size_t answer_redirect(char *out, size_t size, char host, struct str path)
{
    return (size_t)snprintf(
        out, size,
        "HTTP/1.1 302 Found\r\nServer: web\r\nCache-Control: no-store\r\nContent-Length: 0\r\n"
        "Location: http://h%c.test%.*s\r\n\r\n",
        host + 1, STR_ARG(path));
}

static size_t answer_text(char *out, size_t size, const char *status, const char *type, const char *body)
{
    return (size_t)snprintf(out, size,
                            "HTTP/1.1 %s\r\nServer: web\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                            status, type, strlen(body), body);
}

/* The host's digit and the path, from an absolute URL or from a path and the Host header. */
static bool read_target(struct str head, char *host, struct str *path)
{
    size_t begin = str_find(head, 0, ' ') + 1, end = str_find(head, begin, ' ');
    struct str target = str_slice(head, begin, end);
    const char *name;

    if (str_starts(target, STR("http://"))) {
        size_t slash = str_find(target, 7, '/');

        *host = slash > 8 ? target.ptr[8] : '0';
        *path = str_slice(target, slash, target.len);
        return true;
    }
    name = memmem(head.ptr, head.len, "ost: h", 6);
    *host = name ? name[6] : '0';
    *path = target;
    return target.len > 0 && target.ptr[0] == '/';
}

/* The page of that host and path, or NULL: a redirect. */
static const char *page_at(char host, struct str path)
{
    if (host == LAST)
        return PAGE;
    for (size_t i = 0; host == LAST - 1 && i < ARRAY_LEN(scripted); i++)
        if (str_starts(path, str_from(scripted[i].path)))
            return scripted[i].page;
    return NULL;
}

static size_t answer(struct client *c, struct str head, char *out, size_t size)
{
    bool may = c->is_tunnel || memmem(head.ptr, head.len, "roxy-", 5);
    const char *page;
    struct str path;
    char host, text[128];

    if (str_starts(head, STR("CONNECT "))) {
        c->is_tunnel = may;
        return (size_t)snprintf(out, size, "HTTP/1.1 %s\r\n\r\n", may ? "200 Go on" : "403 Who are you?");
    }
    if (!read_target(head, &host, &path))
        return answer_text(out, size, "400 Bad Request", "text/plain", "");
    if (str_equal(path, STR("/stats"))) {
        snprintf(text, sizeof(text), "connections=%ld requests=%ld pages=%ld refused=%ld", served.connections,
                 served.requests, served.pages, served.refused);
        return answer_text(out, size, "200 OK", "text/plain", text);
    }
    served.requests++;
    served.refused += !may;
    if (!may)
        return answer_text(out, size, "407 Who are you?\r\nProxy-Authenticate: Basic realm=web", "text/plain",
                           "");
    if (str_equal(path, STR("/style.css")))
        return answer_text(out, size, "200 OK", "text/css", "h1 { color: green }");
    served.pages += host == LAST;
    page = page_at(host, path);
    return page ? answer_text(out, size, "200 OK", "text/html; charset=utf-8", page)
                : answer_redirect(out, size, host, path);
}

static void drop(struct client *c)
{
    close(c->fd);
    free(c);
}

/* Answers what is complete; false when the client is to be dropped. */
static bool serve(struct client *c)
{
    char out[HEAD_MAX + 1024];
    char *end;

    while ((end = memmem(c->head, c->len, "\r\n\r\n", 4))) {
        size_t used = (size_t)(end - c->head) + 4;
        size_t len = answer(c, (struct str){c->head, used}, out, sizeof(out));

        if (send(c->fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
            return false;
        if (memmem(c->head, used, "Connection: close", 17))
            return false;
        c->len -= used;
        memmove(c->head, c->head + used, c->len);
    }
    return c->len < HEAD_MAX;
}

static void on_readable(struct client *c)
{
    ssize_t n = recv(c->fd, c->head + c->len, HEAD_MAX - c->len, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    c->len += (size_t)n;
    if (!serve(c))
        drop(c);
}

static void on_connections(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *c = calloc(1, sizeof(*c));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        int on = 1;

        if (!c)
            abort();
        c->fd = fd;
        served.connections++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    int listener = listen_somewhere(), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};

    if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        return 1;
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_readable(events[i].data.ptr);
            else
                on_connections(epoll, listener);
        }
    }
}
