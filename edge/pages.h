/*
 * pages.h - which path is what: clicks, health, metrics, and nothing else.
 */
#ifndef TRACEPOOL_EDGE_PAGES_H
#define TRACEPOOL_EDGE_PAGES_H

#include "common/httpd.h"
#include "common/pg/conn.h"
#include "edge/hit.h"

/* What the pages tell about; all borrowed. */
struct pages {
    struct hits *hits;
    struct spool *spool;
    struct offers_feed *feed;
    struct pg *pg;
};

/* Handlers for httpd_options.on_request; arg is a struct pages. */
void pages_public(void *arg, struct httpd_conn *conn, const struct httpd_request *request);
void pages_admin(void *arg, struct httpd_conn *conn, const struct httpd_request *request);

/*
 * Whether clicks can be taken: the spool can be written and offers are known. A database that is down
 * delays traces, not clicks: it does not make an edge unready.
 */
bool pages_is_ready(const struct pages *pages);

#endif
