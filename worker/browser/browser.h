/*
 * browser.h - trace one URL in headless Chromium, through one proxy, keeping every hop.
 *
 * A library like the tracer: no SQL, no settings, no process model. One Chromium per browser object, started
 * when the first trace needs it; a fresh context per trace, whose only way out is a relay on loopback
 * (relay.h) that judges every address and adds the real proxy's credentials, which Chromium never sees.
 * When Chromium dies, its traces end with ERR_BROWSER_DIED (worth a retry). It is replaced after max_traces,
 * or above max_memory_kb, once its last trace is done. One that has had traces is followed by another at
 * once, so that the next trace need not wait for its start; one that had nothing to do for idle_ms by none.
 */
#ifndef TRACEPOOL_WORKER_BROWSER_BROWSER_H
#define TRACEPOOL_WORKER_BROWSER_BROWSER_H

#include "worker/chain/request.h"

#include <uv.h>

struct browser;
struct browser_job;
struct launcher;

/* All text is borrowed for the browser's life. */
struct browser_settings {
    const char *program;   /* a path, or a name on PATH; "": chromium-headless-shell, then chromium */
    bool is_sandbox_off;   /* --no-sandbox: only because the operator said so */
    int max_contexts;      /* traces at once; further ones wait their turn inside their deadline */
    int max_traces;        /* replaced after so many */
    int64_t max_memory_kb; /* replaced when the proportional set of its processes is larger; 0: no limit */
    int64_t idle_ms;       /* ended when it has had no trace for so long; 0: it stays */
    int64_t settle_ms;     /* virtual time granted after each load event: refreshes of up to that are seen */
    int64_t hang_ms;       /* wall clock after which a page that fetches or streams for ever is left alone */
    int64_t screenshot_ms,
        screenshot_max; /* a screenshot that takes longer, or has more bytes, is left out */
};

/*
 * launcher comes from launcher_fork, before the loop and any thread existed; it belongs to the browser
 * from here on. The program ignores SIGPIPE, as libuv asks of everybody: Chromium hangs up when it likes.
 */
struct browser *browser_create(uv_loop_t *loop, struct launcher *launcher,
                               const struct browser_settings *settings);
/* Ends Chromium and all its processes. Running traces are dropped without their callback. */
void browser_destroy(struct browser *b, void (*on_closed)(void *arg), void *arg);

/*
 * Starts a trace; the contract of tracer_start: done is called exactly once, never from within, at most
 * 250 ms behind the deadline, with a result in the arena.
 */
struct browser_job *browser_start(struct browser *b, struct arena *arena, const struct trace_request *request,
                                  void (*done)(void *arg, struct trace_result *result), void *arg);
void browser_cancel(struct browser_job *job);

/* For metrics: contexts open, starts and deaths of Chromium so far. */
struct browser_counts {
    int contexts, waiting;
    int64_t starts, deaths;
};
struct browser_counts browser_counts(const struct browser *b);
/* Its launcher has ended: no Chromium will start any more. */
bool browser_is_lost(const struct browser *b);

#endif
