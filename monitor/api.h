/*
 * api.h - the operator's calls: who may make them, and who answers which.
 *
 *     GET  /healthz                      is the program alive (no token)
 *     GET  /metrics                      metrics.c
 *     GET  /functions/v1/pool-monitor    status.c; POST records a row of statistics
 *     POST /functions/v1/trace-worker    batch.c
 *     GET  /functions/v1/alerts          alert_calls.c; POST silence-alert, end-silence, acknowledge-alert
 *     POST /functions/v1/process-trace-parallel, /functions/v1/intelligent-tracer    single.c
 *     GET  /openapi.json                 what all of these take and answer (no token)
 *     GET  / and /assets/                pages.c: the dashboard's page (no token)
 *     GET  /dashboard/v1/                dashboard.c, live.c: the data that it shows
 *
 * With a token configured, every other path wants `Authorization: Bearer TOKEN`; an unknown path
 * is not told apart from a known one without it.
 */
#ifndef TRACEPOOL_MONITOR_API_H
#define TRACEPOOL_MONITOR_API_H

#include "common/conf.h"
#include "common/httpd.h"

/* httpd_options.on_request; arg is the struct monitor. */
void api_on_request(void *arg, struct httpd_conn *conn, const struct httpd_request *request);

/* ERR_BAD_SETTING when the listen address can be reached from outside and no token is set. */
NODISCARD bool api_check_settings(const struct conf *conf, struct err *err);

/* Whether an Authorization header's value carries one of the two tokens; empty tokens match nothing. */
bool api_token_matches(struct str authorization, struct str token, struct str previous);

#endif
