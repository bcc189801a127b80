/*
 * trust.c - address ranges, IPv4 and IPv6 alike: all are kept and compared as IPv6.
 */
#include "edge/trust.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { MAPPED_BITS = 96 };

static void map_ipv4(const struct in_addr *from, uint8_t to[16])
{
    memset(to, 0, 10);
    to[10] = to[11] = 0xff;
    memcpy(to + 12, from, 4);
}

static bool parse_net(struct str text, struct trust_net *net)
{
    size_t slash = str_find(text, 0, '/');
    char host[INET6_ADDRSTRLEN];
    int64_t bits = -1;
    struct in_addr ipv4;

    if (slash >= sizeof(host) ||
        (slash < text.len && !str_to_int(str_slice(text, slash + 1, text.len), &bits)))
        return false;
    memcpy(host, text.ptr, slash);
    host[slash] = '\0';
    if (inet_pton(AF_INET, host, &ipv4) == 1) {
        map_ipv4(&ipv4, net->address);
        net->bits = MAPPED_BITS + (int)(bits < 0 ? 32 : bits);
        return bits <= 32;
    }
    net->bits = (int)(bits < 0 ? 128 : bits);
    return bits <= 128 && inet_pton(AF_INET6, host, net->address) == 1;
}

bool trust_parse(struct str list, struct trust *out, struct err *err)
{
    struct trust trust = {.n = 0};

    for (struct str rest = list, entry; str_cut(&rest, ',', &entry);) {
        entry = str_trim(entry);
        if (entry.len == 0)
            continue;
        if (str_equal_nocase(entry, STR("unix")))
            trust.has_unix = true;
        else if (trust.n == TRUST_MAX)
            return err_set(err, ERR_BAD_SETTING, "edge.trusted_proxies: more than %d entries", TRUST_MAX);
        else if (!parse_net(entry, &trust.nets[trust.n]))
            return err_set(err, ERR_BAD_SETTING,
                           "edge.trusted_proxies: \"%.*s\" is no address, address/bits or unix",
                           STR_ARG(entry));
        else
            trust.n++;
    }
    *out = trust;
    return true;
}

static bool is_within(const struct trust_net *net, const uint8_t address[16])
{
    int bytes = net->bits / 8, rest = net->bits % 8;

    if (memcmp(net->address, address, (size_t)bytes) != 0)
        return false;
    return rest == 0 || (net->address[bytes] ^ address[bytes]) >> (8 - rest) == 0;
}

static bool is_trusted(const struct trust *trust, const uint8_t address[16])
{
    for (size_t i = 0; i < trust->n; i++)
        if (is_within(&trust->nets[i], address))
            return true;
    return false;
}

static bool address_of(const struct sockaddr_storage *peer, uint8_t address[16])
{
    if (peer->ss_family == AF_INET)
        map_ipv4(&((const struct sockaddr_in *)peer)->sin_addr, address);
    else if (peer->ss_family == AF_INET6)
        memcpy(address, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
    else
        return false;
    return true;
}

bool trust_has(const struct trust *trust, const struct sockaddr_storage *peer)
{
    uint8_t address[16];

    if (peer->ss_family == AF_UNIX)
        return trust->has_unix;
    return address_of(peer, address) && is_trusted(trust, address);
}

/* An entry of X-Forwarded-For: an address, which some proxies write with a port. */
static bool parse_entry(struct str text, uint8_t address[16])
{
    size_t colon = str_find(text, 0, ':'), end = text.len;
    struct trust_net net;

    if (text.len && text.ptr[0] == '[') {
        end = str_find(text, 0, ']');
        text = str_slice(text, 1, end);
    } else if (colon < text.len && str_find(text, colon + 1, ':') == text.len) {
        text = str_slice(text, 0, colon);
    }
    if (str_find(text, 0, '/') < text.len || !parse_net(text, &net))
        return false;
    memcpy(address, net.address, 16);
    return true;
}

/* The entry before *end, and *end moves before it. False: there is none. */
static bool entry_before(struct str value, size_t *end, struct str *entry)
{
    size_t start = *end;

    if (*end == SIZE_MAX)
        return false;
    while (start > 0 && value.ptr[start - 1] != ',')
        start--;
    *entry = str_trim(str_slice(value, start, *end));
    *end = start > 0 ? start - 1 : SIZE_MAX;
    return true;
}

bool trust_visitor(const struct trust *trust, const struct httpd_request *request, uint8_t out[TRUST_ADDRESS])
{
    const struct httpd_head *head = request->head;
    bool is_known = address_of(request->peer, out);

    if (!trust_has(trust, request->peer))
        return is_known;
    for (int i = head->nheaders; i-- > 0;) {
        struct str value = head->headers[i].value, entry;

        if (!str_equal_nocase(head->headers[i].name, STR("X-Forwarded-For")))
            continue;
        for (size_t end = value.len; entry_before(value, &end, &entry);) {
            if (!parse_entry(entry, out))
                return false;
            is_known = true;
            if (!is_trusted(trust, out))
                return true;
        }
    }
    return is_known;
}
