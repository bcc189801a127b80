/*
 * dashboard.h - the data that the dashboard's page asks for. All of it GET, JSON, and behind the token.
 *
 *     /dashboard/v1/overview                      what the first page shows
 *     /dashboard/v1/history?span=SECONDS          points for charts
 *     /dashboard/v1/traces?search=&status=&country=&offer=&mode=&outcome=&before=&before_id=&limit=
 *     /dashboard/v1/trace?id=                     one trace with its attempts, evidence and events
 *     /dashboard/v1/offers?search=                /dashboard/v1/offer?name=
 *     /dashboard/v1/pool?country=&state=&search=&after=&limit=
 *     /dashboard/v1/evidence?id=&attempt=&kind=   the bytes of a screenshot, a HAR, ...
 *     /dashboard/v1/changes                       a stream of events when there is something new (live.h)
 *
 * The SQL functions dashboard_*() make the JSON and judge the values; here a query string becomes their
 * argument. No value of a query is a secret, and the token never travels in one.
 */
#ifndef TRACEPOOL_MONITOR_DASHBOARD_H
#define TRACEPOOL_MONITOR_DASHBOARD_H

#include "common/err.h"
#include "common/str.h"

#include <jansson.h>

struct httpd_conn;
struct monitor;

/* One of the calls above but for changes, by its path. */
void dashboard_get(struct monitor *m, struct httpd_conn *conn);

/*
 * Pure: the names and values of a query string as an object of strings. ERR_BAD_INPUT names a field that
 * is none of names (ended by NULL), comes twice, or is longer than 300 bytes. The caller owns the object.
 */
NODISCARD json_t *dashboard_arguments(struct str query, const char *const *names, struct err *err);

#endif
