/*
 * verdict.h - is the HTTP chain the whole story, or does the last page need a browser?
 *
 * Pure: looks at a finished chain and at the signs of its last page, never at the network. The rules
 * began as the original's, and were refined by what browsers were seen to do (README.md); the one that
 * decided is kept as detection_reason.
 */
#ifndef TRACEPOOL_WORKER_TRACER_VERDICT_H
#define TRACEPOOL_WORKER_TRACER_VERDICT_H

#include "worker/chain/request.h"

/* clang-format off */
/*    reason            name               browser  what decided */
#define VERDICT_MAP(X)                                                                                         \
    X(HTTP_SUFFICIENT,  "http_sufficient", false)   /* nothing speaks for a browser */                         \
    X(NON_HTML,         "non_html",        false)   /* ends in a download, JSON, an image */                   \
    X(HTTP_ERROR,       "http_error",      false)   /* proxy, transport, certificate: no browser mends it */   \
    X(HTTP_TIMEOUT,     "http_timeout",    true)    /* the origin took longer than HTTP mode waits */          \
    X(FORM_AUTOSUBMIT,  "form_autosubmit", true)    /* a form that sends itself */                             \
    X(JS_REDIRECT,      "js_redirect",     true)    /* code that goes elsewhere by itself */                   \
    X(JS_FRAMEWORK,     "js_framework",    true)    /* an empty application root and its scripts */            \
    X(EMPTY_BODY,       "empty_body",      true)    /* hardly any text, but scripts or frames */               \
    X(PARAMS_MISSING,   "params_missing",  true)    /* an expected parameter never appeared */                 \
    X(NO_REDIRECTS,     "no_redirects",    true)    /* the first page has scripts, a form or frames */         \
    X(EVIDENCE,         "evidence",        true)    /* HTTP would do, but a screenshot or the console is wanted */ \
    X(LEARNT_MISSED,    "learnt_missed",   true)    /* of the offer: HTTP missed what browsers found on samples */ \
    X(LEARNT_NEEDED,    "learnt_needed",   true)    /* of the offer: each page of late needed a browser */
/* clang-format on */

enum verdict {
#define VERDICT_ENUM(code, name, browser) VERDICT_##code,
    VERDICT_MAP(VERDICT_ENUM)
#undef VERDICT_ENUM
        VERDICT_COUNT
};

enum verdict verdict_on(const struct trace_result *result, const struct trace_request *request);
const char *verdict_name(enum verdict v);
/* Whether the name is one that an offer may have learnt (learn_from_traces); verdict_on gives no such. */
bool verdict_is_learnt(struct str name);
bool verdict_needs_browser(enum verdict v);

#endif
