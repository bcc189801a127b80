/*
 * queries.c - the one place where the table that the build makes of queries.sql is kept.
 */
#define QUERIES_DEFINE
#include "edge/queries.h"

const struct query *const edge_queries = queries;
const int edge_nqueries = Q_COUNT;
