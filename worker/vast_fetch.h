/*
 * vast_fetch.h - get ad tags and wrappers over HTTP: the network that worker/vast does not have.
 *
 * Each request is a hop of the trace: through its proxy, under the address guard, with every redirect judged
 * like a first URL. A session has its own connections, DNS, TLS sessions and cookies, so nothing crosses from
 * one trace to another. http and https only; gzip and its kin are undone, and count against the limit.
 */
#ifndef TRACEPOOL_WORKER_VAST_FETCH_H
#define TRACEPOOL_WORKER_VAST_FETCH_H

#include "worker/chain/request.h"
#include "worker/vast/provider.h"
#include "worker/vast/rate.h"

#include <uv.h>

/* Views must live as long as the session. */
struct vast_fetch_options {
    struct trace_proxy proxy;
    struct str user_agent;     /* must not be empty */
    const struct str *headers; /* "Name: value" */
    int nheaders;
    struct vast_names header_hosts; /* that get them: exact, or suffixes that begin with a dot; empty: the
                                       host of the session's first request */
    struct vast_rate *rate;         /* NULL: no cap */
    struct str rate_name;           /* whose cap it is; empty: the host's */
    double per_minute;
    struct chain *chain; /* gets the hops of the first request; NULL: nobody wants them */
    int64_t timeout_ms;  /* one request with its redirects */
    int64_t connect_timeout_ms;
    size_t max_body, max_header;
    int max_redirects;
    int retries; /* further attempts after no connection, or 429, 502, 503, 504; each may count as an ad
                    request */
    bool allow_private;
    struct str ca_file; /* further authorities; empty: the system's */
};

struct vast_fetcher;
struct vast_session;

struct vast_fetcher *vast_fetcher_create(uv_loop_t *loop);
/*
 * Sessions must have ended. on_closed (may be NULL) when the last handle of the loop is gone. Accepts NULL.
 */
void vast_fetcher_destroy(struct vast_fetcher *f, void (*on_closed)(void *arg), void *arg);

/* ERR_BAD_INPUT: a proxy that cannot be used; ERR_TOO_BIG: the arena is full. NULL then. */
NODISCARD struct vast_session *vast_session_start(struct vast_fetcher *f, struct arena *a,
                                                  const struct vast_fetch_options *options, struct err *err);
/*
 * Requests a URL that url_parse has written. done is called once, never from within; the body is valid until
 * the next request. timeout_ms: all the time that the caller has; the request itself takes at most that of
 * the options, and what is left is for waiting until the cap lets it go (ERR_AD_RATE when that is too short).
 * One at a time.
 */
void vast_session_get(struct vast_session *s, struct str url, int64_t timeout_ms,
                      void (*done)(void *arg, const struct vast_answer *answer), void *arg);
/* Stops what runs; its done is not called. Accepts NULL. */
void vast_session_end(struct vast_session *s);

#endif
