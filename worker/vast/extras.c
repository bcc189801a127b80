/*
 * extras.c - XPath over a document without its namespaces.
 */
#include "worker/vast/extras.h"

#include "common/json.h"
#include "worker/vast/xml.h"

#include <libxml/xpath.h>
#include <string.h>

enum { TEXTS_MAX = 100, TEXT_MAX = 4096, STEPS_MAX = 1000000, XPATH_BYTES = 1024 };

static void forget_namespaces(xmlNode *node)
{
    for (xmlNode *child = xmlFirstElementChild(node); child; child = xmlNextElementSibling(child))
        forget_namespaces(child);
    node->ns = NULL;
    for (xmlAttr *attr = node->properties; attr; attr = attr->next)
        attr->ns = NULL;
}

static void add_text(json_t *list, const xmlChar *text)
{
    struct str trimmed = str_trim(str_from((const char *)text));

    json_add(list, json_from_str(str_slice(trimmed, 0, TEXT_MAX)));
}

static void add_nodes(json_t *list, const xmlNodeSet *nodes)
{
    for (int i = 0; nodes && i < nodes->nodeNr && i < TEXTS_MAX; i++) {
        xmlChar *text = xmlXPathCastNodeToString(nodes->nodeTab[i]);

        add_text(list, text);
        xmlFree(text);
    }
}

static json_t *texts_of(xmlXPathObject *found)
{
    json_t *list = json_array();
    xmlChar *text;

    if (found->type == XPATH_NODESET) {
        add_nodes(list, found->nodesetval);
        return list;
    }
    text = xmlXPathCastToString(found);
    add_text(list, text);
    xmlFree(text);
    return list;
}

static void ignore(void *arg, xmlError *error)
{
    (void)arg;
    (void)error;
}

/* Of what an expression finds out at run time libxml2 tells only here, and by default standard error. */
static void ignore_text(void *arg, const char *text, ...)
{
    (void)arg;
    (void)text;
}

static json_t *evaluate(xmlDoc *xml, struct str xpath)
{
    xmlXPathContext *context = xmlXPathNewContext(xml);
    xmlXPathObject *found;
    json_t *texts;

    if (!context)
        abort();
    context->opLimit = STEPS_MAX;
    context->error = ignore;
    found = xpath.len <= XPATH_BYTES ? xmlXPathEvalExpression((const xmlChar *)xpath.ptr, context) : NULL;
    texts = found ? texts_of(found) : json_null();
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    return texts;
}

json_t *vast_extras_json(struct str bytes, const struct vast_provider *provider)
{
    json_t *object = json_object();
    SCOPED(xmlDoc) xml = xml_read(bytes);

    xmlSetGenericErrorFunc(NULL, ignore_text);
    if (xml)
        forget_namespaces(xmlDocGetRootElement(xml));
    for (int i = 0; i < provider->nextras; i++) {
        const struct vast_extra *extra = &provider->extras[i];

        json_put(object, extra->name.ptr, xml ? evaluate(xml, extra->xpath) : json_null());
    }
    return object;
}
