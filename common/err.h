/*
 * err.h - every way to fail: its name, who is to blame, whether another attempt is worth it.
 *
 * A failure ends in a row, a metric, an API answer and the health of a proxy, and all of them read
 * this one table. Adding an error is one line here. SQL functions that write an error name (a lease
 * that ran out, a worker that died) use names of this table; tests/lint checks that.
 *
 * A function that can fail returns bool, is NODISCARD and takes `struct err *err` last: on failure its
 * outputs are untouched and *err says what was tried and with what; on success *err is untouched.
 */
#ifndef TRACEPOOL_COMMON_ERR_H
#define TRACEPOOL_COMMON_ERR_H

#include "common/scope.h"

#include <stdbool.h>

enum err_blame {
    BLAME_NONE,   /* nobody: nothing went wrong, or it was asked for */
    BLAME_PROXY,  /* the proxy IP: the only blame that costs it health */
    BLAME_TARGET, /* the traced site */
    BLAME_CALLER, /* who asked: bad input, bad settings */
    BLAME_US,     /* tracepool, its database or its machine */
};

/* clang-format off */
/*    code               name                 blame   retry */
#define ERR_MAP(X)                                                                                            \
    X(OK,               "ok",                 NONE,   false) /* no error */                                   \
    X(BAD_INPUT,        "bad_input",          CALLER, false) /* a value that can't be used */                 \
    X(BAD_SETTING,      "bad_setting",        CALLER, false) /* ini, environment or option */                 \
    X(BAD_URL,          "bad_url",            CALLER, false) /* what was to be traced is no http(s) URL */    \
    X(UNAUTHORISED,     "unauthorised",       CALLER, false) /* token missing or wrong */                     \
    X(NOT_FOUND,        "not_found",          CALLER, false)                                                  \
    X(PROXY_UNKNOWN,    "proxy_unknown",      US,     true)  /* provider without usable settings */           \
    X(PROXY_RESOLVE,    "proxy_resolve",      PROXY,  true)  /* its host name has no address */               \
    X(PROXY_REFUSED,    "proxy_refused",      PROXY,  true)  /* no TCP connection to it */                    \
    X(PROXY_TIMEOUT,    "proxy_timeout",      PROXY,  true)  /* no connection in time */                      \
    X(PROXY_AUTH,       "proxy_auth",         PROXY,  true)  /* 407, or SOCKS authentication refused */       \
    X(PROXY_TUNNEL,     "proxy_tunnel",       PROXY,  true)  /* CONNECT or SOCKS request refused */           \
    X(PROXY_PROTOCOL,   "proxy_protocol",     PROXY,  true)  /* what it answered is no HTTP */                \
    X(TARGET_RESOLVE,   "target_resolve",     TARGET, true)  /* host name without an address */               \
    X(TARGET_REFUSED,   "target_refused",     TARGET, true)  /* no TCP connection */                          \
    X(TARGET_TIMEOUT,   "target_timeout",     TARGET, true)  /* no answer within the hop's time */            \
    X(TARGET_CLOSED,    "target_closed",      TARGET, true)  /* connection ended without an answer */         \
    X(TARGET_TLS,       "target_tls",         TARGET, false) /* certificate or handshake refused */           \
    X(TARGET_PROTOCOL,  "target_protocol",    TARGET, false) /* what it answered is no HTTP */                \
    X(TARGET_URL,       "target_url",         TARGET, false) /* redirects to something that is no URL */      \
    X(REDIRECT_LOOP,    "redirect_loop",      TARGET, false) /* same URL, same cookies */                     \
    X(TOO_MANY_HOPS,    "too_many_hops",      TARGET, false)                                                  \
    X(BLOCKED_ADDRESS,  "blocked_address",    TARGET, false) /* the address guard said no */                  \
    X(TOO_BIG,          "too_big",            TARGET, false) /* headers, body or evidence over the limit */   \
    X(AD_RATE,          "ad_rate",            US,     true)  /* its ad server's cap of requests a minute */ \
    X(TRACE_TIMEOUT,    "trace_timeout",      TARGET, true)  /* the whole trace's deadline */                 \
    X(MODE_UNAVAILABLE, "mode_unavailable",   US,     false) /* no browser here */                            \
    X(BROWSER_START,    "browser_start",      US,     true)  /* Chromium did not start */                     \
    X(BROWSER_DIED,     "browser_died",       US,     true)  /* Chromium ended in mid-trace */                \
    X(PAGE_CRASHED,     "page_crashed",       TARGET, true)  /* the page took its renderer down */            \
    X(LEASE_EXPIRED,    "lease_expired",      US,     true)  /* nobody finished it in time */                 \
    X(QUEUE_EXPIRED,    "queue_expired",      US,     false) /* no worker and IP took it in time */           \
    X(WORKER_DIED,      "worker_died",        US,     true)  /* its worker ended in mid-trace */              \
    X(SHUTDOWN,         "shutdown",           US,     true)  /* given back by a draining worker */            \
    X(DATABASE,         "database",           US,     true)  /* PostgreSQL refused or went away */            \
    X(DATABASE_TIMEOUT, "database_timeout",   US,     true)  /* no answer within our deadline */              \
    X(SCHEMA,           "schema",             US,     false) /* the schema does not fit this program */       \
    X(HOST_EXHAUSTED,   "host_exhausted",     US,     true)  /* local ports, descriptors, memory for sockets */ \
    X(IO,               "io",                 US,     true)  /* file or socket of our own */                  \
    X(INTERNAL,         "internal",           US,     true)
/* clang-format on */

enum err_code {
#define ERR_ENUM(code, name, blame, retry) ERR_##code,
    ERR_MAP(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

struct err {
    enum err_code code;
    char detail[256]; /* what was tried and with what; never a secret; cut, always NUL-terminated */
};

/* Sets code and detail; detail is printf-like. Returns false, so that `return err_set(...)` reads well. */
bool err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *err_name(enum err_code code);
enum err_blame err_blame(enum err_code code);
/* "none", "proxy", "target", "caller", "us" */
const char *err_blame_name(enum err_blame blame);
bool err_is_retryable(enum err_code code);

#endif
