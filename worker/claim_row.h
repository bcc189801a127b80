/*
 * claim_row.h - one row of claim_traces() as what the tracer needs.
 */
#ifndef TRACEPOOL_WORKER_CLAIM_ROW_H
#define TRACEPOOL_WORKER_CLAIM_ROW_H

#include "common/conf.h"
#include "worker/trace.h"

#include <libpq-fe.h>

/* The numbers of the columns in one result; looked up once per result. */
struct claim_columns {
    int request_id, attempt, retry_count, max_retries, offer_id, offer_name, url, country, options, wait_ms,
        ip;
    int scheme, host, port, user, secret, request_cursor, ip_cursor;
};
struct claim_columns claim_columns_of(const PGresult *res);

/*
 * Whether a request is one of the percent that run both modes in mode auto. By the last eight hexadecimal
 * digits of its id, which are random in a UUIDv7: below percent, modulo 100. In SQL:
 * ('x' || right(request_id::text, 8))::bit(32)::bigint % 100 < percent
 */
bool claim_is_sampled(struct str request_id, int percent);

/* "tracepool/VERSION (+contact)", or http.user_agent where the operator set one; in the arena. */
struct str claim_user_agent(const struct conf *conf, struct arena *a);

/*
 * Fills the claim from a row; text is copied into the arena. Identity (request, attempt, ip) is there
 * even on failure, because a claim that can't be traced must be finished all the same.
 * ERR_PROXY_UNKNOWN, ERR_BAD_INPUT or ERR_TOO_BIG say what can't be used.
 */
NODISCARD bool claim_read(const PGresult *res, int row, const struct claim_columns *at,
                          const struct conf *conf, struct arena *a, struct trace_claim *out, struct err *err);

#endif
