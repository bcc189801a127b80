/*
 * load.c - clicks at a steady rate, whatever the server does (an open loop), each with an id of its own.
 *
 *     edge_load PORT RATE SECONDS CONNECTIONS ACK_FILE [IDLE]
 *
 * A click's time counts from the moment it was due, so a server that stands still is seen by all the clicks
 * that it kept waiting. The ids that were answered 302 are written to ACK_FILE: each must be a row. IDLE more
 * connections are opened first and only held. The last line is name=value pairs.
 */
#include "common/loop.h"
#include "common/scope.h"
#include "common/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum {
    ANSWER_MAX = 4096,
    QUERY_MAX = 512,
    RETRY_MS = 20,
    PATIENCE_MS = 10000,
    SLOW_US = 50000,
    IDLE_AT_ONCE = 200
};

struct conn {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    uv_timer_t retry;
    struct load *load;
    struct conn *next_free;
    int64_t due_us;
    long id;
    bool is_busy, is_free, is_held;
    size_t len;
    char answer[ANSWER_MAX];
    char query[QUERY_MAX];
};

struct load {
    uv_loop_t loop;
    uv_timer_t tick;
    struct sockaddr_in address;
    struct conn *free;
    int64_t started_us, rate, seconds;
    long offered, sent, answered, others, dropped;
    int busy;
    int held, wanted_held;
    int64_t *took_us;
    FILE *acknowledged;
    int run;
    bool is_over;
};

static void connect_conn(struct conn *c);

/* ---- one connection ---- */

static void on_retry(uv_timer_t *timer)
{
    connect_conn(container_of(timer, struct conn, retry));
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = container_of((uv_tcp_t *)handle, struct conn, tcp);

    if (!c->load->is_over)
        uv_timer_start(&c->retry, on_retry, RETRY_MS, 0);
}

static void leave_free(struct conn *c)
{
    struct conn **at = &c->load->free;

    while (*at != c)
        at = &(*at)->next_free;
    *at = c->next_free;
    c->is_free = false;
}

static void drop(struct conn *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    if (c->is_free)
        leave_free(c);
    if (c->is_busy) {
        c->load->dropped++;
        c->load->busy--;
    }
    c->is_busy = false;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    if (status < 0 && status != UV_ECANCELED)
        drop(container_of(write, struct conn, write));
}

static void send_click(struct conn *c, long id)
{
    struct load *l = c->load;
    uv_buf_t buf;
    int n =
        snprintf(c->query, sizeof(c->query),
                 "GET /functions/v1/track-hit-instant?offer=bench&gclid=%d-%ld&utm_source=google&sub1=abcdef "
                 "HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/5.0 (load)\r\n\r\n",
                 l->run, id);

    c->id = id;
    c->due_us = l->started_us + id * 1000000 / l->rate;
    c->is_busy = true;
    c->len = 0;
    l->busy++;
    buf = uv_buf_init(c->query, (unsigned)n);
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0)
        drop(c);
}

static void send_due(struct load *l)
{
    while (l->free && l->sent < l->offered) {
        struct conn *c = l->free;

        leave_free(c);
        send_click(c, l->sent++);
    }
}

static void set_free(struct conn *c)
{
    c->next_free = c->load->free;
    c->load->free = c;
    c->is_free = true;
    send_due(c->load);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct conn *c = container_of((uv_tcp_t *)handle, struct conn, tcp);

    (void)wanted;
    *buf = uv_buf_init(c->answer + c->len, (unsigned)(sizeof(c->answer) - 1 - c->len));
}

/* A whole answer: the head, and as much body as it announces. */
static bool is_whole(struct conn *c)
{
    const char *end, *length;

    c->answer[c->len] = '\0';
    end = strstr(c->answer, "\r\n\r\n");
    if (!end)
        return false;
    length = strcasestr(c->answer, "\r\ncontent-length:");
    return c->len >=
           (size_t)(end - c->answer) + 4 + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static void take_answer(struct conn *c)
{
    struct load *l = c->load;
    bool is_last = strcasestr(c->answer, "\r\nconnection: close") != NULL;

    c->is_busy = false;
    l->busy--;
    if (strncmp(c->answer + 8, " 302", 4) == 0) {
        l->took_us[l->answered++] = loop_now_us() - c->due_us;
        fprintf(l->acknowledged, "%d-%ld\n", l->run, c->id);
    } else {
        l->others++;
    }
    if (is_last)
        drop(c);
    else
        set_free(c);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *c = container_of((uv_tcp_t *)stream, struct conn, tcp);

    (void)buf;
    if (nread < 0) {
        drop(c);
        return;
    }
    c->len += (size_t)nread;
    if (is_whole(c))
        take_answer(c);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct conn *c = container_of(connect, struct conn, connect);

    if (status < 0) {
        drop(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    if (c->is_held)
        c->load->held++;
    else
        set_free(c);
}

static void connect_conn(struct conn *c)
{
    uv_tcp_init(&c->load->loop, &c->tcp);
    if (uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&c->load->address, on_connected) != 0)
        drop(c);
}

static struct conn *add_conn(struct load *l, bool is_held)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (!c || uv_timer_init(&l->loop, &c->retry) != 0)
        abort();
    uv_unref((uv_handle_t *)&c->retry);
    c->load = l;
    c->is_held = is_held;
    connect_conn(c);
    return c;
}

/* ---- the rate ---- */

static void on_tick(uv_timer_t *timer)
{
    struct load *l = container_of(timer, struct load, tick);
    int64_t passed = loop_now_us() - l->started_us;

    if (passed < 0)
        return;
    if (passed < l->seconds * 1000000) {
        l->offered = passed * l->rate / 1000000;
        send_due(l);
    } else if ((l->sent == l->offered && l->busy == 0) ||
               passed > l->seconds * 1000000 + PATIENCE_MS * 1000) {
        uv_stop(&l->loop);
    }
}

/* Opens the idle ones a few at a time; then the clock starts. */
static void on_hold(uv_timer_t *timer)
{
    struct load *l = container_of(timer, struct load, tick);

    for (int i = 0; i < IDLE_AT_ONCE && l->wanted_held > 0; i++, l->wanted_held--)
        add_conn(l, true);
    if (l->wanted_held > 0)
        return;
    l->started_us = loop_now_us() + 500000;
    uv_timer_start(&l->tick, on_tick, 500, 1);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static double quantile_ms(const struct load *l, double q)
{
    return l->answered ? (double)l->took_us[(long)((double)(l->answered - 1) * q)] / 1000 : 0;
}

static void report(const struct load *l)
{
    long slow = 0;

    for (long i = l->answered; i-- > 0 && l->took_us[i] > SLOW_US;)
        slow++;
    printf("offered=%ld ok=%ld others=%ld dropped=%ld unsent=%ld held=%d p50_ms=%.2f p99_ms=%.2f "
           "p999_ms=%.2f max_ms=%.2f "
           "over50=%ld\n",
           l->offered, l->answered, l->others, l->dropped, l->offered - l->sent, l->held, quantile_ms(l, 0.5),
           quantile_ms(l, 0.99), quantile_ms(l, 0.999), quantile_ms(l, 1), slow);
}

static long number(const char *text)
{
    int64_t n = 0;

    if (!str_to_int(str_from(text), &n)) {
        fprintf(stderr, "edge_load: \"%s\" is no number\n", text);
        exit(2);
    }
    return (long)n;
}

int main(int argc, char **argv)
{
    static struct load l;
    struct rlimit files;

    if (argc < 6 || argc > 7) {
        fputs("edge_load PORT RATE SECONDS CONNECTIONS ACK_FILE [IDLE]\n", stderr);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    uv_ip4_addr("127.0.0.1", (int)number(argv[1]), &l.address);
    l.rate = number(argv[2]);
    l.seconds = number(argv[3]);
    l.wanted_held = argc > 6 ? (int)number(argv[6]) : 0;
    l.run = (int)uv_os_getpid();
    l.took_us = calloc((size_t)(l.rate * l.seconds) + 1, sizeof(*l.took_us));
    l.acknowledged = fopen(argv[5], "w");
    if (!l.took_us || !l.acknowledged || uv_loop_init(&l.loop) != 0 || uv_timer_init(&l.loop, &l.tick) != 0)
        abort();
    for (long i = number(argv[4]); i > 0; i--)
        add_conn(&l, false);
    uv_timer_start(&l.tick, on_hold, 0, 20);
    uv_run(&l.loop, UV_RUN_DEFAULT);
    l.is_over = true;
    fclose(l.acknowledged);
    qsort(l.took_us, (size_t)l.answered, sizeof(*l.took_us), by_time);
    report(&l);
    return 0;
}
