/*
 * dom.c - short ways through a document's elements.
 */
#include "worker/vast/dom.h"

const struct dom_node *dom_child(const struct dom_node *parent, const char *name)
{
    EACH_ELEMENT(child, parent)
    {
        if (dom_is(child, name))
            return child;
    }
    return NULL;
}

static struct str copy_trimmed(struct arena *a, struct str text)
{
    struct str trimmed = str_trim(text);

    return trimmed.len ? arena_copy(a, trimmed) : (struct str){NULL, 0};
}

struct str dom_text(struct arena *a, const struct dom_node *node)
{
    return node ? copy_trimmed(a, node->text) : (struct str){NULL, 0};
}

struct str dom_attribute(struct arena *a, const struct dom_node *node, const char *name)
{
    for (int i = 0; i < node->nattrs; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            return copy_trimmed(a, node->attrs[i].value);
    return (struct str){NULL, 0};
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

void dom_urls(struct arena *a, const struct dom_node *parent, const char *name, struct vast_urls *out)
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
                (struct vast_url){.url = url, .id = dom_attribute(a, child, "id"), .line = child->line});
    }
}
