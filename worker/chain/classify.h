/*
 * classify.h - what a failed transfer was: libcurl's code and a few facts become an error with a blame.
 *
 * The blame decides whether a proxy loses health, so doubt is never the proxy's loss: behind a plain
 * HTTP proxy a silent target and a silent proxy look alike, and only a proxy that has not shown any
 * sign of life during the whole trace is blamed for silence. A connection that this machine had no port,
 * descriptor or memory for says nothing about either.
 */
#ifndef TRACEPOOL_WORKER_CHAIN_CLASSIFY_H
#define TRACEPOOL_WORKER_CHAIN_CLASSIFY_H

#include "common/err.h"
#include "worker/chain/chain.h"

#include <curl/curl.h>

struct transfer_facts {
    CURLcode code;
    int exhausted; /* the errno of what this machine has run out of (exhausted.h); 0: it has all it needs */
    bool is_first; /* the URL is the one that the caller gave */
    bool has_proxy;
    bool is_proxy_tls; /* TLS to the proxy itself */
    bool is_socks;
    bool is_target_tls;  /* an https target: behind an HTTP proxy, through CONNECT */
    bool is_connected;   /* TCP to the proxy, or to the target when there is none */
    bool is_proxy_alive; /* it has answered anything during this trace */
    int connect_status;  /* the proxy's answer to CONNECT; 0: none */
    long proxy_error;    /* CURLINFO_PROXY_ERROR, of SOCKS */
    bool is_guarded;     /* the address guard refused the address */
    bool is_head_too_big;
};

enum err_code classify_transfer(const struct transfer_facts *f);
/* How a trace that ends with that error ended. */
enum outcome classify_outcome(enum err_code code);

#endif
