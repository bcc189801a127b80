/*
 * wrapper_frame.h - between wrapper.c and wrapper_select.c: a document on the way to its ads.
 */
#ifndef TRACEPOOL_WORKER_VAST_WRAPPER_FRAME_H
#define TRACEPOOL_WORKER_VAST_WRAPPER_FRAME_H

#include "worker/vast/wrapper.h"

struct vast_frame {
    struct vast_frame *parent;
    const struct vast_ad *wrapper; /* of the parent's document, that led here; NULL for the source */
    const struct vast_doc *doc;
    const struct url *base; /* NULL: the document has no URL */
    struct str name;        /* as in struct vast_resolver, to notice a loop */
    int hop, depth;
    bool may_wrap, may_be_many;
    bool is_pod;
    const struct vast_ad **order; /* the ads to show */
    int norder, at;
    const struct vast_ad **spares; /* stand-alone ads that may stand in */
    int nspares, spare_at;
    const struct vast_ad *instead; /* the spare that comes next */
    bool is_spare;                 /* the ad that was taken last is one */
    int nfound, nfailed;
};

/* What the wrapper above allows in the document; everything when there is none. */
void frame_inherit(struct vast_frame *f);
/* Fills order and spares with the ads that count. False when the arena is full. */
NODISCARD bool frame_select(struct arena *a, struct vast_frame *f);
/* Whether a wrapper above forbids the ad by its category. */
bool frame_blocks(const struct vast_frame *f, const struct vast_ad *ad);
/* Whether its ads are a choice, of which a player shows one. */
bool frame_is_buffet(const struct vast_frame *f);

#endif
