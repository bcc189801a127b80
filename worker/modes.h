/*
 * modes.h - what a process traces with: the HTTP tracer, and a browser where there is one; and how a trace in
 * mode auto gets from the first to the second.
 *
 * The farm and the verb `trace` both use it, so they decide alike.
 */
#ifndef TRACEPOOL_WORKER_MODES_H
#define TRACEPOOL_WORKER_MODES_H

#include "common/conf.h"
#include "worker/browser/browser.h"
#include "worker/browser/launcher.h"
#include "worker/tracer/tracer.h"

struct modes {
    uv_loop_t *loop;
    const struct conf *conf;
    struct tracer *tracer;
    struct launcher *launcher; /* NULL once the browser has it, or when there is none */
    struct browser *browser;   /* made for the first trace that needs it */
};

/*
 * Forks the browser's launcher, if [browser] allows one; *out is NULL otherwise. Call before the loop and any
 * thread exist. A launcher that can't be had is logged: traces over HTTP do not need it.
 */
void modes_fork(const struct conf *conf, struct launcher **out);

/* Takes the launcher over. */
void modes_init(struct modes *m, uv_loop_t *loop, const struct conf *conf, struct launcher *launcher);
/* Ends both; the loop has to run on until their handles are closed. */
void modes_close(struct modes *m);

/* The browser, made when it is first asked for; NULL when this process has none. */
struct browser *modes_browser(struct modes *m);

/* In mode auto HTTP waits browser.http_first_s for a page at the most: a browser may do better. */
void modes_limit_http(const struct modes *m, struct trace_request *request);

/*
 * For a trace in mode auto whose HTTP part has ended: keeps the deciding sign as detection_reason, and says
 * whether a browser is to trace it too.
 */
bool modes_wants_browser(const struct modes *m, const struct trace_request *request,
                         struct trace_result *http);

/* The process has a browser, or can make one. */
bool modes_has_browser(const struct modes *m);
/* Zeroed as long as there is none. */
struct browser_counts modes_browser_counts(const struct modes *m);
/* There was one, and this process can't have another. */
bool modes_has_lost_browser(const struct modes *m);
/* A browser would take a trace at once, without keeping another one waiting. */
bool modes_has_room(const struct modes *m);

/*
 * A page that HTTP found sufficient (http_sufficient): the only kind on which a browser might have seen more.
 */
bool modes_may_miss(const struct trace_result *http);

/*
 * The browser's result of a trace in mode auto, or http when there was no browser to be had: then the HTTP
 * chain is all there is, and its detection_reason says what it lacks.
 */
struct trace_result *modes_choose(struct trace_result *http, struct trace_result *browser);

#endif
