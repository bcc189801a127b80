/*
 * curl_loop.h - libcurl's multi interface on a libuv loop.
 *
 * libcurl says which sockets it waits for and when it wants to be called; both become handles of the loop.
 * What a transfer is for is its owner's business.
 */
#ifndef TRACEPOOL_COMMON_CURL_LOOP_H
#define TRACEPOOL_COMMON_CURL_LOOP_H

#include "common/err.h"
#include "common/str.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

struct curl_loop;

/*
 * An option of a handle. libcurl copies texts, and where there is no memory for that it leaves the option as
 * it was: a trace without its proxy would go out directly. So that ends the process, as elsewhere.
 */
#define curl_set(easy, option, value)                                                                        \
    ((void)(curl_easy_setopt(easy, option, value) != CURLE_OUT_OF_MEMORY || (abort(), 0)))
#define curl_multi_set(multi, option, value)                                                                 \
    ((void)(curl_multi_setopt(multi, option, value) != CURLM_OUT_OF_MEMORY || (abort(), 0)))
#define curl_share_set(share, option, value)                                                                 \
    ((void)(curl_share_setopt(share, option, value) != CURLSHE_NOMEM || (abort(), 0)))

/*
 * A transfer has ended; arg is what it was added with. The handle is still in the multi (a CONNECT_ONLY
 * connection has to stay there): whoever is told removes it. Anything may be ended from in here.
 */
typedef void (*curl_loop_done_cb)(void *arg, CURL *easy, CURLcode code);

/* Nothing is allocated in libcurl before the first transfer: a process that never needs one stays small. */
struct curl_loop *curl_loop_create(uv_loop_t *loop, curl_loop_done_cb done);
/*
 * Every handle must have been removed. on_closed (may be NULL) when the last handle of the loop is gone; the
 * pointer is invalid then. Accepts NULL.
 */
void curl_loop_destroy(struct curl_loop *c, void (*on_closed)(void *arg), void *arg);

/* For CURLOPT_OPENSOCKETFUNCTION: a socket for that address. CURL_SOCKET_BAD: *failure is the errno. */
curl_socket_t curl_loop_open(const struct curl_sockaddr *address, int *failure);
/*
 * The errno of this machine's own trouble (exhausted.h) that a transfer has ended by; 0: it was something
 * else. failure: what curl_loop_open left.
 */
int curl_loop_exhausted(CURL *easy, CURLcode code, int failure);

/* At most so many connections at once, and so many kept open for later. Before the first transfer. */
void curl_loop_limit(struct curl_loop *c, long connections, long kept);

/* Starts the transfer; done is never called from within. Uses CURLOPT_PRIVATE. False when libcurl refuses. */
NODISCARD bool curl_loop_add(struct curl_loop *c, CURL *easy, void *arg);
/*
 * Why it did, right after: this machine has run out of descriptors or the like, or ERR_INTERNAL. Returns
 * false.
 */
bool curl_loop_refuse(struct err *err, struct str host);
/* Stops it, or takes out what has ended. The handle stays the caller's. */
void curl_loop_remove(struct curl_loop *c, CURL *easy);

#endif
