/*
 * tls.h - when a connection to PostgreSQL has to be encrypted although nobody said so.
 *
 * libpq's own default (sslmode=prefer) talks in the clear to whoever says that he has no TLS, passwords and
 * rows included. Here a server on another machine is asked for TLS: with a root certificate at hand it has to
 * prove its name too. Sockets and loopback addresses stay as libpq has them: nobody else is on that way.
 */
#ifndef TRACEPOOL_COMMON_PG_TLS_H
#define TRACEPOOL_COMMON_PG_TLS_H

#include "common/pg/target.h"

/* Whether string, environment or service file say how much TLS there must be. */
bool pg_tls_is_said(PQconninfoOption *defaults, PQconninfoOption *given);
/*
 * For a target with a host that is neither socket nor loopback (localhost, 127.0.0.0/8, ::1; another name is
 * another machine): sslmode=verify-full with sslrootcert, else require. Its hosts are listed already.
 */
void pg_tls_require(struct pg_target *t);
/* Whether such a target may end up in the clear: sslmode is disable, allow or prefer. */
bool pg_tls_is_optional(const struct pg_target *t);

#endif
