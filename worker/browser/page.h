/*
 * page.h - one trace in its tab: protocol events in, commands and hops out.
 *
 * A state machine without a loop, a process or a clock: whoever owns it hands it events, sets now_ms before
 * each call and calls page_timer when page_due says so. A unit test replays a trace as a list of events.
 *
 *     page.c          states, events, transitions; what each state starts; the end
 *     page_begin.c    is the request possible; what a tab is told before the first page
 *     page_events.c   which protocol event means what
 *     page_fetch.c    every request of the page, held until it is judged
 *     page_answer.c   the main document's answers; where they lead
 *     page_hop.c      what is kept of a hop
 *     page_console.c  what scripts complained about, where that is kept
 *     page_error.c    Chromium's and the relay's failures in our words
 */
#ifndef TRACEPOOL_WORKER_BROWSER_PAGE_H
#define TRACEPOOL_WORKER_BROWSER_PAGE_H

#include "common/url.h"
#include "worker/chain/request.h"

#include <jansson.h>
#include <stdio.h>

/* clang-format off */
/*    state        what we wait for while in it */
#define PAGE_STATES(X)                                                                  \
    X(OPENING,     "a tab in a context of its own")                                     \
    X(ASKING,      "the answer to the request for a document")                          \
    X(LOADING,     "the document's load event")                                         \
    X(SETTLING,    "its virtual time to be used up")                                    \
    X(PUSHING,     "the rest of it, with requests that never end left alone")           \
    X(LEAVING,     "the request for the document that the page wants to go to")         \
    X(ENDED,       "nothing")

/*    event        what happened */
#define PAGE_EVENTS(X)                                                                  \
    X(OPENED,      "the tab is there")                                                  \
    X(ASKED,       "a document is asked for")                                           \
    X(SHOWN,       "the answer became the page's document")                             \
    X(DROPPED,     "the answer became none: a 204, a download, the page changed its mind") \
    X(LOADED,      "the load event")                                                    \
    X(EXPIRED,     "virtual time is used up")                                           \
    X(DEPARTS,     "virtual time is used up, but the page is about to go elsewhere")    \
    X(HUNG,        "the state has lasted too long")                                     \
    X(END,         "the result is known")

/*    in           on        goes to */
#define PAGE_TRANSITIONS(X)                                                             \
    X(OPENING,     OPENED,   ASKING)                                                    \
    X(OPENING,     END,      ENDED)                                                     \
    X(ASKING,      ASKED,    ASKING)                                                    \
    X(ASKING,      SHOWN,    LOADING)                                                   \
    X(ASKING,      DROPPED,  SETTLING)                                                  \
    X(ASKING,      END,      ENDED)                                                     \
    X(LOADING,     ASKED,    ASKING)                                                    \
    X(LOADING,     DROPPED,  SETTLING)                                                  \
    X(LOADING,     LOADED,   SETTLING)                                                  \
    X(LOADING,     HUNG,     SETTLING)                                                  \
    X(LOADING,     END,      ENDED)                                                     \
    X(SETTLING,    ASKED,    ASKING)                                                    \
    X(SETTLING,    EXPIRED,  ENDED)                                                     \
    X(SETTLING,    DEPARTS,  LEAVING)                                                   \
    X(SETTLING,    HUNG,     PUSHING)                                                   \
    X(SETTLING,    END,      ENDED)                                                     \
    X(PUSHING,     ASKED,    ASKING)                                                    \
    X(PUSHING,     EXPIRED,  ENDED)                                                     \
    X(PUSHING,     DEPARTS,  LEAVING)                                                   \
    X(PUSHING,     HUNG,     ENDED)                                                     \
    X(PUSHING,     END,      ENDED)                                                     \
    X(LEAVING,     ASKED,    ASKING)                                                    \
    X(LEAVING,     HUNG,     ENDED)                                                     \
    X(LEAVING,     END,      ENDED)
/* clang-format on */

enum page_state {
#define PAGE_STATE_ENUM(name, text) PAGE_##name,
    PAGE_STATES(PAGE_STATE_ENUM)
#undef PAGE_STATE_ENUM
        PAGE_STATE_COUNT
};

enum page_event {
#define PAGE_EVENT_ENUM(name, text) PAGE_EV_##name,
    PAGE_EVENTS(PAGE_EVENT_ENUM)
#undef PAGE_EVENT_ENUM
        PAGE_EVENT_COUNT
};

struct page;

typedef void (*page_answer_fn)(struct page *p, const json_t *result, const struct err *err);

struct page_ops {
    /* session "" is the browser itself. params is taken over; answer may be NULL. Never calls back. */
    void (*send)(void *arg, struct str session, const char *method, json_t *params, page_answer_fn answer);
    /* The result is complete; nothing more is called after this. */
    void (*ended)(void *arg);
    void *arg;
};

/* Of the protocol: a target, a session, a request. Longer ones, which do not occur, match nothing. */
struct page_id {
    char text[72];
    size_t len;
};

/* What is to be known before the first event. All text is borrowed. */
struct page_options {
    struct arena *arena;
    struct trace_request request;
    int64_t settle_ms, hang_ms;
    struct str user, password; /* what the relay asks for */
    struct page_ops ops;
};

struct page_visit {
    struct str url; /* without its fragment */
    uint64_t cookies;
};

/* Where the page has said that it wants to go. */
struct page_wish {
    bool is_there;
    enum via via;
    double delay_s;
    bool is_reload;
};

/* The request for a document, held until the cookies that it goes with are known. */
struct page_held {
    bool is_there;
    struct page_id fetch;
    struct url url;
    struct str method;
    bool is_redirect;
    bool is_internal; /* Chromium's own: the last hop goes by another URL now (HSTS) */
    struct page_wish wish;
};

enum { PAGE_CHILDREN_MAX = 32 };

struct page {
    enum page_state state; /* written by page.c only */
    struct page_options options;
    struct trace_result *result;
    int64_t now_ms; /* monotonic; set by the owner before every call */
    int64_t started_ms, deadline_ms;
    int64_t state_due_ms; /* when the state has lasted too long; 0: never */
    int64_t active_ms;    /* when something was last heard of its requests */
    struct page_id context, frame, session;
    struct page_id children[PAGE_CHILDREN_MAX]; /* sessions of frames and workers in processes of their own */
    int nchildren;
    int preparing; /* commands that come before the first page, not answered yet */

    /* the document that was asked for last */
    struct page_id document; /* its request's id; empty before the first */
    struct url url;          /* of the last hop */
    int told_hop;            /* whose raw headers come next: the first hop of that request, then the others */
    bool is_document_whole;  /* its body has been read to the end */
    size_t document_bytes;
    struct str location;         /* where its redirect goes, fragment and all; empty: no redirect */
    double asked_at_s;           /* Chromium's clock: the last hop's start */
    double asked_next_s;         /* and the start of what may become the next */
    bool is_repeated;            /* it had been visited with the same cookies */
    bool is_unchecked;           /* its redirect may be Chromium's own (HSTS) and was not judged yet */
    bool is_refused;             /* what was asked for last was aborted by us */
    bool is_shown;               /* its answer became the page's document */
    bool is_alone;               /* and it has asked for nothing else */
    struct page_id refused_auth; /* a request that has had its credentials */

    struct page_wish wish;
    struct page_held held;
    struct page_visit *visits;
    int passed_over;      /* wishes that were not granted */
    bool is_time_up;      /* virtual time stands still, or is about to */
    int grants_open;      /* virtual time granted, and not taken by Chromium yet */
    struct err relay_err; /* why the relay could not reach the last hop */
};

/* --- page.c */

/* False with result->err set when what was asked for can't be traced; the page has ended then. */
NODISCARD bool page_begin(struct page *p, const struct page_options *options, int64_t now_ms);
/* The tab is there: its context, its target (which is its main frame too) and the session with it. */
void page_opened(struct page *p, struct str context, struct str target, struct str session);
/* When page_timer is due, on the clock of now_ms. */
int64_t page_due(const struct page *p);
void page_timer(struct page *p);
/* The trace can't go on, for a reason outside the page: the browser died, no tab came. */
void page_fail(struct page *p, const struct err *err);

NODISCARD bool page_next(enum page_state from, enum page_event ev, enum page_state *to);
/* An event that the state has no use for is passed over: Chromium says what it likes when it likes. */
void page_step(struct page *p, enum page_event ev);

/* Ends the trace; hops and result->err are as they are to be. */
void page_end(struct page *p, enum outcome outcome);
/* Ends the trace with result->err, which the caller has set. */
void page_end_with_error(struct page *p);

/* --- page_events.c */

bool page_has_session(const struct page *p, struct str session);
void page_on_event(struct page *p, struct str session, struct str method, const json_t *params);

/* --- between the files of the page */

struct page_id page_id_from(struct str text);
bool page_id_is(const struct page_id *id, struct str text);
struct str page_id_str(const struct page_id *id);
void page_command(struct page *p, struct str session, const char *method, json_t *params,
                  page_answer_fn answer);
struct page_wish page_take_wish(struct page *p);

/* page_begin.c */
NODISCARD bool page_check_request(struct page *p);
void page_prepare_tab(struct page *p);
/* A frame or worker in a process of its own is told the same, as far as it understands it. */
void page_prepare_child(struct page *p, struct str session);
void page_settle(struct page *p, const char *policy);
void page_let_time_pass(struct page *p);

/* page_console.c */
bool page_keeps_console(const struct page *p);
/* From every session alike. False: it is something else. */
bool page_on_console(struct page *p, struct str method, const json_t *params);

/* page_fetch.c */
void page_on_paused(struct page *p, struct str session, const json_t *params);
void page_on_auth(struct page *p, struct str session, const json_t *params);

/* page_answer.c */

/* Whether the chain may go on; ends the trace when not. */
NODISCARD bool page_may_follow(struct page *p);
/* VIA_HTTP_301 ... of such a status. */
enum via page_via_of_status(int status);
/* The last hop of a trace that ends in something that is never opened. */
void page_end_with_link(struct page *p, const struct url *url, enum via via);
/* An answer for the main document: true when Chromium may read it. */
NODISCARD bool page_take_answer(struct page *p, const json_t *params);

/* page_hop.c */
struct hop *page_hop(struct page *p);
NODISCARD bool page_add_hop(struct page *p, const struct url *url, enum via via, struct str method);
/* Takes an unanswered last hop away: the page went elsewhere before it was answered. */
void page_drop_hop(struct page *p);
/* The notes of one hop have an end, however much a page has to say. */
void page_note(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_keep_headers(struct page *p, const json_t *headers);
/* headers: of Network.responseReceivedExtraInfo, the only place where Chromium tells what cookies are set. */
void page_keep_cookies(struct page *p, struct hop *hop, const json_t *headers);
/* response: of Network.responseReceived, or redirectResponse. */
void page_keep_response(struct page *p, struct hop *hop, const json_t *response);
void page_keep_end(struct page *p, struct hop *hop, double at_s, int64_t bytes);

/* page_error.c */
/* The relay could not make a connection for url. */
void page_on_relay_failure(struct page *p, struct str url, const struct err *err);
/* Sets result->err for a main document that failed, with a note for its hop. */
void page_explain(struct page *p, struct str net_error);
void page_explain_deadline(struct page *p);
enum outcome page_outcome(enum err_code code);

#endif
