/*
 * visit.h - what a request says besides its query: where it comes from, and whether it is worth a trace.
 */
#ifndef TRACEPOOL_EDGE_VISIT_H
#define TRACEPOOL_EDGE_VISIT_H

#include "common/conf.h"
#include "common/httpd.h"
#include "edge/decide.h"
#include "edge/seen.h"
#include "edge/trust.h"

struct visits {
    const struct conf *conf; /* borrowed */
    struct seen *seen;       /* borrowed; NULL: no click repeats another */
    struct trust trust;
};

struct visit {
    struct str country; /* as a trusted proxy says, or empty */
    uint8_t address[TRUST_ADDRESS];
    bool is_known;           /* address is the visitor's */
    const char *skip_reason; /* "bot", "link_preview", "duplicate", "rate", or NULL: trace it */
    struct uuid duplicate_of;
    uint64_t key; /* under which this click is remembered; 0: it is not */
};

/* ERR_BAD_SETTING: edge.trusted_proxies can't be read. */
NODISCARD bool visits_init(struct visits *visits, const struct conf *conf, struct seen *seen,
                           struct err *err);

/* Country and address. */
void visit_read(const struct visits *visits, const struct httpd_request *request, struct visit *out);

/*
 * Whether a click that is to be traced had better not be: declared bots first, then repeated clicks, then
 * those of an address that clicks too fast. id NULL only looks; else the click counts from now on, and
 * visit_end is owed.
 */
void visit_judge(const struct visits *visits, const struct httpd_head *head, const struct decision *d,
                 const struct uuid *id, struct visit *visit);
/* The click is kept, or it is not: then nothing repeats it. */
void visit_end(const struct visits *visits, uint64_t key, const struct uuid *id, bool is_kept);

#endif
