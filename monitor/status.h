/*
 * status.h - the JSON of /functions/v1/pool-monitor.
 */
#ifndef TRACEPOOL_MONITOR_STATUS_H
#define TRACEPOOL_MONITOR_STATUS_H

#include "common/err.h"
#include "common/pg/conn.h"
#include "common/str.h"

#include <jansson.h>

struct httpd_conn;
struct monitor;

/* Sends the query for status_from_row. */
void status_ask(struct monitor *m, pg_done_cb done, void *arg);
/*
 * What pool_monitor() returned, in the original's order of fields, with warnings and recommendation from what
 * the alert rules saw, which is *look (alert_look()). The caller owns both. ERR_INTERNAL when one of them is
 * no JSON object.
 */
NODISCARD json_t *status_from_row(PGresult *res, json_t **look, struct err *err);
/* The same of two values; the caller owns what it returns. */
NODISCARD json_t *status_from_json(const json_t *status, const json_t *levels, struct err *err);

/* GET: answers with the status of now. */
void status_get(struct monitor *m, struct httpd_conn *conn);
/* POST: records a row of statistics, then answers with the status that it was made from. */
void status_post(struct monitor *m, struct httpd_conn *conn);

#endif
