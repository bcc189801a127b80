/*
 * purpose.h - is a request a click, or does it only look before one? Pure.
 */
#ifndef TRACEPOOL_EDGE_PURPOSE_H
#define TRACEPOOL_EDGE_PURPOSE_H

#include "common/httpd.h"

/*
 * Why it is no click: "head", or "prefetch" where the browser prepares for a visit that may never come
 * (prefetch, preview, prerender). NULL: it is one.
 */
const char *purpose_not_a_click(const struct httpd_head *head);

#endif
