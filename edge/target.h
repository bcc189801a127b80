/*
 * target.h - from an offer's URL and a click's parameters to the URL that the visitor is sent to, and to
 * the one that is traced. Pure: no clock, no network.
 *
 * An offer's URL is a template: `{name}` anywhere behind the authority is replaced by the inbound
 * parameter of that name, percent-encoded (nothing, when it did not come). Parameters that no placeholder
 * took are appended, as they were written, unless the URL has one of that name itself.
 *
 * The result is always a serialised URL of visible ASCII whose scheme, host and port are the template's:
 * a parameter can neither move them nor end the header line.
 */
#ifndef TRACEPOOL_EDGE_TARGET_H
#define TRACEPOOL_EDGE_TARGET_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "edge/inbound.h"

enum {
    TARGET_MAX_BYTES = 8192, /* of a Location, and of what is traced */
    TARGET_MAX_PLACEHOLDERS = 100,
};

/* What becomes of the visitor's click ids; the offer's trace_click_ids for what is traced. */
enum target_click_ids {
    TARGET_CLICK_IDS_NONE,    /* left out; a placeholder named after one is filled with nothing */
    TARGET_CLICK_IDS_MARKED,  /* replaced by TARGET_MARK */
    TARGET_CLICK_IDS_INBOUND, /* as they came: always so in a Location */
};

/* The click id that says who made the request. */
#define TARGET_MARK "tracepool-test"

struct target_part {
    struct str text; /* literal, or the placeholder's name */
    bool is_placeholder;
};

/* A compiled template. Everything in it lives in the arena it was compiled into. */
struct target {
    struct target_part *parts;
    size_t nparts;
    size_t fragment; /* the part that begins with '#'; nparts when there is none */
    bool has_query;
    struct str *names; /* decoded names of the parameters that the URL has itself */
    size_t nnames;
};

/* ERR_BAD_URL: no http or https URL, a placeholder in its authority, or too many of them. */
NODISCARD bool target_compile(struct arena *a, struct str text, struct target *out, struct err *err);

/*
 * A next hop that came with the click (Google's visible target). It must be an http(s) URL without
 * credentials whose host is in hosts: the name itself, or any name below one that is written ".name" or
 * "*.name". Braces in it are no placeholders. Its own click ids are treated as click_ids says.
 * ERR_BAD_URL when it is not to be followed.
 */
NODISCARD bool target_from_visitor(struct arena *a, struct str text, const struct str *hosts, size_t nhosts,
                                   enum target_click_ids click_ids, struct target *out, struct err *err);

/* Appends the URL to out; out->is_full afterwards when it is longer than that allows. */
void target_build(const struct target *target, const struct inbound *in, bool pass_params,
                  enum target_click_ids click_ids, struct buf *out);

#endif
