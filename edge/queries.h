/*
 * queries.h - the statements of queries.sql, by number, and the table that a connection prepares.
 */
#ifndef TRACEPOOL_EDGE_QUERIES_H
#define TRACEPOOL_EDGE_QUERIES_H

#include "edge/queries_edge.h"

extern const struct query *const edge_queries;
extern const int edge_nqueries;

#endif
