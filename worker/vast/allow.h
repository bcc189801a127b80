/*
 * allow.h - may a tracking request go to this URL? The one place where that is decided.
 *
 * Asked with the URL as it is about to be sent, macros expanded, and again for every redirect. The list is
 * the operator's table tracking_allowed_hosts; an empty list allows nothing.
 */
#ifndef TRACEPOOL_WORKER_VAST_ALLOW_H
#define TRACEPOOL_WORKER_VAST_ALLOW_H

#include "common/url.h"

/*
 * Entries are host names or IPv4 addresses in lower case and without a trailing dot. One that begins with a
 * dot means the names below it, not the name itself. Whoever made the list owns it.
 */
struct allow_list {
    const struct str *hosts;
    int n;
};

/*
 * True for an http or https URL whose host has an entry. The host is the one that a browser would connect to
 * (url.h), so case, IDN, odd spellings of addresses and a trailing dot make no difference. An address
 * matches an exact entry only. Otherwise ERR_BLOCKED_ADDRESS names the host.
 */
NODISCARD bool allow_url(const struct allow_list *list, const struct url *url, struct err *err);

/* The host as entries are written: without a trailing dot. A view. */
struct str allow_host(const struct url *url);

#endif
