/*
 * relay.h - the only way out of a trace's browser context: an HTTP proxy on loopback that passes on.
 *
 * One listener per worker child; each trace opens a pass with a random password, and whatever comes with it
 * goes through that trace's real proxy (http, https, socks5h, with its credentials) or directly where there
 * is none. Every target is judged: literals and names before anything is sent, and, where we resolve
 * ourselves, the address at connect time (common/guard). What is refused is told to the trace.
 */
#ifndef TRACEPOOL_WORKER_BROWSER_RELAY_H
#define TRACEPOOL_WORKER_BROWSER_RELAY_H

#include "worker/chain/request.h"

#include <uv.h>

struct relay;
struct relay_pass;

NODISCARD bool relay_create(uv_loop_t *loop, struct relay **out, struct err *err);
void relay_destroy(struct relay *r, void (*on_closed)(void *arg), void *arg);
/* "127.0.0.1:PORT", as Chromium's proxyServer wants it. */
const char *relay_address(const struct relay *r);

struct relay_options {
    const struct trace_request
        *request; /* its proxy, limits and allow_private; its views must outlive the pass */
    void *arg;
    /* A connection could not be made; err blames proxy, target or guard. url is what was asked for. */
    void (*on_failure)(void *arg, struct str url, const struct err *err);
};

/* Opens a pass. user and password are what Chromium has to answer to the relay's 407 with. */
struct relay_pass *relay_open(struct relay *r, const struct relay_options *options);
const char *relay_pass_user(const struct relay_pass *pass);
const char *relay_pass_password(const struct relay_pass *pass);
/* Milliseconds until the real proxy first let something through; -1 when it has not. Bytes from it. */
int64_t relay_pass_proxy_ms(const struct relay_pass *pass);
int64_t relay_pass_bytes(const struct relay_pass *pass);
/* Ends every connection of the pass. */
void relay_close(struct relay_pass *pass);

#endif
