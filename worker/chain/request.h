/*
 * request.h - what is to be traced and how, as the tracer and the browser both take it. Plain data.
 */
#ifndef TRACEPOOL_WORKER_CHAIN_REQUEST_H
#define TRACEPOOL_WORKER_CHAIN_REQUEST_H

#include "worker/chain/chain.h"

/* All views must live until the trace is done. */
struct trace_proxy {
    struct str scheme; /* "http", "https" or "socks5h"; empty: no proxy, a direct connection */
    struct str host;
    int port;
    struct str user, password; /* empty: none. Never logged, never in an error. */
};

struct trace_request {
    struct str url;
    enum trace_mode mode;
    struct trace_proxy proxy;
    struct str referrer;   /* sent with the first hop; empty: none */
    struct str user_agent; /* must not be empty */
    const struct str *expected_params;
    int nexpected_params;
    int max_hops; /* the chain's length at most; 20 */
    int64_t total_timeout_ms;
    int64_t hop_timeout_ms;     /* one hop, from its start to the end of what is read of it */
    int64_t connect_timeout_ms; /* to the proxy, or to the target when there is none */
    size_t max_body;            /* bytes kept and parsed of a body; 2 MiB */
    size_t max_header;          /* bytes of one answer's headers */
    bool allow_private;
    struct str ca_file;   /* further authorities; empty: the system's */
    bool block_resources; /* browser: images, fonts and media are not loaded; pings and beacons never are */
    unsigned evidence;    /* what is to be kept beyond the chain; a screenshot loads images all the same */
};

#endif
