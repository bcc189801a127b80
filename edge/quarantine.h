/*
 * quarantine.h - puts one click aside that the database refuses for what is in it.
 *
 * It becomes a row of spool_quarantine, with the bytes that would have become a row of
 * active_trace_requests (the raw query is in them) and the server's refusal. tracepool-monitor check
 * speaks of it.
 */
#ifndef TRACEPOOL_EDGE_QUARANTINE_H
#define TRACEPOOL_EDGE_QUARANTINE_H

#include "common/pg/conn.h"
#include "common/str.h"

/* Whether a refusal with this SQLSTATE is about the rows that were sent, not about the server's state. */
bool quarantine_is_for(const char *sqlstate);

/*
 * payload is copied; incarnation names this edge; why is the server's word on the refusal. done as
 * pg_send has it: exactly once, and never from within this call.
 */
void quarantine_send(struct pg *pg, const char *incarnation, struct str payload, const char *sqlstate,
                     const struct err *why, pg_done_cb done, void *arg);

#endif
