/*
 * tracer.h - follow the redirect chain of one URL over HTTP, through one proxy, keeping every hop.
 *
 * A library: no SQL, no settings, no process model. One tracer per loop; many traces at once in it.
 * Each trace has its own CURLSH (connections, DNS, TLS sessions, cookies, HSTS) and fresh easy handles,
 * so nothing crosses from one trace to another, whatever the version of libcurl.
 * Follows Location of 301, 302, 303, 307, 308, the Refresh header and a meta refresh, both with a delay
 * of at most 10 s, exactly where a browser would; never opens blocked targets or app links.
 */
#ifndef TRACEPOOL_WORKER_TRACER_TRACER_H
#define TRACEPOOL_WORKER_TRACER_TRACER_H

#include "worker/chain/request.h"

#include <uv.h>

struct tracer;
struct tracer_job;

struct tracer *tracer_create(uv_loop_t *loop);
/* Cancels what runs (their callbacks are not called). on_closed when the last handle is gone; may be NULL. */
void tracer_destroy(struct tracer *t, void (*on_closed)(void *arg), void *arg);

/*
 * Starts a trace. done is called exactly once, on the loop, never from within this call, with a result
 * that lives in the arena; within 250 ms of the deadline at the latest. request is copied except for
 * the bytes its views point to.
 */
struct tracer_job *tracer_start(struct tracer *t, struct arena *arena, const struct trace_request *request,
                                void (*done)(void *arg, struct trace_result *result), void *arg);
/* Stops a trace before it is done; done is not called. The job is invalid afterwards. */
void tracer_cancel(struct tracer_job *job);
/* Hops finished so far, for a person who is waiting. */
const struct chain *tracer_job_chain(const struct tracer_job *job);

/*
 * "http://user:pass@host:port" (http, https, socks5h) taken apart, percent-decoded, into the arena.
 * ERR_BAD_INPUT says what is wrong without repeating user or password.
 */
NODISCARD bool tracer_proxy_parse(struct arena *a, struct str text, struct trace_proxy *out, struct err *err);

#endif
