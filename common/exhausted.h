/*
 * exhausted.h - has this machine run out of something that every connection needs?
 *
 * Then an attempt that could not even begin says nothing about whom it was meant for: all local ports to one
 * address are in use or rest in TIME_WAIT, or there is no descriptor or memory left for a socket. Whoever
 * makes connections tells such an end as ERR_HOST_EXHAUSTED, which blames nobody else.
 */
#ifndef TRACEPOOL_COMMON_EXHAUSTED_H
#define TRACEPOOL_COMMON_EXHAUSTED_H

#include "common/err.h"

/* Whether an errno of socket(), bind() or connect() is about this machine alone. */
bool exhausted_is(int error);
/*
 * What keeps this machine from making a socket right now: an errno, 0 for nothing. For failures that come
 * without one: a name is not found either when there is no descriptor to ask a server with.
 */
int exhausted_now(void);
/* ERR_HOST_EXHAUSTED: what is used up, towards whom, and which limit an operator raises. Returns false. */
bool exhausted_explain(struct err *err, int error, const char *to, ...) __attribute__((format(printf, 3, 4)));

#endif
