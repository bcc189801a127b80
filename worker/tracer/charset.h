/*
 * charset.h - which encoding a page is in, and the page in UTF-8.
 *
 * Labels are those of the WHATWG Encoding Standard, which differ from the names' plain meaning
 * (iso-8859-1 means windows-1252), and leave out what would be dangerous (UTF-7).
 */
#ifndef TRACEPOOL_WORKER_TRACER_CHARSET_H
#define TRACEPOOL_WORKER_TRACER_CHARSET_H

#include "common/buf.h"
#include "common/scope.h"
#include "common/str.h"

/*
 * The encoding of a page by its byte order mark, the charset of its Content-Type, or a meta tag in its
 * first 1024 bytes, in that order; windows-1252 otherwise. A name that iconv knows; never NULL.
 */
const char *charset_of_page(struct str body, struct str content_type);

/* iconv's name for a label, or NULL when browsers do not know the label. */
const char *charset_from_label(struct str label);

/* The value of name= in "type/subtype; name=value", without quotes; ptr is NULL when it is not there. */
struct str charset_parameter(struct str content_type, struct str name);

/*
 * Appends body as UTF-8 without its byte order mark; what is no character in that encoding becomes U+FFFD.
 * False when out is full (what fits is there) or when this machine's iconv lacks the encoding.
 */
NODISCARD bool charset_to_utf8(const char *charset, struct str body, struct buf *out);

#endif
