/*
 * alert_calls.h - what a person does about an alert, over HTTP.
 *
 *     GET  /functions/v1/alerts               {"alerts": [...], "silences": [...]}
 *     POST /functions/v1/silence-alert        "rule", "subject", "minutes" or "until", "who", "note":
 *                                             {"silence": number}
 *     POST /functions/v1/end-silence          "silence": {"ended": true}, or 404
 *     POST /functions/v1/acknowledge-alert    "alert", "who", "note": {"acknowledged": true}, or 404
 *
 * The SQL functions of the same names do it, and judge the values.
 */
#ifndef TRACEPOOL_MONITOR_ALERT_CALLS_H
#define TRACEPOOL_MONITOR_ALERT_CALLS_H

struct httpd_conn;
struct monitor;

void alert_calls_list(struct monitor *m, struct httpd_conn *conn);
/* One of the three, by its path. */
void alert_calls_post(struct monitor *m, struct httpd_conn *conn);

#endif
