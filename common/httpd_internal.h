/*
 * httpd_internal.h - what the parts of the HTTP server share.
 *
 *     httpd.c         the server: accepting, deadlines, draining
 *     httpd_state.c   states of connections, memory, the end
 *     httpd_conn.c    one connection: bytes in, requests out to the handler
 *     httpd_answer.c  one answer: its head, its bytes, what follows it
 *     httpd_head.c    the pure parser
 *
 * A connection's state is the list it stands in; conn_enter moves it. Each list is in the order in
 * which its members came, so the first one is the next to run out of time, and the longest idle one.
 */
#ifndef TRACEPOOL_COMMON_HTTPD_INTERNAL_H
#define TRACEPOOL_COMMON_HTTPD_INTERNAL_H

#include "common/httpd.h"

#include <netinet/in.h>

enum conn_state {
    CONN_IDLE,    /* between requests; no buffer is held */
    CONN_READING, /* a request has begun */
    CONN_BUSY,    /* the handler owes an answer */
    CONN_WRITING, /* the answer did not fit into the socket at once */
    CONN_LINGER,  /* answered and shut down; waits until the client has read it */
    CONN_CLOSED,  /* its handle is closed or being closed */
    CONN_STATES
};

struct conn_link {
    struct conn_link *before, *after;
};

/* A request while it is read and answered; an idle connection has none. */
struct exchange {
    struct exchange *next_spare;
    struct buf in;   /* the request, and what was sent behind it in the same breath */
    struct buf more; /* what came while the handler was busy; views into `in` must not move */
    size_t looked;   /* bytes of `in` that hold no complete line beyond those already seen */
    size_t need;     /* bytes of `in` wanted before another look: head and body */
    size_t size;     /* bytes of `in` that are the request being answered */
    struct httpd_head head;
    struct httpd_request request;
    struct sockaddr_storage peer;
    void *data;
};

struct httpd_conn {
    struct conn_link link; /* first member */
    struct httpd *httpd;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    int64_t since_ms; /* when it entered its state, by the loop's clock */
    struct exchange *exchange;
    union {
        sa_family_t family;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
    size_t unsent;           /* of an answer in CONN_WRITING, when its deadline was last set */
    uint32_t lingered;       /* bytes thrown away in CONN_LINGER */
    uint8_t state;           /* enum conn_state */
    bool is_owed : 1;        /* an answer by the handler; outlives the client */
    bool is_running : 1;     /* run() is on the stack */
    bool is_stopped : 1;     /* not reading, because of bytes behind an unanswered request */
    bool is_ended : 1;       /* the client sent its end */
    bool is_broken : 1;      /* nothing can be sent any more */
    bool closes : 1;         /* after this answer */
    bool is_misread : 1;     /* the answer refuses what was read; more of it may follow */
    bool is_handle_gone : 1; /* the close callback ran */
};

struct listener {
    struct httpd *httpd;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    sa_family_t family;
};

struct httpd {
    struct httpd_options options;
    struct listener *listeners;
    int nlisteners; /* 0 after a drain */
    uv_timer_t sweep;
    uint64_t sweep_ms;
    struct conn_link lists[CONN_STATES];
    int nconnections;
    int open_handles;
    int nowed; /* answers owed, also on connections that are gone */
    bool is_draining, is_destroyed;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    struct exchange *spares;
    int nspares;
    struct buf out; /* the head of an answer */
    char date[32];
    time_t date_s;
    char *scratch; /* what all connections read into */
};

enum { HTTPD_SCRATCH = 64 * 1024, HTTPD_LINGER_MS = 2000, HTTPD_LINGER_BYTES = 256 * 1024 };

/* httpd_state.c */
void conn_enter(struct httpd_conn *conn, enum conn_state state);
/* Closes the handle now; the memory goes when the handle is gone and no answer is owed. */
void conn_close(struct httpd_conn *conn);
/* Counts an answer as given; frees what only waited for it. True when the connection is still there. */
bool conn_settle(struct httpd_conn *conn);
/* Who has been in that state longest; NULL when nobody is. */
struct httpd_conn *httpd_first(struct httpd *httpd, enum conn_state state);
/* Calls on_closed and frees the server when it is time. */
void httpd_end_if_over(struct httpd *httpd);
void httpd_release_exchange(struct httpd *httpd, struct exchange *x);
struct exchange *httpd_take_exchange(struct httpd *httpd);

/* httpd_conn.c */
void conn_start(struct httpd_conn *conn);
/* Answers with an error and closes, in CONN_READING. */
void conn_refuse(struct httpd_conn *conn, int status, const char *why);
/* The answer is in the socket: on to the next request, to idleness or to the end. */
void conn_answered(struct httpd_conn *conn);

#endif
