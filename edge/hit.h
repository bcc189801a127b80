/*
 * hit.h - one click over HTTP: decided, spooled, and answered once it is on disk.
 */
#ifndef TRACEPOOL_EDGE_HIT_H
#define TRACEPOOL_EDGE_HIT_H

#include "common/conf.h"
#include "common/httpd.h"
#include "edge/access.h"
#include "edge/keep.h"
#include "edge/offers_feed.h"
#include "edge/seen.h"

struct hits;

/* What it works with; all borrowed, and must outlive it. */
struct hits_parts {
    struct offers_feed *feed;
    struct keep *keep;
    struct seen *seen;     /* NULL: no click repeats another, none comes too fast */
    struct access *access; /* NULL: no access log */
};

/* The paths that take clicks. */
enum hit_path { HIT_INSTANT, HIT_OLD };

/* conf is borrowed. ERR_BAD_SETTING: the fallback URL or the trusted proxies can't be used. */
NODISCARD bool hits_create(const struct conf *conf, const struct hits_parts *parts, struct hits **out,
                           struct err *err);
/* When every click is answered. Accepts NULL. */
void hits_destroy(struct hits *hits);

/* Answers one click, now or when it is durable. */
void hit_handle(struct hits *hits, enum hit_path path, struct httpd_conn *conn,
                const struct httpd_request *request);

#endif
