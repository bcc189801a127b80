/*
 * chain.h - what a trace found: hops, final URL, parameters. Plain data; knows no network.
 *
 * Everything in here lives in the trace's arena.
 */
#ifndef TRACEPOOL_WORKER_CHAIN_CHAIN_H
#define TRACEPOOL_WORKER_CHAIN_CHAIN_H

#include "common/arena.h"
#include "common/err.h"
#include "worker/chain/evidence.h"

#include <jansson.h>
#include <stdint.h>

/* clang-format off */
/*    outcome          name               status of the row */
#define OUTCOME_MAP(X)                                                       \
    X(OK,              "ok",              "completed")                       \
    X(EXTERNAL_SCHEME, "external_scheme", "completed") /* ends in an app link, recorded and not opened */ \
    X(TIMEOUT,         "timeout",         "timeout")                         \
    X(LOOP,            "loop",            "failed")                          \
    X(TOO_MANY_HOPS,   "too_many_hops",   "failed")                          \
    X(BLOCKED,         "blocked",         "failed")    /* the address guard said no */ \
    X(ERROR,           "error",           "failed")

/*    via             name               how the chain came to this hop */
#define VIA_MAP(X)                                                           \
    X(START,          "start")                                               \
    X(HTTP_301,       "http_301")                                            \
    X(HTTP_302,       "http_302")                                            \
    X(HTTP_303,       "http_303")                                            \
    X(HTTP_307,       "http_307")                                            \
    X(HTTP_308,       "http_308")                                            \
    X(REFRESH_HEADER, "refresh_header")                                      \
    X(META_REFRESH,   "meta_refresh")                                        \
    X(JS_LOCATION,    "js_location")                                         \
    X(ANCHOR_CLICK,   "anchor_click")                                        \
    X(FORM_GET,       "form_get")                                            \
    X(FORM_POST,      "form_post")

/*    mode        name */
#define MODE_MAP(X)                                                          \
    X(AUTO,       "auto")                                                    \
    X(HTTP_ONLY,  "http_only")                                               \
    X(BROWSER,    "browser")
/* clang-format on */

#define CHAIN_ENUM_OUTCOME(code, name, status) OUTCOME_##code,
#define CHAIN_ENUM_VIA(code, name) VIA_##code,
#define CHAIN_ENUM_MODE(code, name) MODE_##code,
enum outcome { OUTCOME_MAP(CHAIN_ENUM_OUTCOME) OUTCOME_COUNT };
enum via { VIA_MAP(CHAIN_ENUM_VIA) VIA_COUNT };
enum trace_mode { MODE_MAP(CHAIN_ENUM_MODE) MODE_COUNT };
#undef CHAIN_ENUM_OUTCOME
#undef CHAIN_ENUM_VIA
#undef CHAIN_ENUM_MODE

const char *outcome_name(enum outcome o);
/* "completed", "timeout" or "failed": the original's status for that outcome. */
const char *outcome_status(enum outcome o);
const char *via_name(enum via v);
const char *trace_mode_name(enum trace_mode m);
/* False for a name that is no mode. */
bool trace_mode_from(struct str name, enum trace_mode *out);

struct chain_param {
    struct str name, value; /* decoded once */
    int hop;                /* the last hop that had it */
    int since;              /* the hop that brought this value */
};

/* Milliseconds since the hop's own start; -1 when it did not come to that. */
struct hop_timing {
    int dns, connect, tls, first_byte, total;
};

struct hop_header {
    struct str name, value;
};

/* What an https origin showed, and why it was not believed. Empty: unknown. */
struct hop_certificate {
    struct str subject, issuer;
    struct str not_before, not_after; /* "2027-01-31T12:00:00Z" */
    struct str *names;                /* the first of those that it is good for */
    int nnames, names_total;
    struct str error; /* what was wrong with it; empty when it was accepted */
};

struct hop {
    struct str url; /* with its fragment, as an address bar would show it */
    int status;     /* 0: no answer (blocked, app link, failure) */
    enum via via;
    struct str method;
    struct str remote_address; /* whom we talked to: behind a proxy, the proxy; empty when unknown */
    struct str http_version;   /* "1.1", "2"; empty when there was no answer */
    struct str tls_version;    /* empty over plain http */
    struct str alpn;           /* "h2": what TLS agreed to speak; empty: nothing, or unknown */
    struct hop_certificate certificate;
    struct str content_type;
    struct hop_timing timing;
    int64_t started_ms; /* since the trace began; -1: unknown */
    int64_t header_bytes, body_bytes;
    struct hop_header *headers; /* the selected ones */
    int nheaders;
    struct str *cookie_names; /* of the cookies that it set */
    int ncookie_names;
    struct str *notes; /* events of the hop: "certificate has expired", "body cut at 2097152 bytes" */
    int nnotes;
};

struct chain {
    struct hop *hops;
    int nhops;
    int capacity;
};

/* What a reader or a script would find on a page: the signs that the verdict on it is made of. */
struct page_signs {
    bool is_html;
    int scripts; /* that a browser would run, inline and external */
    int external_scripts;
    int forms, frames;
    size_t visible_text; /* bytes of text outside tags, runs of blanks counted as one */
    bool navigates;      /* code that goes elsewhere by itself */
    bool submits;        /* code that sends a form by itself */
    bool is_packed;      /* code that unpacks code */
    bool has_app_root;   /* the element that frameworks fill: id root, app, __next, ... */
};

struct trace_result {
    enum outcome outcome;
    enum trace_mode mode_used;   /* HTTP_ONLY or BROWSER */
    struct str detection_reason; /* empty unless the mode was auto */
    struct str final_url;        /* of the last hop */
    struct chain chain;
    struct page_signs page; /* of the last hop, as HTTP-only mode read it */
    struct str body;        /* what the last hop answered, when that is XML and was read whole; else empty */
    struct chain_param *params; /* of every hop's query; the last value of a name wins */
    int nparams;
    int64_t started_at_ms; /* since 1970, by the wall clock; 0: unknown */
    int64_t total_ms;
    int64_t proxy_ms; /* time the first answer took to come through the proxy; -1 when none came */
    int64_t bytes;    /* received, over all hops */
    struct err err;   /* ERR_OK unless outcome is other than ok and external_scheme */
    struct kept kept; /* the evidence that was asked for */
};

/* The new, zeroed last hop (timings -1), or NULL when the arena is full. Earlier pointers become invalid. */
NODISCARD struct hop *chain_add_hop(struct arena *a, struct chain *c);
/* A name that the certificate is good for, of which the first few are kept. */
void certificate_add_name(struct arena *a, struct hop_certificate *c, struct str name);
/* Appends a note to the hop; false when the arena is full. */
bool hop_add_note(struct arena *a, struct hop *hop, const char *note);

/* Fills final_url and params from the chain's URLs. False when the arena is full: params lack some then. */
NODISCARD bool trace_result_extract(struct arena *a, struct trace_result *r);
/* Whether all of the expected names are among the parameters. */
bool trace_result_has_params(const struct trace_result *r, const struct str *names, int n);

/* What is known of a hop's TLS and certificate; null over plain http. Caller owns it. */
json_t *hop_tls_json(const struct hop *hop);
/* The chain as a JSON array, the parameters as an object; caller owns them. */
json_t *chain_json(const struct chain *c);
json_t *trace_result_params_json(const struct trace_result *r);
/* The object that `trace --json` prints and that the API answers. Caller owns it. */
json_t *trace_result_json(const struct trace_result *r);

#endif
