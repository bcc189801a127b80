/*
 * ask.h - the body of a call for one trace: its fields, each with its limits, made into what request_trace()
 * reads.
 *
 * Pure: text in, an object or a sentence out.
 */
#ifndef TRACEPOOL_MONITOR_ASK_H
#define TRACEPOOL_MONITOR_ASK_H

#include "common/err.h"
#include "common/str.h"

#include <jansson.h>

/* process-trace-parallel: request_id, offer_id, tracking_url, target_country, inbound_params, referrer. */
NODISCARD json_t *ask_read_process(struct str body, struct err *err);
/* intelligent-tracer: url, mode, target_country, referrer, max_redirects, timeout_ms. */
NODISCARD json_t *ask_read_intelligent(struct str body, struct err *err);
/* Both: the caller owns the object; NULL with ERR_BAD_INPUT: a sentence with thing, value and limit. */

#endif
