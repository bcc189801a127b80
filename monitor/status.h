/*
 * status.h - the JSON of /functions/v1/pool-monitor.
 */
#ifndef TRACEPOOL_MONITOR_STATUS_H
#define TRACEPOOL_MONITOR_STATUS_H

#include "common/err.h"
#include "common/str.h"

#include <jansson.h>

struct httpd_conn;
struct monitor;

/*
 * What pool_monitor() returned, in the seed's order of fields, with warnings and recommendation from
 * the alert rules. The caller owns it. ERR_INTERNAL when the text is no JSON object.
 */
NODISCARD json_t *status_from_text(struct str text, struct err *err);

/* GET: answers with the status of now. */
void status_get(struct monitor *m, struct httpd_conn *conn);
/* POST: records a row of statistics, then answers with the status that it was made from. */
void status_post(struct monitor *m, struct httpd_conn *conn);

#endif
