/*
 * tracer.h - follow the redirect chain of one URL over HTTP, through one proxy, keeping every hop.
 *
 * A library: no SQL, no settings, no process model. One tracer per loop; many traces at once in it.
 * Each trace has its own CURLSH (connections, DNS, TLS sessions, cookies, HSTS) and fresh easy handles,
 * so nothing crosses from one trace to another (research/tracer.md, section 3).
 * Follows Location of 301, 302, 303, 307, 308, the Refresh header and a meta refresh, both with a delay
 * of at most 10 s, exactly where a browser would; never opens blocked targets or app links.
 */
#ifndef TRACEPOOL_WORKER_TRACER_TRACER_H
#define TRACEPOOL_WORKER_TRACER_TRACER_H

#include "worker/chain/chain.h"

#include <uv.h>

struct tracer;
struct tracer_job;

/* All views must live until the job is done. */
struct tracer_proxy {
    struct str scheme; /* "http", "https" or "socks5h"; empty: no proxy, a direct connection */
    struct str host;
    int port;
    struct str user, password; /* empty: none. Never logged, never in an error. */
};

struct tracer_request {
    struct str url;
    enum trace_mode mode;
    struct tracer_proxy proxy;
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
    struct str ca_file; /* further authorities; empty: the system's */
};

struct tracer *tracer_create(uv_loop_t *loop);
/* Cancels what runs (their callbacks are not called). on_closed when the last handle is gone; may be NULL. */
void tracer_destroy(struct tracer *t, void (*on_closed)(void *arg), void *arg);

/*
 * Starts a trace. done is called exactly once, on the loop, never from within this call, with a result
 * that lives in the arena; within 250 ms of the deadline at the latest. request is copied except for
 * the bytes its views point to.
 */
struct tracer_job *tracer_start(struct tracer *t, struct arena *arena, const struct tracer_request *request,
                                void (*done)(void *arg, struct trace_result *result), void *arg);
/* Stops a trace before it is done; done is not called. The job is invalid afterwards. */
void tracer_cancel(struct tracer_job *job);
/* Hops finished so far, for a person who is waiting. */
const struct chain *tracer_job_chain(const struct tracer_job *job);

/*
 * "http://user:pass@host:port" (http, https, socks5h) taken apart, percent-decoded, into the arena.
 * ERR_BAD_INPUT says what is wrong without repeating user or password.
 */
NODISCARD bool tracer_proxy_parse(struct arena *a, struct str text, struct tracer_proxy *out,
                                  struct err *err);

#endif
