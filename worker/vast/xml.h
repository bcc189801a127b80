/*
 * xml.h - libxml2's own tree, for what libxml2 does with it: XPaths and schemas.
 */
#ifndef TRACEPOOL_WORKER_VAST_XML_H
#define TRACEPOOL_WORKER_VAST_XML_H

#include "common/scope.h"
#include "common/str.h"

#include <libxml/parser.h>

DEFINE_SCOPED_PTR(xmlDoc, xmlDoc, xmlFreeDoc)

/* How everything here is parsed: no network, and not a word on standard error. */
enum {
    XML_STRICT =
        XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_COMPACT | XML_PARSE_NOERROR | XML_PARSE_NOWARNING
};

/*
 * The tree of a well-formed document without a DOCTYPE, repaired if need be; NULL for others. Caller frees
 * it.
 */
xmlDoc *xml_read(struct str bytes);

#endif
