/*
 * relay_internal.h - between relay.c (listener and passes), relay_conn.c (one connection of Chromium) and
 * relay_dial.c (the way out).
 */
#ifndef TRACEPOOL_WORKER_BROWSER_RELAY_INTERNAL_H
#define TRACEPOOL_WORKER_BROWSER_RELAY_INTERNAL_H

#include "common/curl_loop.h"
#include "common/guard.h"
#include "worker/browser/relay.h"
#include "worker/browser/relay_head.h"

struct relay {
    uv_loop_t *loop;
    uv_tcp_t listener;
    struct curl_loop *wire;
    struct relay_pass *passes;
    struct relay_conn *conns;
    int open_handles; /* the listener, the curl loop and every connection */
    bool is_closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
    char address[32];
};

struct relay_pass {
    struct relay *relay;
    struct relay_pass *next, **link; /* in relay->passes */
    struct relay_options options;
    char user[20], password[36];
    int64_t opened_ms, proxy_ms, bytes;
};

enum relay_state { RELAY_READING, RELAY_DIALLING, RELAY_PIPING, RELAY_CLOSED };

struct relay_conn {
    struct relay *relay;
    struct relay_pass *pass;         /* NULL until the head named one, and after the pass was closed */
    struct relay_conn *next, **link; /* in relay->conns */
    enum relay_state state;
    uv_tcp_t client;
    uv_poll_t upstream;
    bool has_upstream;
    int open_handles;
    struct buf in;  /* from Chromium: the head, then what is to go on */
    struct buf out; /* the request as it goes on, and its body */
    size_t out_sent;
    int64_t body_left; /* bytes of a plain request's body still to come; a tunnel has no end */
    struct relay_head head;
    char *url; /* what is asked for; owned */
    CURL *easy;
    bool is_dialling, is_writing, is_ending;
    struct err refused; /* ERR_OK, or what the address guard said while libcurl connected */
    int socket_errno;   /* why open_socket had none to give */
    bool is_judged;     /* the answer is no refusal by the proxy */
    size_t held;        /* of piece: read, and not passed on yet */
    char piece[16 * 1024];
};

/* relay.c */
struct relay_pass *relay_find_pass(struct relay *r, struct str user, struct str password);
void relay_handle_closed(struct relay *r);

/* relay_conn.c */
void relay_conn_accept(struct relay *r);
void relay_conn_close(struct relay_conn *c);
/* The way out is there, or err says why not. */
void relay_conn_dialled(struct relay_conn *c, CURLcode code);

/* relay_dial.c */
NODISCARD bool relay_dial(struct relay_conn *c, const struct url *target, struct err *err);
void relay_explain(const struct relay_conn *c, CURLcode code, struct err *err);

#endif
