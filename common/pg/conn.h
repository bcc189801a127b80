/*
 * conn.h - one asynchronous connection to PostgreSQL on a libuv loop.
 *
 * Connects, prepares every query of the program, then runs one query at a time from a bounded queue.
 * Every query has a deadline of our own: a stopped server still acknowledges TCP, so only a timer of
 * ours notices. A missed deadline or a lost connection ends with PQfinish and a reconnect with
 * jittered backoff (100 ms doubling to 5 s); nothing is retried here: the caller knows what may be.
 * A server that refuses a write because it takes none (25006: demoted, or told so) is left in the same way,
 * so that of a list of hosts the one is found that does.
 * Nothing blocks the loop: host names are resolved by libuv's thread pool and handed over as hostaddr.
 *
 * Every pg_send is answered by exactly one callback, never from within pg_send itself.
 */
#ifndef TRACEPOOL_COMMON_PG_CONN_H
#define TRACEPOOL_COMMON_PG_CONN_H

#include "common/err.h"
#include "common/pg/query.h"

#include <libpq-fe.h>
#include <stdint.h>
#include <uv.h>

struct pg;

/*
 * The answer to one query. On success err->code is ERR_OK and res holds the rows; else res is the
 * server's error result or NULL, and err is ERR_DATABASE (refused, gone, queue full, not connected) or
 * ERR_DATABASE_TIMEOUT. sqlstate is the server's five characters, "" when it did not answer.
 * res belongs to the connection and is gone after the callback.
 */
typedef void (*pg_done_cb)(void *arg, PGresult *res, const char *sqlstate, const struct err *err);

struct pg_options {
    uv_loop_t *loop;
    const char *url;              /* copied; hosts may be a list, as libpq has it */
    const char *application_name; /* copied; cut to 63 bytes by the server */
    const struct query *queries;  /* borrowed for the connection's life */
    int nqueries;
    const char *const *channels; /* LISTEN on these after each connect; NULL-terminated, or NULL; borrowed */
    bool pooled;                 /* transaction pooler in between: unnamed statements, no LISTEN */
    int64_t connect_timeout_ms;
    int64_t query_timeout_ms;
    int schema_version; /* refuse a database whose schema_version() is lower; 0: do not ask */
    int max_queued;     /* queries waiting at once; 0: 1024 */
    void *arg;
    void (*on_up)(void *arg);                          /* connected, prepared, listening; may be NULL */
    void (*on_down)(void *arg, const struct err *err); /* was up, or an attempt failed; may be NULL */
    void (*on_notify)(void *arg, const char *channel, const char *payload); /* may be NULL */
};

/* Starts connecting at once; on_up and on_down tell how it goes. Never fails. */
struct pg *pg_create(const struct pg_options *options);
/*
 * Ends the connection; waiting queries are answered with ERR_DATABASE before it returns to the loop.
 * on_closed (may be NULL) is called when the last handle is gone; the pointer is invalid then.
 */
void pg_destroy(struct pg *pg, void (*on_closed)(void *arg), void *arg);

bool pg_is_up(const struct pg *pg);
/* Queries sent and waiting. */
int pg_queued(const struct pg *pg);

/*
 * Queues query number q (an index into queries). values are text, NULL for SQL NULL, copied; their
 * number is the query's nparams. timeout_ms runs from the moment the query is sent, not while others are
 * before it; 0: the connection's own. A longer one is of no use unless the connection is pooled: the server's
 * statement_timeout is the connection's query_timeout_ms and a second.
 * While the connection is down the query is answered with ERR_DATABASE at once (on the next turn of
 * the loop), so a caller never waits for a reconnect without having asked to.
 */
void pg_send(struct pg *pg, int q, const char *const *values, int64_t timeout_ms, pg_done_cb done, void *arg);

/*
 * The same, in one transaction with the query that was queued last, where that one still waits and was not
 * joined to another itself: one round trip, one commit, and either both are carried out or neither. Where one
 * is refused, the other gets ERR_DATABASE without a sqlstate. Both are answered when the commit is known, in
 * their order. The longer timeout holds for both.
 */
void pg_send_joined(struct pg *pg, int q, const char *const *values, int64_t timeout_ms, pg_done_cb done,
                    void *arg);

#endif
