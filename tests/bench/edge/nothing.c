/*
 * nothing.c - the edge without its memory: reads, decides and answers as tracepool-edge does, and keeps
 * nothing.
 *
 *     edge_nothing PORT SPOOL_DIR            SPOOL_DIR holds the offers' snapshot, offers.json
 *
 * It is the edge's own code but for keep.c and click.c, which keep a click and write it down; their calls are
 * given here. What is left is what a server that records nothing can be compared with.
 */
#include "common/conf.h"
#include "common/loop.h"
#include "edge/click.h"
#include "edge/hit.h"
#include "edge/pages.h"

#include <stdio.h>
#include <stdlib.h>

struct nothing {
    uv_loop_t loop;
    struct loop_signals signals;
    struct hits *hits;
};

void keep_add(struct keep *keep, struct keep_click *click)
{
    (void)keep;
    click->done(click, true);
    click->release(click);
}

void click_write(const struct click *click, struct buf *out)
{
    (void)click;
    (void)out;
}

void click_put_string(struct buf *out, struct str s)
{
    buf_append_str(out, s);
}

static void on_request(void *arg, struct httpd_conn *conn, const struct httpd_request *request)
{
    struct nothing *n = arg;

    hit_handle(n->hits, HIT_INSTANT, conn, request);
}

static void on_signal(void *arg, int signum)
{
    struct nothing *n = arg;

    (void)signum;
    uv_stop(&n->loop);
}

int main(int argc, char **argv)
{
    static struct nothing n;
    struct conf conf;
    struct conf_cli cli = {0};
    char address[64];
    struct err err;
    int fd;

    if (argc != 3)
        return 2;
    snprintf(address, sizeof(address), "127.0.0.1:%s", argv[1]);
    if (uv_loop_init(&n.loop) != 0 || !conf_load(&(int){1}, argv, &conf, &cli, &err) ||
        !loop_listen(address, 4096, &fd, &err) ||
        !hits_create(&conf, &(struct hits_parts){.feed = offers_feed_create(&n.loop, argv[2], 3600 * 1000)},
                     &n.hits, &err)) {
        fprintf(stderr, "edge_nothing: %s\n", err.detail);
        return 2;
    }
    httpd_create(&(struct httpd_options){
        .loop = &n.loop,
        .fds = &fd,
        .nfds = 1,
        .max_head = 16 * 1024,
        .max_body = 8 * 1024,
        .max_connections = (int)conf.edge_max_connections,
        .head_timeout_ms = conf.edge_head_timeout_ms,
        .idle_timeout_ms = conf.edge_idle_timeout_ms,
        .write_timeout_ms = conf.edge_write_timeout_ms,
        .arg = &n,
        .on_request = on_request,
    });
    loop_signals_start(&n.signals, &n.loop, on_signal, &n);
    uv_run(&n.loop, UV_RUN_DEFAULT);
    return 0;
}
