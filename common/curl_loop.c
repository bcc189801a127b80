/*
 * curl_loop.c - sockets, the one timer, and transfers that have ended.
 *
 * libcurl's sockets live for a few packets. They are watched by an epoll set of our own, which is all that
 * the loop sees of them: a handle of the loop for each would cost more system calls than the transfer has
 * packets.
 */
#include "common/curl_loop.h"

#include "common/exhausted.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 64, TURNS_MAX = 4, BLIND_MAX = 32, AGAIN_MS = 20 };

struct curl_loop {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    uv_poll_t poll; /* of epoll_fd; both only with a multi */
    int epoll_fd;
    long nsockets;                /* in the set; the loop goes on for their sake only */
    int blind[BLIND_MAX], nblind; /* that the kernel would not watch: looked after every AGAIN_MS */
    int parked;                   /* a socket still in the set that no transfer waits for; -1: none */
    bool is_driven;               /* libcurl is being called by us: */
    bool is_due;                  /* it wants to be called again at once */
    curl_loop_done_cb done;
    long connections, kept; /* 0: libcurl's own limits */
    int open_handles;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *arg;
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

static void on_timer(uv_timer_t *timer);

/* Called too early, libcurl says again when: a timer that is due before need not be set anew. */
static void call_within(struct curl_loop *c, uint64_t ms)
{
    if (!uv_is_active((uv_handle_t *)&c->timer) || uv_timer_get_due_in(&c->timer) > ms)
        uv_timer_start(&c->timer, on_timer, ms, 0);
}

/* Where libcurl has closed it, the set has lost it already. */
static void unpark(struct curl_loop *c)
{
    if (c->parked >= 0)
        epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, c->parked, NULL);
    c->parked = -1;
}

/*
 * What has just ended mostly begins something, the next hop of a trace: that is driven at once, while all it
 * needs is in the processor's cache, and not when its turn among hundreds comes. Not for ever, so that the
 * others have theirs.
 */
static void drive(struct curl_loop *c, curl_socket_t fd, int flags)
{
    bool is_done;
    int running;

    c->is_driven = true;
    is_done = curl_multi_socket_action(c->multi, fd, flags, &running) == CURLM_OK;
    take_ended(c);
    for (int turn = 1; c->multi && c->is_due && turn < TURNS_MAX; turn++) {
        c->is_due = false;
        is_done &= curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running) == CURLM_OK;
        take_ended(c);
    }
    c->is_driven = false;
    unpark(c);
    if (c->multi && (c->is_due || c->nblind || !is_done))
        call_within(c, c->is_due ? 0 : AGAIN_MS);
    c->is_due = false;
}

/* EPOLLERR and EPOLLHUP say no more than that, but an answer that came before a reset is still to be read. */
static int flags_of(uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP))
        return CURL_CSELECT_IN | CURL_CSELECT_OUT;
    return (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
}

/*
 * What one event leads to may close the socket of a later one, and a new socket may have its number by then:
 * libcurl looks for itself whether there is something to do, so that an event too many does no harm.
 */
static void on_poll(uv_poll_t *poll, int status, int wanted)
{
    struct curl_loop *c = container_of(poll, struct curl_loop, poll);
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(c->epoll_fd, events, EVENTS_AT_ONCE, 0);

    (void)status, (void)wanted;
    for (int i = 0; i < n && c->multi; i++)
        drive(c, events[i].data.fd, flags_of(events[i].events));
}

static void on_timer(uv_timer_t *timer)
{
    struct curl_loop *c = container_of(timer, struct curl_loop, timer);

    for (int i = c->nblind - 1; i >= 0 && c->multi; i--)
        if (i < c->nblind)
            drive(c, c->blind[i], CURL_CSELECT_IN | CURL_CSELECT_OUT);
    if (c->multi)
        drive(c, CURL_SOCKET_TIMEOUT, 0);
}

/*
 * libcurl may close the descriptor as soon as this returns. Mostly it does not: a transfer has ended, and the
 * next one on that connection begins within the same drive. The socket that was let go last stays in the set
 * until then.
 */
static void let_go(struct curl_loop *c, curl_socket_t fd)
{
    unpark(c);
    c->parked = fd;
    if (!c->is_driven)
        unpark(c);
}

/* What was parked may be closed, and its number be that of a new socket, which is not in the set. */
static bool watch(struct curl_loop *c, curl_socket_t fd, int what, bool is_in_set)
{
    struct epoll_event event = {.data.fd = fd};

    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (is_in_set && epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return true;
    return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void forget_blind(struct curl_loop *c, curl_socket_t fd)
{
    for (int i = 0; i < c->nblind; i++)
        if (c->blind[i] == fd)
            c->blind[i] = c->blind[--c->nblind];
}

/*
 * The transfer goes on, more slowly. Refused (-1) libcurl would end every transfer that there is, each with a
 * failure that is not its own.
 */
static int watch_blindly(struct curl_loop *c, curl_socket_t fd)
{
    if (c->nblind == BLIND_MAX)
        return -1;
    c->blind[c->nblind++] = fd;
    call_within(c, AGAIN_MS);
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct curl_loop *c = arg;

    (void)easy;
    forget_blind(c, fd);
    if (what == CURL_POLL_REMOVE) {
        if (assigned && --c->nsockets == 0)
            uv_unref((uv_handle_t *)&c->poll);
        let_go(c, fd);
        return 0;
    }
    if (!watch(c, fd, what, assigned || fd == c->parked))
        return watch_blindly(c, fd);
    if (fd == c->parked)
        c->parked = -1;
    if (!assigned) {
        curl_multi_assign(c->multi, fd, c); /* anything but NULL: it is in the set */
        if (c->nsockets++ == 0)
            uv_ref((uv_handle_t *)&c->poll);
    }
    return 0;
}

static int on_timeout_wish(CURLM *multi, long ms, void *arg)
{
    struct curl_loop *c = arg;

    (void)multi;
    if (ms == 0 && c->is_driven)
        c->is_due = true;
    else if (c->is_closing || (ms < 0 && !c->nblind))
        uv_timer_stop(&c->timer);
    else if (ms >= 0)
        call_within(c, (uint64_t)ms);
    return 0;
}

/* Where there are no descriptors left, this one transfer is refused: there may be some for the next. */
static bool start_multi(struct curl_loop *c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    CURLM *multi;

    pthread_once(&once, global_init);
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    multi = c->epoll_fd < 0 ? NULL : curl_multi_init();
    if (!multi) {
        if (c->epoll_fd >= 0)
            close(c->epoll_fd);
        return false;
    }
    if (uv_poll_init(c->loop, &c->poll, c->epoll_fd) != 0 ||
        uv_poll_start(&c->poll, UV_READABLE, on_poll) != 0)
        abort();
    c->multi = multi;
    uv_unref((uv_handle_t *)&c->poll);
    c->open_handles++;
    curl_multi_set(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_set(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_set(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wish);
    curl_multi_set(c->multi, CURLMOPT_TIMERDATA, c);
    if (c->connections > 0)
        curl_multi_set(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, c->connections);
    if (c->kept > 0)
        curl_multi_set(c->multi, CURLMOPT_MAXCONNECTS, c->kept);
    return true;
}

struct curl_loop *curl_loop_create(uv_loop_t *loop, curl_loop_done_cb done)
{
    struct curl_loop *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->loop = loop;
    c->done = done;
    c->parked = -1;
    uv_timer_init(loop, &c->timer);
    c->open_handles = 1;
    return c;
}

void curl_loop_limit(struct curl_loop *c, long connections, long kept)
{
    c->connections = connections;
    c->kept = kept;
}

curl_socket_t curl_loop_open(const struct curl_sockaddr *address, int *failure)
{
    int type = address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(address->family, type, address->protocol);

    if (fd >= 0)
        return fd;
    *failure = errno;
    return CURL_SOCKET_BAD;
}

/*
 * libcurl's errno is the last one of the handle, perhaps of an earlier transfer: it counts only where a
 * connection has failed.
 */
int curl_loop_exhausted(CURL *easy, CURLcode code, int failure)
{
    long error = 0;

    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY)
        return exhausted_now();
    if (code != CURLE_COULDNT_CONNECT)
        return 0;
    if (exhausted_is(failure))
        return failure;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
    return exhausted_is((int)error) ? (int)error : 0;
}

bool curl_loop_add(struct curl_loop *c, CURL *easy, void *arg)
{
    if (!c->multi && !start_multi(c))
        return false;
    curl_set(easy, CURLOPT_PRIVATE, arg);
    return curl_multi_add_handle(c->multi, easy) == CURLM_OK;
}

bool curl_loop_refuse(struct err *err, struct str host)
{
    int error = exhausted_now();

    if (error)
        return exhausted_explain(err, error, "%.*s", STR_ARG(host));
    return err_set(err, ERR_INTERNAL, "%.*s: libcurl did not take the transfer", STR_ARG(host));
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

static void on_poll_closed(uv_handle_t *handle)
{
    handle_closed(container_of((uv_poll_t *)handle, struct curl_loop, poll));
}

static void end_multi(struct curl_loop *c)
{
    curl_multi_cleanup(c->multi);
    unpark(c);
    c->multi = NULL;
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
    close(c->epoll_fd);
}

void curl_loop_destroy(struct curl_loop *c, void (*on_closed)(void *arg), void *arg)
{
    if (!c)
        return;
    c->is_closing = true;
    c->on_closed = on_closed;
    c->arg = arg;
    if (c->multi)
        end_multi(c);
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}
