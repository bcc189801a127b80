/*
 * curl_loop.c - sockets, the one timer, and transfers that have ended.
 */
#include "common/curl_loop.h"

#include <pthread.h>

struct curl_loop {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    curl_loop_done_cb done;
    long connections, kept; /* 0: libcurl's own limits */
    int open_handles;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *arg;
};

struct watch {
    uv_poll_t poll;
    struct curl_loop *owner;
    curl_socket_t fd;
};

static void global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

static void handle_closed(struct curl_loop *c)
{
    if (--c->open_handles > 0)
        return;
    if (c->on_closed)
        c->on_closed(c->arg);
    free(c);
}

/* Whoever is told may end other transfers, or all of this: nothing is kept over the call. */
static void take_ended(struct curl_loop *c)
{
    CURLMsg *message;
    int left;

    while (c->multi && (message = curl_multi_info_read(c->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        void *owner = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&owner);
        c->done(owner, easy, code);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = container_of(poll, struct watch, poll);
    struct curl_loop *c = watch->owner;
    int flags = 0, running;

    /* A reset: libuv says no more than that, but an answer that came before it is still to be read. */
    if (status < 0)
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(c->multi, watch->fd, flags, &running);
    take_ended(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct curl_loop *c = container_of(timer, struct curl_loop, timer);
    int running;

    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(c);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = container_of((uv_poll_t *)handle, struct watch, poll);
    struct curl_loop *c = watch->owner;

    free(watch);
    handle_closed(c);
}

/* Closing stops at once: libcurl may close the descriptor as soon as this returns. */
static void end_watch(struct curl_loop *c, curl_socket_t fd, struct watch *watch)
{
    if (!watch)
        return;
    curl_multi_assign(c->multi, fd, NULL);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static struct watch *new_watch(struct curl_loop *c, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        abort();
    watch->owner = c;
    watch->fd = fd;
    if (uv_poll_init_socket(c->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    c->open_handles++;
    curl_multi_assign(c->multi, fd, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct curl_loop *c = arg;
    struct watch *watch = assigned;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        end_watch(c, fd, watch);
        return 0;
    }
    if (!watch)
        watch = new_watch(c, fd);
    if (!watch)
        return -1;
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : -1;
}

static int on_timeout_wish(CURLM *multi, long ms, void *arg)
{
    struct curl_loop *c = arg;

    (void)multi;
    if (ms < 0 || c->is_closing)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void start_multi(struct curl_loop *c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, global_init);
    c->multi = curl_multi_init();
    if (!c->multi)
        abort();
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wish);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    if (c->connections > 0)
        curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, c->connections);
    if (c->kept > 0)
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, c->kept);
}

struct curl_loop *curl_loop_create(uv_loop_t *loop, curl_loop_done_cb done)
{
    struct curl_loop *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->loop = loop;
    c->done = done;
    uv_timer_init(loop, &c->timer);
    c->open_handles = 1;
    return c;
}

void curl_loop_limit(struct curl_loop *c, long connections, long kept)
{
    c->connections = connections;
    c->kept = kept;
}

bool curl_loop_add(struct curl_loop *c, CURL *easy, void *arg)
{
    if (!c->multi)
        start_multi(c);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, arg);
    return curl_multi_add_handle(c->multi, easy) == CURLM_OK;
}

void curl_loop_remove(struct curl_loop *c, CURL *easy)
{
    if (c->multi)
        curl_multi_remove_handle(c->multi, easy);
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(container_of((uv_timer_t *)handle, struct curl_loop, timer));
}

void curl_loop_destroy(struct curl_loop *c, void (*on_closed)(void *arg), void *arg)
{
    if (!c)
        return;
    c->is_closing = true;
    c->on_closed = on_closed;
    c->arg = arg;
    if (c->multi)
        curl_multi_cleanup(c->multi);
    c->multi = NULL;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}
