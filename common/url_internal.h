/*
 * url_internal.h - what the files of the URL parser share with each other and with nobody else.
 */
#ifndef TRACEPOOL_COMMON_URL_INTERNAL_H
#define TRACEPOOL_COMMON_URL_INTERNAL_H

#include "common/url.h"

enum { UTF8_REPLACEMENT = 0xFFFD };

/*
 * The code point at *at, which moves behind it. Ill-formed bytes give U+FFFD, one for each maximal part
 * that could have begun a character (Unicode 3.9, "substitution of maximal subparts"; what browsers do).
 */
uint32_t url_utf8_next(struct str s, size_t *at);
bool url_utf8_append(struct buf *out, uint32_t code);
bool url_is_ascii(struct str s);

struct url_host {
    enum url_host_kind kind;
    uint8_t ip[16];
};

/*
 * Appends the host of a URL in its serialised form (WHATWG URL, "host parser"). raw is neither empty nor
 * decoded. Returns NULL, or the reason for which it is no host.
 */
const char *url_host_parse(struct str raw, bool is_special, struct buf *out, struct url_host *host);

/*
 * Appends the domain in ASCII and lower case (WHATWG URL, "domain to ASCII", not strict). False when it is
 * no domain. Forbidden characters that are ASCII pass; the caller looks for them.
 */
NODISCARD bool url_domain_to_ascii(struct str domain, struct buf *out);

enum {
    URL_LABEL_CODES = 512, /* DNS has room for 63 bytes; browsers give more, so do we */
    URL_FIRST_CODE = 128,  /* that is not ASCII */
};

/* One label of a domain, as code points. */
struct url_label {
    uint32_t codes[URL_LABEL_CODES];
    size_t len;
};

/* False when it is full. */
NODISCARD bool url_label_add(struct url_label *l, uint32_t code);
/* Appends the label in punycode, without "xn--". What is ASCII in it must be in lower case. */
void url_punycode_append(struct buf *out, const struct url_label *l);
/* Appends the code points of a punycode text in lower case, without "xn--". False when it is none. */
NODISCARD bool url_punycode_decode(struct str text, struct url_label *out);

#endif
