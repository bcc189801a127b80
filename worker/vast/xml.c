/*
 * xml.c - bytes to libxml2's tree: strictly, then once more after a repair.
 */
#include "worker/vast/xml.h"

#include "worker/vast/repair.h"

#include <limits.h>

static xmlDoc *read_strictly(struct str bytes)
{
    return bytes.len && bytes.len <= INT_MAX
               ? xmlReadMemory(bytes.ptr, (int)bytes.len, NULL, NULL, XML_STRICT)
               : NULL;
}

xmlDoc *xml_read(struct str bytes)
{
    SCOPED_VALUE(buf) mended = {.max = REPAIRED_MAX};
    SCOPED(xmlDoc) xml = read_strictly(bytes);

    if (!xml && vast_repair(bytes, &mended))
        xml = read_strictly(buf_str(&mended));
    return xml && !xmlGetIntSubset(xml) ? TAKE(xml) : NULL;
}
