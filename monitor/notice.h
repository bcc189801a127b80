/*
 * notice.h - a message about an alert, in the shape that its receiver reads.
 *
 * Pure: what claim_alert_notices() returned in, a body and headers out. notify.c sends them.
 */
#ifndef TRACEPOOL_MONITOR_NOTICE_H
#define TRACEPOOL_MONITOR_NOTICE_H

#include "common/buf.h"
#include "common/conf.h"

#include <jansson.h>

/*
 * The body. json: the notice as it is, with "source" and "version". pagerduty: Events API v2, an incident by
 * incident id, routing_key from alerts.webhook_secret. slack: an incoming webhook's text.
 */
void notice_write(const struct conf *conf, const json_t *notice, struct buf *body);

/*
 * X-Tracepool-Signature: sha256=HEX, the HMAC of the body with alerts.webhook_secret as its key; as one
 * header line. Nothing for other formats and without a secret.
 */
void notice_sign(const struct conf *conf, struct str body, struct buf *header);

/* How many addresses alerts.webhook_url names; ERR_BAD_SETTING says which is none, and never what it is. */
NODISCARD bool notice_check_settings(const struct conf *conf, int *ntargets, struct err *err);
/* Address number target, from 1, appended to out. */
void notice_put_url(const struct conf *conf, int target, struct buf *out);

#endif
