/*
 * fuzz_guard.c - any address and any URL. Input: 4 or 16 bytes are judged as an address; everything is
 * judged as a URL.
 *
 * Expected: the same address gets the same verdict in each of its forms, the ranges that matter most are
 * refused (by a second, plain list), and no name is allowed that a C library would read as an address.
 */
#include "common/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 4 * 1024 * 1024 };

static const struct guard_policy OPEN = {.allow_private = true};

static void expect(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static bool allows(int family, const uint8_t *ip)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    const struct sockaddr *sa = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    struct err err;
    bool ok;

    memcpy(&in.sin_addr, ip, 4);
    if (family == AF_INET6)
        memcpy(&in6.sin6_addr, ip, 16);
    ok = guard_allows_sockaddr(sa, &err);
    if (ok)
        expect(guard_allows_connect(sa, &OPEN, &err), "an open policy refuses what a strict one allows");
    else
        expect(err.code == ERR_BLOCKED_ADDRESS && err.detail[0], "a refusal without a reason");
    return ok;
}

static bool is_plainly_private(const uint8_t ip[4])
{
    return ip[0] == 0 || ip[0] == 10 || ip[0] == 127 || ip[0] >= 224 ||
           (ip[0] == 100 && (ip[1] & 0xc0) == 64) || (ip[0] == 169 && ip[1] == 254) ||
           (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168);
}

/* An IPv6 address of that prefix, with the IPv4 address at byte `at`. */
static bool allows_within(const char *prefix, size_t at, const uint8_t ip[4])
{
    uint8_t outer[16];

    expect(inet_pton(AF_INET6, prefix, outer) == 1, "a prefix of this file");
    memcpy(outer + at, ip, 4);
    return allows(AF_INET6, outer);
}

static void judge_ipv4(const uint8_t ip[4])
{
    bool ok = allows(AF_INET, ip);

    expect(!ok || !is_plainly_private(ip), "a private address is allowed");
    expect(allows_within("::ffff:0:0", 12, ip) == ok, "mapped differs");
    expect(allows_within("64:ff9b::", 12, ip) == ok, "NAT64 differs");
    expect(allows_within("2002::1", 2, ip) == ok, "6to4 differs");
    expect(!allows_within("64:ff9b:1::", 12, ip), "a local NAT64 is allowed");
    expect(!allows_within("fd00::", 12, ip), "a unique local address is allowed");
}

static void judge_url(struct str text)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct in_addr address;
    struct url u;
    struct err err;
    char *host;

    if (!url_parse(&a, text, NULL, &u, &err) || !guard_allows_url(&u, &err))
        return;
    expect(url_is_http(&u), "a scheme that is not followed");
    expect(guard_allows_hop(&u, &OPEN, &err), "an open policy refuses what a strict one allows");
    if (u.host_kind == URL_HOST_IPV4 || u.host_kind == URL_HOST_IPV6)
        expect(allows(u.host_kind == URL_HOST_IPV4 ? AF_INET : AF_INET6, u.ip), "URL and address differ");
    host = arena_cstr(&a, u.host);
    if (u.host_kind == URL_HOST_DOMAIN && host)
        expect(inet_aton(host, &address) == 0, "a name that the C library reads as an address");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (size == 4)
        judge_ipv4(data);
    if (size == 16)
        (void)allows(AF_INET6, data);
    judge_url((struct str){(const char *)data, size});
    return 0;
}
