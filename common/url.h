/*
 * url.h - URLs as browsers read them: the WHATWG URL Standard's parser, and what goes with it.
 *
 * A redirect chain is only right when each Location is resolved the way a browser would. libcurl's
 * reading differs from that in four cases of ten, so tracepool has its own, and hands libcurl nothing
 * but its result (`href`), which every URL reader understands alike.
 *
 * Two differences from the standard, both on purpose:
 *   - the query is always encoded as UTF-8 (a browser uses the page's own encoding for its links);
 *   - a host label that is not ASCII must fit into 63 bytes once encoded, unless it is made of
 *     symbols: libidn2 refuses longer ones, and DNS could not carry them. A name of more than 4 KiB is
 *     refused altogether.
 *
 * Whether a URL may be visited is guard.h's question, not this one's.
 */
#ifndef TRACEPOOL_COMMON_URL_H
#define TRACEPOOL_COMMON_URL_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/scope.h"
#include "common/str.h"

/* Longer input is refused (ERR_TOO_BIG) before anything is allocated for it. */
enum { URL_MAX_BYTES = 128 * 1024 };

enum url_host_kind {
    URL_HOST_NONE,   /* no authority at all: mailto:x, data:x, foo:/x */
    URL_HOST_DOMAIN, /* a name, ASCII (punycode), lower case; may end in a dot */
    URL_HOST_IPV4,   /* dotted decimal, however it was spelled; ip[0..3] */
    URL_HOST_IPV6,   /* in brackets, compressed; ip[0..15] */
    URL_HOST_OPAQUE, /* of a scheme that the standard does not know; not empty */
    URL_HOST_EMPTY,  /* file:///x, foo:///x */
};

/* All parts are views into href and live in the arena that url_parse was given. */
struct url {
    struct str href;     /* the whole, serialised; parsing it again gives the same URL */
    struct str scheme;   /* lower case, without the colon */
    struct str username; /* percent-encoded; empty when there is none */
    struct str password; /* percent-encoded; empty when there is none */
    struct str host;     /* as in href, IPv6 with its brackets; ptr is NULL when there is no authority */
    struct str path;     /* starts with '/' unless it is empty or opaque */
    struct str query;    /* without '?'; ptr is NULL when there is none, which differs from empty */
    struct str fragment; /* without '#'; ptr is NULL when there is none, which differs from empty */
    int port;            /* -1 when none is written or it is the scheme's default */
    enum url_host_kind host_kind;
    uint8_t ip[16]; /* network order */
    bool has_authority;
    bool has_opaque_path; /* mailto:x, javascript:x: nothing but a fragment can be resolved against it */
    bool is_special;      /* http, https, ws, wss, ftp, file */
};

/*
 * Reads input as a browser would, relative to base when that is not NULL. Input is UTF-8; bytes that are
 * not become U+FFFD. The href and nothing else is taken from the arena; base may live in another one.
 * Fails with ERR_BAD_URL, or ERR_TOO_BIG when input or arena is too big. The detail names the reason and
 * the scrubbed input.
 */
NODISCARD bool url_parse(struct arena *a, struct str input, const struct url *base, struct url *out,
                         struct err *err);

/* http or https: what a tracer follows. */
bool url_is_http(const struct url *u);
/* The port a connection goes to: the written one, else the scheme's default, else -1. */
int url_effective_port(const struct url *u);

/* "https://host:8080" for http, https, ws, wss and ftp; "null" for all others. ptr NULL: arena is full. */
NODISCARD struct str url_origin(struct arena *a, const struct url *u);
/* href up to its '#': what goes over the wire, and what two visits of a page have in common. A view. */
struct str url_without_fragment(const struct url *u);
/*
 * u with this fragment in place of its own. A browser carries the fragment of the old URL over to a
 * redirect target that has none. Fails like url_parse.
 */
NODISCARD bool url_with_fragment(struct arena *a, const struct url *u, struct str fragment, struct url *out,
                                 struct err *err);

/*
 * Appends input as the parser sees it: outer blanks and controls, and every tab and line break, gone;
 * invalid UTF-8 replaced. False when out is full.
 */
bool url_strip(struct str input, struct buf *out);

/* The percent-encode sets of the standard that the rest of tracepool needs. */
enum url_encode_set {
    URL_ENCODE_CONTROLS,      /* C0 controls, DEL and everything beyond ASCII */
    URL_ENCODE_FRAGMENT,      /* and blank, " < > ` */
    URL_ENCODE_QUERY,         /* controls and blank, " # < > */
    URL_ENCODE_SPECIAL_QUERY, /* and ' (queries of http and its kin) */
    URL_ENCODE_PATH,          /* query and ? ^ ` { } */
    URL_ENCODE_USERINFO,      /* path and / : ; = @ [ \ ] | */
    URL_ENCODE_COMPONENT,     /* userinfo and $ % & + , : exactly JavaScript's encodeURIComponent */
    URL_ENCODE_SETS
};

/* Appends bytes, those of the set as %XX. A '%' stays as it is except in COMPONENT. False when full. */
bool url_percent_encode(struct buf *out, struct str bytes, enum url_encode_set set);
/* Appends bytes with each valid %XX replaced by its byte; what is no valid %XX stays. False when full. */
bool url_percent_decode(struct buf *out, struct str bytes);

/* Walks the pairs of an application/x-www-form-urlencoded string, such as a query. */
struct url_query_iter {
    struct str rest;
};

void url_query_init(struct url_query_iter *it, struct str query);
/*
 * The next pair as it is written: empty pieces between two '&' are passed over, a piece without '=' is a
 * name with an empty value. Views into the query. False at the end.
 */
bool url_query_next_raw(struct url_query_iter *it, struct str *name, struct str *value);
/*
 * A name or a value of it with '+' and %XX decoded. The bytes may be anything, NUL and invalid UTF-8
 * included. They live in the arena, or where they were when nothing had to be decoded. False when the arena
 * is full.
 */
bool url_query_decode(struct arena *a, struct str *s);
/* The next pair, decoded. False at the end and when the arena is full (a->is_full tells). */
bool url_query_next(struct url_query_iter *it, struct arena *a, struct str *name, struct str *value);

/*
 * Appends what may be written to a log: scheme://host[:port]/path?name=&name=. Credentials, the values of
 * parameters (also of ;name=value in the path), pieces without a name, and the fragment are dropped;
 * controls, blanks and bytes beyond ASCII come out percent-encoded. Takes any bytes, URL or not, and when it
 * cannot tell where credentials end it drops more, not less. A full buffer cuts it short.
 */
void url_scrub(struct str url, struct buf *out);

#endif
