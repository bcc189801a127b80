/*
 * dom.h - between the files that read documents: elements by local name, texts copied into the arena.
 *
 * The tree is our own, made while libxml2 parses (sax.c): it holds what VAST needs, lies in one arena and is
 * gone with it at once. libxml2's, which has an allocation for each thing and frees them one by one, takes as
 * long to make and to end as the parsing itself; where it is needed (XPaths, schemas), there is xml.h.
 *
 * VAST is matched by local name: documents with a prefix or without a namespace mean the same.
 */
#ifndef TRACEPOOL_WORKER_VAST_DOM_H
#define TRACEPOOL_WORKER_VAST_DOM_H

#include "worker/vast/vast.h"

#include <string.h>

struct dom_attr {
    const char *name;
    struct str value;
};

enum { DOM_MAX = 64 * 1024 * 1024 }; /* bytes of one tree */

/* An element. Names are "prefix:local" where the prefix was never declared, as libxml2 has it. */
struct dom_node {
    const char *name;
    struct str text; /* its own, joined around child elements; without the space before it */
    size_t text_cap;
    struct dom_attr *attrs;
    int nattrs, line;
    struct dom_node *parent, *first, *next;
};

enum dom_result {
    DOM_READ,
    DOM_MALFORMED,
    DOM_DOCTYPE, /* has one; what is not well-formed besides is that in the first place */
    DOM_TOO_BIG,
};

struct dom {
    enum dom_result result;
    bool has_doctype;
    struct dom_node *root; /* with DOM_READ */
    struct dom_node *open; /* while it is read: the element that is, and where the next one goes */
    struct dom_node **tail;
    struct _xmlParserCtxt *context; /* owned; the names are its */
    struct arena arena;             /* all else */
};

/* Reads the bytes as they are, without a repair. Whatever becomes of it, dom_finish releases it. */
void dom_init(struct dom *d, struct str bytes);
void dom_finish(struct dom *d);
DEFINE_SCOPED(dom, struct dom, dom_finish)

/* What the parser found fault with, and on which line. */
void dom_problem(const struct dom *d, char *out, size_t size);

#define EACH_ELEMENT(child, parent)                                                                          \
    for (const struct dom_node *child = (parent) ? (parent)->first : NULL; child; child = child->next)

static inline bool dom_is(const struct dom_node *node, const char *name)
{
    return node->name[0] == name[0] && strcmp(node->name, name) == 0;
}

/* The first child element of that name, or NULL; parent may be NULL. */
const struct dom_node *dom_child(const struct dom_node *parent, const char *name);

/*
 * The element's trimmed text, copied; ptr NULL when it is empty or node is NULL. Passing the arena's ceiling
 * is noticed at the end by arena.is_full.
 */
struct str dom_text(struct arena *a, const struct dom_node *node);
/* The attribute's trimmed value, copied; ptr NULL when it is absent or empty. */
struct str dom_attribute(struct arena *a, const struct dom_node *node, const char *name);

/* Appends every non-empty child of that name. */
void dom_urls(struct arena *a, const struct dom_node *parent, const char *name, struct vast_urls *out);
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
void vast_read_creatives(struct arena *a, const struct dom_node *parent, struct vast_ad *ad);
/* TrackingEvents/Tracking below the element. */
void vast_read_tracking(struct arena *a, const struct dom_node *parent, struct vast_trackings *out);

#endif
