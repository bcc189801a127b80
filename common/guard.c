/*
 * guard.c - the networks and names that a traced page must not lead to.
 *
 * Pure: looks at addresses and URLs, resolves nothing. The URL parser has already brought every spelling of
 * an address into one form.
 */
#include "common/guard.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

enum rule {
    REACHABLE, /* the public internet */
    REFUSED,
    PRIVATE, /* refused, unless the policy allows private networks */
    INSIDE,  /* look at the IPv4 address at byte `at` */
    TEREDO,  /* INSIDE for the server's, and for the client's with its bits inverted */
};

struct range {
    const char *network;
    int bits;
    enum rule rule;
    size_t at;
    const char *what;
};

/* clang-format off */
/* The first row that holds an address decides. */
static const struct range IPV4[] = {
    {"0.0.0.0",          8, REFUSED,   0, "this network (RFC 1122)"},
    {"10.0.0.0",         8, PRIVATE,   0, "a private network (RFC 1918)"},
    {"100.64.0.0",      10, PRIVATE,   0, "shared address space of a carrier (RFC 6598)"},
    {"127.0.0.0",        8, PRIVATE,   0, "loopback (RFC 1122)"},
    {"169.254.0.0",     16, REFUSED,   0, "link-local (RFC 3927)"},
    {"172.16.0.0",      12, PRIVATE,   0, "a private network (RFC 1918)"},
    {"192.0.0.0",       24, REFUSED,   0, "reserved for protocols (RFC 6890)"},
    {"192.0.2.0",       24, PRIVATE,   0, "a documentation network (RFC 5737)"},
    {"192.88.99.0",     24, REFUSED,   0, "6to4 relay anycast (RFC 7526)"},
    {"192.168.0.0",     16, PRIVATE,   0, "a private network (RFC 1918)"},
    {"198.18.0.0",      15, PRIVATE,   0, "a benchmarking network (RFC 2544)"},
    {"198.51.100.0",    24, PRIVATE,   0, "a documentation network (RFC 5737)"},
    {"203.0.113.0",     24, PRIVATE,   0, "a documentation network (RFC 5737)"},
    {"224.0.0.0",        4, REFUSED,   0, "multicast (RFC 5771)"},
    {"255.255.255.255", 32, REFUSED,   0, "broadcast (RFC 919)"},
    {"240.0.0.0",        4, REFUSED,   0, "reserved (RFC 1112)"},
    {"0.0.0.0",          0, REACHABLE, 0, "public"},
};

static const struct range IPV6[] = {
    {"::",             128, REFUSED,   0, "unspecified (RFC 4291)"},
    {"::1",            128, PRIVATE,   0, "loopback (RFC 4291)"},
    {"::ffff:0:0",      96, INSIDE,   12, "IPv4-mapped (RFC 4291)"},
    {"::ffff:0:0:0",    96, INSIDE,   12, "IPv4-translated (RFC 2765)"},
    {"::",              96, INSIDE,   12, "IPv4-compatible (RFC 4291)"},
    {"64:ff9b::",       96, INSIDE,   12, "NAT64 (RFC 6052)"},
    {"64:ff9b:1::",     48, REFUSED,   0, "NAT64 of a local network (RFC 8215)"},
    {"2002::",          16, INSIDE,    2, "6to4 (RFC 3056)"},
    {"2001::",          32, TEREDO,    0, "Teredo (RFC 4380)"},
    {"2001:2::",        48, PRIVATE,   0, "a benchmarking network (RFC 5180)"},
    {"2001::",          23, REFUSED,   0, "reserved for protocols (RFC 2928)"},
    {"2001:db8::",      32, PRIVATE,   0, "a documentation network (RFC 3849)"},
    {"3fff::",          20, PRIVATE,   0, "a documentation network (RFC 9637)"},
    {"100::",           64, REFUSED,   0, "discard-only (RFC 6666)"},
    {"5f00::",          16, REFUSED,   0, "segment routing (RFC 9602)"},
    {"fc00::",           7, PRIVATE,   0, "a unique local network (RFC 4193)"},
    {"fe80::",          10, REFUSED,   0, "link-local (RFC 4291)"},
    {"fec0::",          10, REFUSED,   0, "site-local (RFC 3879)"},
    {"ff00::",           8, REFUSED,   0, "multicast (RFC 4291)"},
    {"2000::",           3, REACHABLE, 0, "public"},
    {"::",               0, REFUSED,   0, "not global unicast (RFC 4291)"},
};

/* Names that mean something inside of a network only. A name of one label is one of them, too. */
static const struct { struct str suffix; const char *what; } INTERNAL[] = {
    {STR("localhost"),   "this machine (RFC 6761)"},
    {STR("localdomain"), "this machine"},
    {STR("local"),       "multicast DNS (RFC 6762)"},
    {STR("internal"),    "reserved for private use (ICANN)"},
    {STR("home.arpa"),   "a home network (RFC 8375)"},
    {STR("home"),        "a home network"},
    {STR("lan"),         "a local network"},
    {STR("intranet"),    "a local network"},
    {STR("private"),     "a local network"},
    {STR("corp"),        "a local network"},
    {STR("onion"),       "not on the internet (RFC 7686)"},
};
/* clang-format on */

/* --- addresses ---------------------------------------------------------------------------------------- */

static bool has_prefix(const uint8_t *ip, const uint8_t *network, int bits)
{
    int bytes = bits / 8, rest = bits % 8;

    if (memcmp(ip, network, (size_t)bytes) != 0)
        return false;
    return rest == 0 || (ip[bytes] ^ network[bytes]) >> (8 - rest) == 0;
}

static const struct range *find_range(int family, const uint8_t *ip)
{
    const struct range *rows = family == AF_INET ? IPV4 : IPV6;

    for (;; rows++) { /* the last row holds everything */
        uint8_t network[16];
        int status = inet_pton(family, rows->network, network);

        assert(status == 1);
        if (has_prefix(ip, network, rows->bits))
            return rows;
    }
}

static bool refuse(struct err *err, int family, const uint8_t *ip, const char *what)
{
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(family, ip, text, sizeof(text));
    return err_set(err, ERR_BLOCKED_ADDRESS, "%s is %s", text, what);
}

static bool allows_ipv4(const uint8_t ip[4], bool allow_private, struct err *err)
{
    const struct range *range = find_range(AF_INET, ip);

    if (range->rule == REACHABLE || (range->rule == PRIVATE && allow_private))
        return true;
    return refuse(err, AF_INET, ip, range->what);
}

/* An IPv4 address that ip carries; the refusal names both. */
static bool allows_inside(const uint8_t ip[16], size_t at, uint8_t invert, const char *how,
                          bool allow_private, struct err *err)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct err inner;
    uint8_t ipv4[4];

    for (size_t i = 0; i < sizeof(ipv4); i++)
        ipv4[i] = ip[at + i] ^ invert;
    if (allows_ipv4(ipv4, allow_private, &inner))
        return true;
    inet_ntop(AF_INET6, ip, text, sizeof(text));
    return err_set(err, ERR_BLOCKED_ADDRESS, "%s, %s: %.100s", text, how, inner.detail);
}

static bool allows_ipv6(const uint8_t ip[16], bool allow_private, struct err *err)
{
    const struct range *range = find_range(AF_INET6, ip);

    switch (range->rule) {
    case REACHABLE:
        return true;
    case INSIDE:
        return allows_inside(ip, range->at, 0, range->what, allow_private, err);
    case TEREDO:
        return allows_inside(ip, 4, 0, range->what, allow_private, err) &&
               allows_inside(ip, 12, 0xff, range->what, allow_private, err);
    case PRIVATE:
        if (allow_private)
            return true;
        break;
    case REFUSED:
        break;
    }
    return refuse(err, AF_INET6, ip, range->what);
}

static bool allows_sockaddr(const struct sockaddr *sa, bool allow_private, struct err *err)
{
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

        return allows_ipv4((const uint8_t *)&in->sin_addr, allow_private, err);
    }
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

        return allows_ipv6(in6->sin6_addr.s6_addr, allow_private, err);
    }
    return err_set(err, ERR_BLOCKED_ADDRESS, "an address of family %d", sa->sa_family);
}

bool guard_allows_sockaddr(const struct sockaddr *sa, struct err *err)
{
    return allows_sockaddr(sa, false, err);
}

static bool is_same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;

        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a, *y = (const struct sockaddr_in6 *)b;

        return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
               memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
    }
    return false;
}

bool guard_allows_connect(const struct sockaddr *sa, const struct guard_policy *policy, struct err *err)
{
    if (policy->has_proxy && is_same_address(sa, (const struct sockaddr *)&policy->proxy))
        return true;
    return allows_sockaddr(sa, policy->allow_private, err);
}

/* --- URLs --------------------------------------------------------------------------------------------- */

static bool refuse_name(struct err *err, struct str name, const char *what)
{
    return err_set(err, ERR_BLOCKED_ADDRESS, "%.*s is %s", (int)(name.len < 100 ? name.len : 100), name.ptr,
                   what);
}

static bool is_or_ends_with_label(struct str name, struct str suffix)
{
    return str_ends_nocase(name, suffix) &&
           (name.len == suffix.len || name.ptr[name.len - suffix.len - 1] == '.');
}

static bool has_empty_label(struct str name)
{
    for (struct str label; str_cut(&name, '.', &label);)
        if (label.len == 0)
            return true;
    return false;
}

static bool allows_name(struct str host, struct err *err)
{
    struct str name = host;

    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (has_empty_label(name)) /* resolvers differ in what they make of "127.0.0.1.." */
        return refuse_name(err, host, "no host name");
    for (size_t i = 0; i < ARRAY_LEN(INTERNAL); i++)
        if (is_or_ends_with_label(name, INTERNAL[i].suffix))
            return refuse_name(err, host, INTERNAL[i].what);
    if (str_find(name, 0, '.') == name.len)
        return refuse_name(err, host, "a name of one label, which only a local network resolves");
    return true;
}

static bool allows_url(const struct url *u, bool allow_private, struct err *err)
{
    if (!url_is_http(u))
        return refuse_name(err, u->scheme, "a scheme that is not followed");
    switch (u->host_kind) {
    case URL_HOST_IPV4:
        return allows_ipv4(u->ip, allow_private, err);
    case URL_HOST_IPV6:
        return allows_ipv6(u->ip, allow_private, err);
    case URL_HOST_DOMAIN:
        return allow_private || allows_name(u->host, err);
    case URL_HOST_NONE:
    case URL_HOST_EMPTY:
    case URL_HOST_OPAQUE:
        break;
    }
    return err_set(err, ERR_BLOCKED_ADDRESS, "a URL without a host");
}

bool guard_allows_url(const struct url *u, struct err *err)
{
    return allows_url(u, false, err);
}

bool guard_allows_hop(const struct url *u, const struct guard_policy *policy, struct err *err)
{
    return allows_url(u, policy->allow_private, err);
}
