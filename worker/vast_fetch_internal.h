/*
 * vast_fetch_internal.h - between vast_fetch.c (the life of a request) and vast_fetch_wire.c (libcurl's
 * options and callbacks).
 */
#ifndef TRACEPOOL_WORKER_VAST_FETCH_INTERNAL_H
#define TRACEPOOL_WORKER_VAST_FETCH_INTERNAL_H

#include "common/buf.h"
#include "common/curl_loop.h"
#include "common/guard.h"
#include "worker/chain/head.h"
#include "worker/vast_fetch.h"

struct vast_fetcher {
    uv_loop_t *loop;
    struct curl_loop *wire;
    int open_handles;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *arg;
};

struct vast_session {
    struct vast_fetcher *fetcher;
    struct arena *arena;
    struct vast_fetch_options options;
    uv_timer_t timer;
    CURL *easy;
    CURLSH *share;
    struct curl_slist *headers, *plain; /* with, and without, what is not for everybody */
    struct str first_host;
    int requests;
    struct guard_policy policy;
    bool has_named_proxy; /* its address is known when libcurl has resolved it */
    bool is_on_wire;
    void (*done)(void *arg, const struct vast_answer *answer);
    void *arg;
    struct url first, url;           /* of the request, and of its last redirect */
    int64_t started_ms, deadline_ms; /* while it waits for its turn: the caller's */
    bool is_waiting;                 /* for its turn */
    enum via via;
    int redirects, attempts;
    bool has_answered; /* anything, since the session began */
    /* of the transfer on the wire */
    struct head head;
    struct buf body;
    size_t header_bytes;
    bool is_head_too_big, is_body_too_big, is_guarded;
    struct err guard_err, err;
    char error[CURL_ERROR_SIZE];
    int socket_errno; /* why on_open_socket had none to give */
};

/* Gives the session its easy handle and share. False when the arena is full; both are there all the same. */
NODISCARD bool vast_session_set_up(struct vast_session *s);
/* Gives the next transfer the headers that its host may have. */
void vast_session_set_headers(struct vast_session *s);
/* Adds the transfer that has ended to the chain, where somebody wants that. */
void vast_session_note_hop(struct vast_session *s);

#endif
