/*
 * sax.c - a document's tree, out of what libxml2 tells while it parses.
 *
 * Strictly: no network, no entities, no DTD, no XML_PARSE_HUGE (which would lift the limits of depth and
 * length). The first declaration of an entity ends the reading: what has a DOCTYPE is refused in any case.
 */
#include "worker/vast/dom.h"
#include "worker/vast/xml.h"

#include <libxml/SAX2.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { ATTR_FIELDS = 5 };

static void stop(struct dom *d, enum dom_result why)
{
    d->result = why;
    xmlStopParser(d->context);
}

/* --- texts --------------------------------------------------------------------------------------- */

/* Room behind the text for len more bytes. */
static bool reserve(struct dom *d, struct dom_node *node, size_t len)
{
    size_t cap = node->text.len + len;
    char *more;

    if (cap <= node->text_cap)
        return true;
    if (node->text_cap)
        cap *= 2;
    more = arena_bytes(&d->arena, cap);
    if (!more)
        return false;
    if (node->text.len)
        memcpy(more, node->text.ptr, node->text.len);
    node->text.ptr = more;
    node->text_cap = cap;
    return true;
}

static void on_text(void *arg, const xmlChar *bytes, int len)
{
    struct dom *d = arg;
    struct dom_node *node = d->open;
    struct str more = {(const char *)bytes, (size_t)len};

    if (node && !node->text.len)
        more = str_trim_start(more);
    if (!node || !more.len)
        return;
    if (!reserve(d, node, more.len))
        return stop(d, DOM_TOO_BIG);
    memcpy((char *)node->text.ptr + node->text.len, more.ptr, more.len);
    node->text.len += more.len;
}

/* libxml2 hands on attributes with every ampersand that came as a reference still written "&#38;". */
static struct str unescape(char *bytes, size_t len)
{
    static const char written[] = "&#38;";
    const size_t size = sizeof(written) - 1;
    char *in = memchr(bytes, '&', len), *end = bytes + len, *out = in;

    while (in && in < end) {
        size_t used = (size_t)(end - in) >= size && memcmp(in, written, size) == 0 ? size : 1;

        *out++ = *in;
        in += used;
    }
    return (struct str){bytes, out ? (size_t)(out - bytes) : len};
}

/* --- elements ------------------------------------------------------------------------------------ */

static const char *name_of(struct dom *d, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
    const xmlChar *name = prefix && !uri ? xmlDictQLookup(d->context->dict, prefix, local) : local;

    if (!name)
        abort();
    return (const char *)name;
}

/* Each is five pointers: local name, prefix, URI, begin and end of the value. */
static bool add_attrs(struct dom *d, struct dom_node *node, int n, const xmlChar **fields)
{
    node->attrs = n ? arena_alloc(&d->arena, (size_t)n * sizeof(*node->attrs)) : NULL;
    for (; node->attrs && node->nattrs < n; fields += ATTR_FIELDS) {
        size_t len = (size_t)(fields[4] - fields[3]);
        char *bytes = arena_bytes(&d->arena, len + 1);

        if (!bytes)
            return false;
        memcpy(bytes, fields[3], len);
        node->attrs[node->nattrs++] =
            (struct dom_attr){name_of(d, fields[0], fields[1], fields[2]), unescape(bytes, len)};
    }
    return !n || node->attrs;
}

static void on_start(void *arg, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
                     int nnamespaces, const xmlChar **namespaces, int nattrs, int ndefaulted,
                     const xmlChar **attrs)
{
    struct dom *d = arg;
    struct dom_node *node = arena_alloc(&d->arena, sizeof(*node));

    (void)nnamespaces;
    (void)namespaces;
    (void)ndefaulted;
    if (!node || !add_attrs(d, node, nattrs, attrs))
        return stop(d, DOM_TOO_BIG);
    node->name = name_of(d, local, prefix, uri);
    node->line = d->context->input->line;
    node->parent = d->open;
    *d->tail = node;
    d->tail = &node->first;
    d->open = node;
}

static void on_end(void *arg, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
    struct dom *d = arg;

    (void)local;
    (void)prefix;
    (void)uri;
    d->tail = &d->open->next;
    d->open = d->open->parent;
}

static void on_doctype(void *arg, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    struct dom *d = arg;

    (void)name;
    (void)id;
    (void)system;
    d->has_doctype = true;
}

static void on_entity(void *arg, const xmlChar *name, int type, const xmlChar *id, const xmlChar *system,
                      xmlChar *content)
{
    (void)name;
    (void)type;
    (void)id;
    (void)system;
    (void)content;
    stop(arg, DOM_DOCTYPE);
}

/* --- documents ----------------------------------------------------------------------------------- */

static const xmlSAXHandler handler = {.initialized = XML_SAX2_MAGIC,
                                      .internalSubset = on_doctype,
                                      .entityDecl = on_entity,
                                      .startElementNs = on_start,
                                      .endElementNs = on_end,
                                      .characters = on_text,
                                      .ignorableWhitespace = on_text};

static enum dom_result result_of(const struct dom *d)
{
    if (!d->context->wellFormed)
        return DOM_MALFORMED;
    if (d->has_doctype)
        return DOM_DOCTYPE;
    if (!d->root || d->context->errNo == XML_ERR_NO_MEMORY)
        abort(); /* libxml2 without memory stops, and what it has read until then is well-formed to it */
    return DOM_READ;
}

void dom_init(struct dom *d, struct str bytes)
{
    *d = (struct dom){.arena.ceiling = DOM_MAX, .context = xmlNewParserCtxt()};
    if (!d->context)
        abort();
    d->tail = &d->root;
    *d->context->sax = handler;
    d->context->userData = d;
    if (bytes.len > INT_MAX) {
        d->result = DOM_MALFORMED;
        return;
    }
    /* For the declarations of a DOCTYPE libxml2 makes a document of its own all the same. */
    xmlFreeDoc(xmlCtxtReadMemory(d->context, bytes.ptr, (int)bytes.len, NULL, NULL, XML_STRICT));
    if (d->result == DOM_READ)
        d->result = result_of(d);
}

void dom_finish(struct dom *d)
{
    xmlFreeParserCtxt(d->context);
    arena_finish(&d->arena);
}

void dom_problem(const struct dom *d, char *out, size_t size)
{
    const xmlError *error = xmlCtxtGetLastError(d->context);
    struct str message = str_trim(str_from(error ? error->message : "no document"));

    snprintf(out, size, "line %d: %.*s", error ? error->line : 1, STR_ARG(message));
}
