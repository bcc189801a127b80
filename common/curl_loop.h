/*
 * curl_loop.h - libcurl's multi interface on a libuv loop.
 *
 * libcurl says which sockets it waits for and when it wants to be called; both become handles of the loop.
 * What a transfer is for is its owner's business: struct curl_transfer is embedded in the owner.
 */
#ifndef TRACEPOOL_COMMON_CURL_LOOP_H
#define TRACEPOOL_COMMON_CURL_LOOP_H

#include "common/scope.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

struct curl_loop;

struct curl_transfer {
    CURL *easy; /* owned by whoever embeds this */
    /* The transfer has ended; the handle is out of the multi unless it is kept (below). Called on the loop. */
    void (*done)(struct curl_transfer *transfer, CURLcode code);
    bool is_kept; /* stays in the multi when done: CURLOPT_CONNECT_ONLY needs that for curl_easy_recv */
    bool is_added;
};

/* Nothing is allocated in libcurl before the first transfer: a process that never needs one stays small. */
struct curl_loop *curl_loop_create(uv_loop_t *loop);
/*
 * Every transfer must have been removed. on_closed (may be NULL) when the last handle is gone; the pointer
 * is invalid then. Accepts NULL. May be called from within done.
 */
void curl_loop_destroy(struct curl_loop *c, void (*on_closed)(void *arg), void *arg);

/* Starts the transfer; done is never called from within. False when libcurl refuses. */
NODISCARD bool curl_loop_add(struct curl_loop *c, struct curl_transfer *transfer);
/* Stops it, or lets a kept one go. Does nothing when it is not in there. */
void curl_loop_remove(struct curl_loop *c, struct curl_transfer *transfer);

#endif
