/*
 * internal.h - what the files of the tracer share with each other and with nobody else.
 *
 *     multi.c     the tracer as a whole: one curl_loop, and its jobs
 *     transfer.c  one request on the wire: options, callbacks, what is to be known of it afterwards
 *     tls.c       what its handshake showed
 *     cookies.c   what its cookie jar holds
 *     http.c      the life of a trace: a hop, what it says about the next one, the end
 *     request.c   what was asked for: possible? and what libcurl needs for it
 *     hop.c       what is kept of a hop, and what its failure was
 *     next.c      what an answer says about the next hop
 *     probe.c     is a silent proxy alive?
 */
#ifndef TRACEPOOL_WORKER_TRACER_INTERNAL_H
#define TRACEPOOL_WORKER_TRACER_INTERNAL_H

#include "common/buf.h"
#include "common/curl_loop.h"
#include "common/guard.h"
#include "common/url.h"
#include "worker/chain/classify.h"
#include "worker/chain/head.h"
#include "worker/tracer/hsts.h"
#include "worker/tracer/proxy.h"
#include "worker/tracer/tracer.h"

#include <curl/curl.h>

struct tracer {
    uv_loop_t *loop;
    struct curl_loop *wire;
    struct tracer_job *jobs; /* all that run */
    int open_handles;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *arg;
};

/* What is done with the body that follows a head. */
enum body_plan {
    BODY_DRAIN, /* read and dropped, when that is soon over: the connection can be used again */
    BODY_KEEP,
};

/* One request on the wire. Everything but `easy` begins anew with each. */
struct transfer {
    CURL *easy;
    CURLU *url;
    struct arena *arena;
    struct head head;
    enum body_plan plan;
    struct buf body; /* decoded; at most max_body */
    size_t header_bytes, header_max;
    size_t drained;
    bool is_cut;          /* we ended it: nothing more of it was wanted */
    bool is_body_cut;     /* the body passed its limit */
    bool is_head_too_big; /* or the arena was full */
    bool is_guarded;
    struct err guard_err;
    struct guard_policy policy;
    bool has_named_proxy; /* its address is known when libcurl has resolved it */
    struct str tls_version, alpn;
    struct hop_certificate certificate;
    char error[CURL_ERROR_SIZE];
    int socket_errno;                    /* why the guard's callback had no socket to give */
    void (*on_head)(struct transfer *t); /* the head is complete; in a callback of libcurl */
};

/* What the wire showed when a transfer has ended, besides what the callbacks saw. */
struct transfer_end {
    CURLcode code;
    int exhausted; /* as classify.h has it */
    int connect_status;
    long proxy_error;
    bool is_connected, is_reused;
    struct str remote_address;
    const char *http_version;
    struct hop_timing timing;
    int64_t header_bytes, body_bytes;
};

struct visit {
    struct str url; /* without its fragment */
    uint64_t cookies;
};

struct tracer_job {
    struct tracer *tracer;
    struct tracer_job *next, **link; /* in tracer->jobs */
    struct arena *arena;
    struct trace_request request;
    void (*done)(void *arg, struct trace_result *result);
    void *arg;
    struct trace_result *result;
    uv_timer_t timer; /* whatever comes next: the deadline, the end of a drain, the check of a proxy */
    int64_t started_ms, deadline_ms;
    int64_t armed_ms; /* when the timer is due; 0: it is not running */
    int64_t drain_ms; /* when a body that nobody wants has had its time; 0: none */
    CURLSH *share;
    struct curl_slist *headers, *proxy_headers, *connect_headers; /* request_head.c */
    const char *proxy_url; /* "" for none, which also keeps libcurl from the environment's */
    const char *proxy_user, *proxy_password; /* for SOCKS alone; else both NULL */
    const char *ca_file;
    struct transfer transfer;
    bool is_begun, is_on_wire;
    struct url url;       /* of the last hop */
    struct str referrer;  /* of the caller, until a page sends us on */
    bool is_sent_by_page; /* job->page is who refers */
    struct url page;
    struct visit *visits;
    bool is_repeated; /* the last hop had been visited with the same cookies */
    struct hsts hsts;
    struct {
        CURL *easy;
        int64_t at_ms; /* when it begins; 0: not planned */
        bool is_proxy_alive;
        int status;      /* what the proxy answered; 0: nothing */
        bool is_awaited; /* a hop that has ended waits for it */
        bool is_about_407;
        struct transfer_end end; /* of that hop */
    } probe;
};

/* One of t->open_handles is closed; the last one of a tracer that closes takes it along. */
void tracer_handle_closed(struct tracer *t);

/* http.c */
struct tracer_job *job_start(struct tracer *t, struct arena *arena, const struct trace_request *request,
                             void (*done)(void *arg, struct trace_result *result), void *arg);
/* Called by multi.c when a transfer of the job has ended and is out of the multi. */
void job_on_transfer(struct tracer_job *job, CURL *easy, CURLcode code);

/* request.c: both with result->err set on failure */
NODISCARD bool request_check(struct tracer_job *job, struct url *url);
NODISCARD bool request_prepare(struct tracer_job *job);

/* request_head.c: the lines that all hops share; before each hop, whether it goes through a CONNECT */
void request_head_init(struct tracer_job *job);
void request_head_set(const struct tracer_job *job, CURL *easy);
void request_head_for(const struct tracer_job *job, bool is_tunnelled);

/* hop.c */
struct hop *hop_last(struct tracer_job *job);
void hop_record(struct tracer_job *job, const struct transfer_end *end);
/* Whether there is something to go on with: a head, and a body as far as one was wanted. */
bool hop_has_answer(const struct tracer_job *job, const struct transfer_end *end);
void hop_note_incomplete(struct tracer_job *job, CURLcode code);
/* A 407 that only the proxy itself can explain. */
bool hop_is_suspect_407(const struct tracer_job *job);
/* Set result->err and leave a note with the hop. */
void hop_explain_failure(struct tracer_job *job, const struct transfer_end *end);
void hop_explain_refusal(struct tracer_job *job);
void hop_explain_deadline(struct tracer_job *job, const struct transfer_end *end);

/* next.c */

/* Where an answer sends a browser. */
struct step {
    struct url url;
    enum via via;
    int delay_s;
    bool is_redirect; /* by its head: the fragment and the referrer stay what they were */
};

enum step_kind { STEP_NONE, STEP_FOLLOW, STEP_FAILED };

/*
 * What the job's last answer says. STEP_FAILED: with *err; what there is to say about it becomes the hop's
 * note.
 */
enum step_kind next_step(struct tracer_job *job, struct step *out, struct err *err);
/* What browsers never open for a page, though no app does either: file, data, javascript and their kin. */
bool next_is_blocked_scheme(struct str scheme);
/* The Referer for a URL, or NULL for none. */
const char *next_referrer(struct tracer_job *job, const struct url *to);

/* probe.c */

/* Plans a check of the proxy, if it has not shown a sign of life yet. */
void probe_plan(struct tracer_job *job, int64_t hop_ms);
/* Asks the proxy now for something that it alone can answer. False when there is nothing to find out. */
bool probe_start(struct tracer_job *job);
void probe_take(struct tracer_job *job, CURLcode code);
void probe_stop(struct tracer_job *job);

/* transfer.c */
NODISCARD bool transfer_init(struct transfer *t, struct tracer_job *job);
void transfer_finish(struct transfer *t);
/* Sets the next request up; the caller puts it on the wire. */
void transfer_prepare(struct transfer *t, const char *url, const char *referrer, int64_t timeout_ms);
void transfer_look(struct transfer *t, CURLcode code, struct transfer_end *end);
/* A number that changes when the trace's cookies do. */
uint64_t transfer_cookie_state(struct transfer *t);
/* Keeps what its cookie jar holds now. */
void transfer_keep_cookies(struct transfer *t, struct kept *kept);
/* What libcurl says while it shakes hands; tells it nowhere else, whichever library it does TLS with. */
int transfer_on_debug(CURL *easy, curl_infotype type, char *bytes, size_t len, void *arg);
/* What the transfer's own handshake showed; nothing when its connection is an older one. */
void transfer_look_at_certificate(struct transfer *t);
/* The options that say how to get out: proxy, guard, timeouts. Also for a proxy's check. */
void transfer_set_route(struct transfer *t, CURL *easy, const struct tracer_job *job);

#endif
