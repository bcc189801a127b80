/*
 * multi.c - libcurl's multi interface on libuv: sockets, the one timer, transfers that have ended.
 *
 * libcurl says which sockets it waits for and when it wants to be called; both become handles of the
 * loop. What a transfer was for is the job's business (http.c).
 */
#include "worker/tracer/internal.h"

#include <assert.h>
#include <pthread.h>

struct watch {
    uv_poll_t poll;
    struct tracer *tracer;
    curl_socket_t fd;
};

static void global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

void tracer_handle_closed(struct tracer *t)
{
    if (--t->open_handles > 0 || !t->is_closing)
        return;
    if (t->on_closed)
        t->on_closed(t->arg);
    free(t);
}

/* A job may end another one, or the whole tracer, in its callback: nothing is kept over the call. */
static void take_ended(struct tracer *t)
{
    CURLMsg *message;
    int left;

    while (t->multi && (message = curl_multi_info_read(t->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct tracer_job *job = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&job);
        multi_remove(t, easy);
        job_on_transfer(job, easy, code);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = container_of(poll, struct watch, poll);
    struct tracer *t = watch->tracer;
    int flags = 0, running;

    /* A reset: libuv says no more than that, but an answer that came before it is still to be read. */
    if (status < 0)
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(t->multi, watch->fd, flags, &running);
    take_ended(t);
}

static void on_timer(uv_timer_t *timer)
{
    struct tracer *t = container_of(timer, struct tracer, timer);
    int running;

    curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(t);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = container_of((uv_poll_t *)handle, struct watch, poll);
    struct tracer *t = watch->tracer;

    free(watch);
    tracer_handle_closed(t);
}

/* Closing stops at once: libcurl may close the descriptor as soon as this returns. */
static void end_watch(struct tracer *t, curl_socket_t fd, struct watch *watch)
{
    if (!watch)
        return;
    curl_multi_assign(t->multi, fd, NULL);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static struct watch *new_watch(struct tracer *t, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        abort();
    watch->tracer = t;
    watch->fd = fd;
    if (uv_poll_init_socket(t->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    t->open_handles++;
    curl_multi_assign(t->multi, fd, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct tracer *t = arg;
    struct watch *watch = assigned;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        end_watch(t, fd, watch);
        return 0;
    }
    if (!watch)
        watch = new_watch(t, fd);
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
    struct tracer *t = arg;

    (void)multi;
    if (ms < 0 || t->is_closing)
        uv_timer_stop(&t->timer);
    else
        uv_timer_start(&t->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void start_multi(struct tracer *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, global_init);
    t->multi = curl_multi_init();
    if (!t->multi)
        abort();
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wish);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
}

bool multi_add(struct tracer *t, CURL *easy, struct tracer_job *job)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
    return curl_multi_add_handle(t->multi, easy) == CURLM_OK;
}

void multi_remove(struct tracer *t, CURL *easy)
{
    curl_multi_remove_handle(t->multi, easy);
}

struct tracer *tracer_create(uv_loop_t *loop)
{
    struct tracer *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->loop = loop;
    uv_timer_init(loop, &t->timer);
    t->open_handles = 1;
    return t;
}

struct tracer_job *tracer_start(struct tracer *t, struct arena *arena, const struct trace_request *request,
                                void (*done)(void *arg, struct trace_result *result), void *arg)
{
    assert(!t->is_closing && request->user_agent.len);
    if (!t->multi)
        start_multi(t);
    return job_start(t, arena, request, done, arg);
}

static void on_timer_closed(uv_handle_t *handle)
{
    tracer_handle_closed(container_of((uv_timer_t *)handle, struct tracer, timer));
}

void tracer_destroy(struct tracer *t, void (*on_closed)(void *arg), void *arg)
{
    if (!t)
        return;
    t->is_closing = true;
    t->on_closed = on_closed;
    t->arg = arg;
    while (t->jobs)
        tracer_cancel(t->jobs);
    if (t->multi)
        curl_multi_cleanup(t->multi);
    t->multi = NULL;
    uv_close((uv_handle_t *)&t->timer, on_timer_closed);
}
