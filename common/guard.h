/*
 * guard.h - may this address be reached?
 *
 * A traced page decides where the next hop goes, so it could send us into our own network (SSRF). Two
 * questions, both of which must be answered with yes:
 *   - guard_allows_url, before a hop starts: what can be seen in the URL. It is the only line of defence
 *     where a proxy resolves names, because we never see the address that it connects to;
 *   - guard_allows_connect, when a socket is about to connect: the address itself, however it was
 *     spelled and whatever DNS said a moment ago.
 *
 * A refusal is ERR_BLOCKED_ADDRESS, whose detail names what was refused and why.
 */
#ifndef TRACEPOOL_COMMON_GUARD_H
#define TRACEPOOL_COMMON_GUARD_H

#include "common/err.h"
#include "common/url.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct guard_policy {
    /*
     * For tests and the quickstart: loopback, private, shared, documentation and benchmarking networks
     * and internal names are open. Link-local (cloud metadata), multicast, broadcast, unspecified and
     * reserved addresses stay closed.
     */
    bool allow_private;
    bool has_proxy;
    struct sockaddr_storage proxy; /* exactly this address and port may be connected to, wherever it is */
};

/*
 * Judges a resolved address by the IANA special-purpose registries: only what is globally reachable
 * unicast is allowed. An IPv6 address that carries an IPv4 one (mapped, compatible, NAT64, 6to4, Teredo) is
 * judged by that one. An address of any other family is refused.
 */
NODISCARD bool guard_allows_sockaddr(const struct sockaddr *sa, struct err *err);

/* The same for a socket that is about to connect to sa, as the policy says. */
NODISCARD bool guard_allows_connect(const struct sockaddr *sa, const struct guard_policy *policy,
                                    struct err *err);

/*
 * Judges a URL before anything is resolved: its scheme must be http or https, an address in it is judged as
 * above, and a name must not be an internal one (a single label, localhost, .local, .internal and their kin).
 */
NODISCARD bool guard_allows_url(const struct url *u, struct err *err);

/* The same as the policy says. The proxy's exemption is no exemption for URLs. */
NODISCARD bool guard_allows_hop(const struct url *u, const struct guard_policy *policy, struct err *err);

#endif
