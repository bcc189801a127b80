/*
 * cdp.h - the Chrome DevTools Protocol over a pipe: commands with answers, events by session.
 *
 * Messages are JSON, each ended by a NUL byte. One command is answered by exactly one callback: with its
 * result, with the browser's error, or with ERR_BROWSER_DIED when the pipe ended or the answer did not come
 * within the timeout. Nothing is called from within cdp_send.
 *
 * What a page says ends up in messages, so a bad one is no reason to give a browser with other traces in it
 * up: a message that is too long or no JSON is passed over and counted.
 */
#ifndef TRACEPOOL_WORKER_BROWSER_CDP_H
#define TRACEPOOL_WORKER_BROWSER_CDP_H

#include "common/err.h"
#include "common/str.h"

#include <jansson.h>
#include <uv.h>

struct cdp;

/* err->code is ERR_OK with the result object, else result is NULL. Both are gone after the call. */
typedef void (*cdp_answer_cb)(void *arg, const json_t *result, const struct err *err);

struct cdp_events {
    /* session: "" for the browser itself. params is gone after the call. */
    void (*on_event)(void *arg, struct str session, struct str method, const json_t *params);
    /* The pipe ended. Called once; every waiting command is answered first. */
    void (*on_end)(void *arg, const struct err *err);
    void *arg;
};

/* Takes both descriptors over. max_message: bytes of one message; a longer one is passed over. */
struct cdp *cdp_create(uv_loop_t *loop, int write_fd, int read_fd, size_t max_message,
                       const struct cdp_events *events);
void cdp_destroy(struct cdp *c, void (*on_closed)(void *arg), void *arg);

/* params is taken over (NULL: {}). answer may be NULL when nobody asks. */
void cdp_send(struct cdp *c, struct str session, const char *method, json_t *params, int64_t timeout_ms,
              cdp_answer_cb answer, void *arg);

/* Messages passed over so far. */
int64_t cdp_passed_over(const struct cdp *c);

/*
 * The pure part, fuzzed: takes the next complete message off bytes[0..len). Returns its length with the NUL,
 * 0 when more is needed.
 */
size_t cdp_next_message(struct str bytes, struct str *message);
/*
 * One message as an object; NULL when it is none. A half of a surrogate pair, which a page may put anywhere
 * and JSON does not allow, becomes U+FFFD: the message is changed for that. Caller owns it.
 */
NODISCARD json_t *cdp_parse(char *message, size_t len);

#endif
