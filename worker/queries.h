/*
 * queries.h - the worker's statements (queries.sql), for whoever opens a connection.
 */
#ifndef TRACEPOOL_WORKER_QUERIES_H
#define TRACEPOOL_WORKER_QUERIES_H

#include "common/pg/query.h"

extern const struct query *const worker_queries;
extern const int worker_nqueries;

#endif
