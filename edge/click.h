/*
 * click.h - one click as the JSON object that is spooled and that record_clicks() takes.
 */
#ifndef TRACEPOOL_EDGE_CLICK_H
#define TRACEPOOL_EDGE_CLICK_H

#include "common/buf.h"
#include "common/str.h"
#include "common/uuid.h"
#include "edge/inbound.h"

struct click {
    struct uuid id;
    struct str offer_id; /* empty: unknown offer */
    struct str offer;    /* as asked for; any bytes */
    struct str url;      /* what is traced */
    struct str country;
    const struct inbound *inbound;
    struct str raw_query;
    int64_t at_ms;           /* wall clock */
    const char *skip_reason; /* NULL: it is to be traced */
    struct str duplicate_of; /* a UUID, or empty */
    const char *path;        /* "track-hit-instant" or "track-hit" */
};

/*
 * Appends the object. Names and values may be any bytes: what jsonb would refuse becomes U+FFFD. Of
 * parameters with one name all are written, in order; jsonb keeps the last.
 */
void click_write(const struct click *click, struct buf *out);

/* Appends s as a JSON string, quotes included; NUL, invalid UTF-8 and surrogates become U+FFFD. */
void click_put_string(struct buf *out, struct str s);

#endif
