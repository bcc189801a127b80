/*
 * dom.h - between the files that walk libxml2's tree: elements by local name, text as views in the arena.
 *
 * VAST is matched by local name: documents with a prefix or without a namespace mean the same.
 */
#ifndef TRACEPOOL_WORKER_VAST_DOM_H
#define TRACEPOOL_WORKER_VAST_DOM_H

#include "worker/vast/vast.h"

#include <libxml/tree.h>

DEFINE_SCOPED_PTR(xmlDoc, xmlDoc, xmlFreeDoc)

/* Reads one element's children; passing the arena's ceiling is noticed at the end by arena.is_full. */
#define EACH_ELEMENT(child, parent)                                                                          \
    for (xmlNode *child = (parent) ? xmlFirstElementChild(parent) : NULL; child;                             \
         child = xmlNextElementSibling(child))

/* The tree of a well-formed document without a DOCTYPE, repaired if need be; NULL for others. Caller frees
 * it. */
xmlDoc *dom_read(struct str bytes);

bool dom_is(const xmlNode *node, const char *name);
/* The first child element of that name, or NULL; parent may be NULL. */
xmlNode *dom_child(xmlNode *parent, const char *name);

/* The element's trimmed text, copied; ptr NULL when it is empty or node is NULL. */
struct str dom_text(struct arena *a, xmlNode *node);
/* The attribute's trimmed value, copied; ptr NULL when it is absent or empty. */
struct str dom_attribute(struct arena *a, xmlNode *node, const char *name);
/* The line it stands on. */
int dom_line(const xmlNode *node);

/* Appends every non-empty child of that name. */
void dom_urls(struct arena *a, xmlNode *parent, const char *name, struct vast_urls *out);
void dom_add_url(struct arena *a, struct vast_urls *urls, struct vast_url url);

/*
 * Room for one more item of an array that lives in the arena; NULL when the arena is full.
 *     struct vast_ad *ad = DOM_APPEND(a, doc->ads, doc->nads, doc->ads_cap);
 */
void *dom_grow(struct arena *a, void *items, int n, int *cap, size_t size);
#define DOM_APPEND(a, items, n, cap)                                                                         \
    ({                                                                                                       \
        __typeof__(items) grown_ = dom_grow(a, items, n, &(cap), sizeof(*(items)));                          \
        if (grown_)                                                                                          \
            (items) = grown_;                                                                                \
        grown_ ? &(items)[(n)++] : NULL;                                                                     \
    })

/* Every Creative under the Creatives elements of an InLine or Wrapper (creative.c). */
void vast_read_creatives(struct arena *a, xmlNode *parent, struct vast_ad *ad);
/* TrackingEvents/Tracking below the element. */
void vast_read_tracking(struct arena *a, xmlNode *parent, struct vast_trackings *out);

#endif
