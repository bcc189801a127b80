/*
 * base64.h - RFC 4648, section 4, with its padding.
 */
#ifndef TRACEPOOL_COMMON_BASE64_H
#define TRACEPOOL_COMMON_BASE64_H

#include "common/buf.h"

/* Appends; the buffer's is_full says whether there was room. */
void base64_put(struct buf *out, struct str bytes);

/* Appends "Basic ", and user and password as RFC 7617 has them. No copy of the password stays in memory. */
void base64_put_basic(struct buf *out, struct str user, struct str password);

/* Appends what text stands for; padding may be missing. False when it is no base64, or out is full. */
NODISCARD bool base64_take(struct str text, struct buf *out);

#endif
