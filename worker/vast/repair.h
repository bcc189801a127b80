/*
 * repair.h - one repair of a document that is no well-formed XML, at the level of bytes.
 *
 * Only what can be mended without guessing at a URL: bytes before the first '<' and behind the root's
 * end tag, characters that XML does not allow, '&' that begins no known entity (taken literally),
 * windows-1252 without a declaration, a second attribute of one name (the first wins), an end tag that
 * differs from its start tag by case alone.
 */
#ifndef TRACEPOOL_WORKER_VAST_REPAIR_H
#define TRACEPOOL_WORKER_VAST_REPAIR_H

#include "common/buf.h"

enum { REPAIRED_MAX = 16 * 1024 * 1024 };

/* Writes the repaired document; false when there is nothing in it that could be repaired. */
NODISCARD bool vast_repair(struct str bytes, struct buf *out);

#endif
