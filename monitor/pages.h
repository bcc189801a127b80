/*
 * pages.h - the dashboard's page, style and scripts, embedded at build time (monitor/dashboard/).
 *
 *     GET /                      the page; asked for again each time, by its ETag
 *     GET /assets/TAG/NAME       all the rest; TAG is a hash of all files, so it may be cached for ever
 *
 * They hold nothing that is secret and need no token: data comes from dashboard.c's calls, which do.
 */
#ifndef TRACEPOOL_MONITOR_PAGES_H
#define TRACEPOOL_MONITOR_PAGES_H

#include "common/httpd.h"

/* Answers GET and HEAD of those paths. False, and no answer, for every other request. */
bool pages_answer(struct httpd_conn *conn, const struct httpd_head *head);

struct monitor;
/* GET /openapi.json: what the operator's API takes and answers, monitor/openapi.json as it is. */
void pages_get_description(struct monitor *m, struct httpd_conn *conn);

#endif
