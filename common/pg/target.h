/*
 * target.h - where a connection goes: a connection string taken apart, and put together for libpq.
 *
 * Pure: no network, no loop. libpq would resolve host names itself and block the loop meanwhile, so the
 * hosts are listed here, resolve.c finds their addresses, and pg_params_init hands libpq `hostaddr` with
 * `host` kept beside it for TLS and .pgpass. What the string leaves out comes from the PG* environment
 * and PGSERVICE, as libpq has it; but target_session_attrs, which is read-write unless one of them says
 * otherwise: of several hosts the one is taken that accepts writes.
 *
 * Texts of errors never quote the connection string: it may hold a password, and a password that was
 * not percent-encoded turns up as a piece of host or port.
 */
#ifndef TRACEPOOL_COMMON_PG_TARGET_H
#define TRACEPOOL_COMMON_PG_TARGET_H

#include "common/buf.h"
#include "common/err.h"

#include <libpq-fe.h>
#include <stdint.h>

enum { PG_MAX_HOSTS = 16, PG_MAX_ADDRESSES = 64, PG_ADDRESS_SIZE = 80, PG_MAX_PARAMS = 80 };

struct pg_host {
    struct str name;     /* empty: libpq's default socket */
    struct str port;     /* empty: libpq's default */
    struct str hostaddr; /* as the user gave it, or the name when that is an address; else empty */
    bool needs_lookup;   /* a name that only a resolver knows */
};

struct pg_target {
    PQconninfoOption *options;          /* owned: string over environment over libpq's defaults */
    struct pg_host hosts[PG_MAX_HOSTS]; /* views into options */
    int nhosts;                         /* 0: libpq's default socket */
};

/* Takes the string apart. ERR_BAD_SETTING says what is wrong with it, without quoting it. */
NODISCARD bool pg_target_init(struct pg_target *t, const char *url, struct err *err);
/* Accepts a zeroed target. */
void pg_target_finish(struct pg_target *t);

/* One address to try; text is empty for a socket directory, which libpq takes from the host. */
struct pg_address {
    int host; /* index in the target's hosts */
    char text[PG_ADDRESS_SIZE];
};

struct pg_extras {
    const char *application_name;
    int64_t connect_timeout_ms;
    int64_t statement_timeout_ms; /* 0: leave it to the server, as a pooler wants it */
};

/* The arguments of PQconnectStartParams; views into target and into itself. */
struct pg_params {
    const char *keywords[PG_MAX_PARAMS];
    const char *values[PG_MAX_PARAMS];
    int n;
    char texts[512];
    size_t texts_len;
    struct buf host, hostaddr, port, options;
};

/* first: which address comes first (taken modulo naddresses), the others follow in order. */
void pg_params_init(struct pg_params *p, const struct pg_target *t, const struct pg_address *addresses,
                    int naddresses, int first, const struct pg_extras *extras);
void pg_params_finish(struct pg_params *p);

/* Several lines of libpq become one; the target's password, should it be in there, becomes ***. */
void pg_target_clean_text(const struct pg_target *t, const char *text, char *out, size_t size);

#endif
