/*
 * browser_internal.h - what browser.c (Chromium's life) and browser_job.c (one trace in it) share.
 */
#ifndef TRACEPOOL_WORKER_BROWSER_BROWSER_INTERNAL_H
#define TRACEPOOL_WORKER_BROWSER_BROWSER_INTERNAL_H

#include "worker/browser/browser.h"
#include "worker/browser/cdp.h"
#include "worker/browser/launcher.h"
#include "worker/browser/page.h"
#include "worker/browser/relay.h"

/* clang-format off */
/*    state        what we wait for while in it */
#define CHROMIUM_STATES(X)                                          \
    X(STOPPED,     "a trace that needs it")                         \
    X(STARTING,    "its first answer")                              \
    X(READY,       "traces")                                        \
    X(RETIRING,    "its last trace to end: it is to be replaced")

/*    event        what happened */
#define CHROMIUM_EVENTS(X)                                          \
    X(WANTED,      "a trace waits")                                 \
    X(ANSWERED,    "it can be used")                                \
    X(WORN,        "it has done its traces, or grown too large")    \
    X(EMPTY,       "no trace is in it any more")                    \
    X(IDLE,        "it has had nothing to do for long")             \
    X(GONE,        "it ended, or never came up")

/*    in           on         goes to */
#define CHROMIUM_TRANSITIONS(X)                                     \
    X(STOPPED,     WANTED,    STARTING)                             \
    X(STARTING,    ANSWERED,  READY)                                \
    X(STARTING,    GONE,      STOPPED)                              \
    X(READY,       WORN,      RETIRING)                             \
    X(READY,       IDLE,      STOPPED)                              \
    X(READY,       GONE,      STOPPED)                              \
    X(RETIRING,    EMPTY,     STOPPED)                              \
    X(RETIRING,    GONE,      STOPPED)
/* clang-format on */

enum chromium_state {
#define CHROMIUM_STATE_ENUM(name, text) CHROMIUM_##name,
    CHROMIUM_STATES(CHROMIUM_STATE_ENUM)
#undef CHROMIUM_STATE_ENUM
        CHROMIUM_STATE_COUNT
};

enum chromium_event {
#define CHROMIUM_EVENT_ENUM(name, text) CHROMIUM_EV_##name,
    CHROMIUM_EVENTS(CHROMIUM_EVENT_ENUM)
#undef CHROMIUM_EVENT_ENUM
        CHROMIUM_EVENT_COUNT
};

struct browser {
    uv_loop_t *loop;
    struct launcher *launcher;
    struct browser_settings settings;
    enum chromium_state state; /* written by browser.c only */
    struct cdp *cdp;           /* NULL while stopped */
    struct relay *relay;       /* NULL until the first trace */
    pid_t pid;
    int64_t generation; /* of Chromium: what belongs to an earlier one is gone */
    int64_t measured_ms;
    uv_timer_t idle;              /* runs while it is ready and has nothing to do */
    int begun;                    /* traces in this Chromium */
    struct browser_job *jobs;     /* all of them, those on their way out too; the oldest last */
    struct browser_counts counts; /* contexts: open or on their way out */
    int open_handles;             /* the timer, jobs, relay, protocol connections */
    bool is_closing;
    void (*on_closed)(void *arg);
    void *arg;
};

enum job_phase {
    JOB_NEW,     /* not looked at yet */
    JOB_WAITING, /* for its turn */
    JOB_OPENING, /* its tab */
    JOB_RUNNING,
    JOB_KEEPING, /* for what is kept beyond the chain, which stands */
    JOB_DONE,    /* its owner has the result; the context may still be there */
};

struct browser_ask;

struct browser_job {
    struct browser *browser;
    struct browser_job *next, **link; /* in browser->jobs */
    enum job_phase phase;
    struct page page;
    struct page_options options;
    struct page_id context, target;
    struct relay_pass *pass;
    struct browser_ask *asks; /* commands whose answers are awaited */
    void (*done)(void *arg, struct trace_result *result);
    void *arg;
    uv_timer_t timer;
    int64_t generation; /* of the Chromium it runs in */
    bool has_context;   /* it counts among the open ones */
    unsigned awaited;   /* evidence that JOB_KEEPING waits for */
    int64_t kept_by_ms; /* and until when */
};

/* browser_job.c */
void job_open(struct browser_job *job);
void job_fail(struct browser_job *job, const struct err *err);
/* Its Chromium has ended, and no answer will come any more. */
void job_on_browser_gone(struct browser_job *job, const struct err *err);
void job_on_event(struct browser_job *job, struct str session, struct str method, const json_t *params);
/* Forgets it without telling its owner. */
void job_drop(struct browser_job *job);
bool job_is_alive(const struct browser_job *job);
/* Sets the timer to whatever is due next. */
void job_arm(struct browser_job *job);
/* One of the job's own commands; session "": to the browser itself. */
void job_ask(struct browser_job *job, struct str session, const char *method, json_t *params,
             void (*own)(struct browser_job *job, const json_t *result, const struct err *err));

/* browser_evidence.c */
/*
 * For a page that has ended: asks for what the request wants kept, when there is a tab to ask, and makes the
 * job JOB_KEEPING. False when there is nothing to wait for (any more).
 */
bool evidence_gather(struct browser_job *job);
bool evidence_is_awaited(const struct browser_job *job);
/* One bit of job->awaited is there, or will not come. */
void evidence_arrived(struct browser_job *job, unsigned bit);

/* browser_body.c */
enum { EVIDENCE_BODY = 1 << EVIDENCE_COUNT }; /* in job->awaited, beside what a request wants kept */
bool body_is_wanted(struct browser_job *job);
/* Asks for the last answer; it becomes result->body when it is XML. */
void body_ask(struct browser_job *job);

/* browser.c */
/* Starts what can be started: Chromium, and traces in it. */
void browser_pump(struct browser *b);
/* A context is gone. */
void browser_on_context_closed(struct browser *b);
void browser_handle_closed(struct browser *b);
/* ERR_OK, or why there is no relay. */
NODISCARD bool browser_need_relay(struct browser *b, struct err *err);

/* memory.c: what all processes of that group have in memory, in KiB, files that they share once. */
int64_t memory_of_group_kb(pid_t group);

#endif
