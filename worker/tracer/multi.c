/*
 * multi.c - the tracer as a whole: one curl_loop, and the jobs that run on it.
 */
#include "worker/tracer/internal.h"

#include <assert.h>

static void on_transfer_done(void *arg, CURL *easy, CURLcode code)
{
    struct tracer_job *job = arg;

    curl_loop_remove(job->tracer->wire, easy);
    job_on_transfer(job, easy, code);
}

struct tracer *tracer_create(uv_loop_t *loop)
{
    struct tracer *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->loop = loop;
    t->wire = curl_loop_create(loop, on_transfer_done);
    t->open_handles = 1;
    return t;
}

struct tracer_job *tracer_start(struct tracer *t, struct arena *arena, const struct trace_request *request,
                                void (*done)(void *arg, struct trace_result *result), void *arg)
{
    assert(!t->is_closing && request->user_agent.len);
    return job_start(t, arena, request, done, arg);
}

void tracer_handle_closed(struct tracer *t)
{
    if (--t->open_handles > 0 || !t->is_closing)
        return;
    if (t->on_closed)
        t->on_closed(t->arg);
    free(t);
}

static void on_wire_closed(void *arg)
{
    tracer_handle_closed(arg);
}

void tracer_destroy(struct tracer *t, void (*on_closed)(void *arg), void *arg)
{
    if (!t)
        return;
    t->is_closing = true;
    t->on_closed = on_closed;
    t->arg = arg;
    while (t->jobs)
        tracer_cancel(t->jobs);
    curl_loop_destroy(t->wire, on_wire_closed, t);
}
