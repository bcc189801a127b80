/*
 * resolve.h - the addresses of a target's hosts, looked up in libuv's thread pool.
 *
 * A host whose lookup fails is left out; all of them failing is the error. Addresses keep the order of
 * the hosts. The lookup cannot be interrupted: abandoning one only means that nobody is told.
 */
#ifndef TRACEPOOL_COMMON_PG_RESOLVE_H
#define TRACEPOOL_COMMON_PG_RESOLVE_H

#include "common/pg/target.h"

#include <uv.h>

struct pg_resolve;

/* err->code is ERR_OK, or ERR_DATABASE when no host has an address. addresses belong to the lookup. */
typedef void (*pg_resolve_cb)(void *arg, const struct pg_address *addresses, int naddresses,
                              const struct err *err);

/*
 * Answered by one callback on the loop, never from within; target is borrowed until then. NULL, with
 * *err set and no callback, when not one name can even be asked for.
 */
NODISCARD struct pg_resolve *pg_resolve_start(uv_loop_t *loop, const struct pg_target *target,
                                              pg_resolve_cb done, void *arg, struct err *err);
/* No callback will come, target may go. NULL is accepted. */
void pg_resolve_abandon(struct pg_resolve *r);

/* Addresses of a target whose hosts need no lookup; false when one does. */
NODISCARD bool pg_resolve_literals(const struct pg_target *t, struct pg_address *out, int *n);

#endif
