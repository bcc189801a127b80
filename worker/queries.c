/*
 * queries.c - the one place where the table that the build makes of queries.sql is kept.
 */
#define QUERIES_DEFINE
#include "worker/queries_worker.h"

#include "worker/queries.h"

const struct query *const worker_queries = queries;
const int worker_nqueries = Q_COUNT;
