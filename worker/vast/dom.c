/*
 * dom.c - short ways through libxml2's tree.
 */
#include "worker/vast/dom.h"

#include "common/buf.h"

#include <string.h>

enum { TEXT_MAX = 1024 * 1024 };

bool dom_is(const xmlNode *node, const char *name)
{
    return strcmp((const char *)node->name, name) == 0;
}

xmlNode *dom_child(xmlNode *parent, const char *name)
{
    EACH_ELEMENT(child, parent)
    {
        if (dom_is(child, name))
            return child;
    }
    return NULL;
}

static bool is_text(const xmlNode *node)
{
    return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE;
}

static struct str copy_trimmed(struct arena *a, struct str text)
{
    struct str trimmed = str_trim(text);

    return trimmed.len ? arena_copy(a, trimmed) : (struct str){NULL, 0};
}

/* Text in several pieces (around comments or child elements) is put together. */
static struct str join_text(struct arena *a, const xmlNode *first)
{
    SCOPED_VALUE(buf) all;

    buf_init(&all, TEXT_MAX);
    for (const xmlNode *n = first; n; n = n->next)
        if (is_text(n) && n->content)
            buf_append_str(&all, str_from((const char *)n->content));
    return copy_trimmed(a, buf_str(&all));
}

static struct str text_of(struct arena *a, const xmlNode *first)
{
    if (!first)
        return (struct str){NULL, 0};
    if (is_text(first) && !first->next)
        return copy_trimmed(a, str_from((const char *)first->content));
    return join_text(a, first);
}

struct str dom_text(struct arena *a, xmlNode *node)
{
    return text_of(a, node ? node->children : NULL);
}

struct str dom_attribute(struct arena *a, xmlNode *node, const char *name)
{
    for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
        if (strcmp((const char *)attr->name, name) == 0)
            return text_of(a, attr->children);
    return (struct str){NULL, 0};
}

int dom_line(const xmlNode *node)
{
    return (int)xmlGetLineNo(node);
}

void *dom_grow(struct arena *a, void *items, int n, int *cap, size_t size)
{
    void *more;

    if (n < *cap)
        return items;
    more = arena_alloc(a, (size_t)(*cap ? *cap * 2 : 2) * size);
    if (!more)
        return NULL;
    if (n)
        memcpy(more, items, (size_t)n * size);
    *cap = *cap ? *cap * 2 : 2;
    return more;
}

void dom_add_url(struct arena *a, struct vast_urls *urls, struct vast_url url)
{
    struct vast_url *slot = DOM_APPEND(a, urls->items, urls->n, urls->cap);

    if (slot)
        *slot = url;
}

void dom_urls(struct arena *a, xmlNode *parent, const char *name, struct vast_urls *out)
{
    EACH_ELEMENT(child, parent)
    {
        struct str url;

        if (!dom_is(child, name))
            continue;
        url = dom_text(a, child);
        if (url.ptr)
            dom_add_url(
                a, out,
                (struct vast_url){.url = url, .id = dom_attribute(a, child, "id"), .line = dom_line(child)});
    }
}
