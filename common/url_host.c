/*
 * url_host.c - hosts: names, and every way to spell an address.
 *
 * "0x7f.1", "2130706433" and "[::ffff:7f00:1]" all come out in one canonical form, which is what makes the
 * address guard's work possible. Names that are not ASCII are url_idna.c.
 */
#include "common/url_internal.h"

#include <string.h>

/* DNS has room for 253 bytes; browsers read longer names, and so does this, within reason. */
enum { HOST_MAX_BYTES = 4096 };

/* "forbidden host code points"; domains may not have controls, DEL and '%' either */
static const char FORBIDDEN[] = " #/:<>?@[\\]^|\t\n\r";

static bool has_forbidden(struct str host, bool is_domain)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];

        if (c == '\0' || strchr(FORBIDDEN, c))
            return true;
        if (is_domain && (c < 0x20 || c == 0x7f || c == '%'))
            return true;
    }
    return false;
}

/* --- IPv4 --------------------------------------------------------------------------------------------- */

static bool is_all_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

/* "IPv4 number parser": decimal, 0octal or 0xhex. What is above 2^32 comes out as 2^32. */
static bool parse_ipv4_number(struct str s, uint64_t *out)
{
    const uint64_t limit = 1ull << 32;
    unsigned base = 10;

    if (s.len == 0)
        return false;
    if (str_starts_nocase(s, STR("0x"))) {
        base = 16;
        s = str_slice(s, 2, s.len);
    } else if (s.len > 1 && s.ptr[0] == '0') {
        base = 8;
        s = str_slice(s, 1, s.len);
    }
    *out = 0;
    for (size_t i = 0; i < s.len; i++) {
        int digit = str_hex_digit(s.ptr[i]);

        if (digit < 0 || (unsigned)digit >= base)
            return false;
        *out = *out * base + (unsigned)digit;
        if (*out > limit)
            *out = limit;
    }
    return true;
}

static struct str without_last_dot(struct str domain)
{
    if (domain.len > 1 && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    return domain;
}

/* "ends in a number checker": such a domain is an IPv4 address or nothing. */
static bool ends_in_number(struct str domain)
{
    uint64_t number;
    size_t from;

    domain = without_last_dot(domain);
    from = domain.len;
    while (from && domain.ptr[from - 1] != '.')
        from--;
    domain = str_slice(domain, from, domain.len);
    return is_all_digits(domain) || parse_ipv4_number(domain, &number);
}

/* "IPv4 parser": one to four numbers, the last of which fills what the others leave. */
static bool parse_ipv4(struct str domain, uint8_t ip[16])
{
    uint64_t address = 0, number = 0;
    struct str rest = without_last_dot(domain), part;
    int parts = 0;

    while (str_cut(&rest, '.', &part)) {
        if (parts && number > 255)
            return false;
        if (parts == 4 || !parse_ipv4_number(part, &number))
            return false;
        if (rest.ptr)
            address |= number << (24 - 8 * parts);
        parts++;
    }
    if (number >= 1ull << (8 * (5 - parts)))
        return false;
    address |= number;
    for (int i = 0; i < 4; i++)
        ip[i] = (uint8_t)(address >> (24 - 8 * i));
    return true;
}

/* --- IPv6 --------------------------------------------------------------------------------------------- */

/* Four decimal numbers without leading zeros, as the end of an IPv6 address. */
static bool parse_dotted_tail(struct str s, uint16_t pieces[2])
{
    uint8_t bytes[4];
    int n = 0;

    for (struct str part; str_cut(&s, '.', &part); n++) {
        int64_t value;

        if (n == 4 || part.len > 3 || (part.len > 1 && part.ptr[0] == '0') || !str_to_int(part, &value) ||
            value > 255)
            return false;
        bytes[n] = (uint8_t)value;
    }
    if (n != 4)
        return false;
    pieces[0] = (uint16_t)(bytes[0] << 8 | bytes[1]);
    pieces[1] = (uint16_t)(bytes[2] << 8 | bytes[3]);
    return true;
}

static bool parse_hex_piece(struct str s, uint16_t *piece)
{
    unsigned value = 0;

    if (s.len == 0 || s.len > 4)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        int digit = str_hex_digit(s.ptr[i]);

        if (digit < 0)
            return false;
        value = value << 4 | (unsigned)digit;
    }
    *piece = (uint16_t)value;
    return true;
}

/* Pieces between single colons, up to max of them; an IPv4 address may be the last. Count, or -1. */
static int parse_pieces(struct str s, bool may_end_dotted, uint16_t *pieces, int max)
{
    int n = 0;

    if (s.len == 0)
        return 0;
    for (struct str part; str_cut(&s, ':', &part);) {
        if (!s.ptr && may_end_dotted && n + 2 <= max && parse_dotted_tail(part, pieces + n))
            return n + 2;
        if (n == max || !parse_hex_piece(part, &pieces[n]))
            return -1;
        n++;
    }
    return n;
}

/* Where "::" is; s.len when it is nowhere. */
static size_t find_gap(struct str s)
{
    size_t at = str_find(s, 0, ':');

    while (at < s.len && !str_starts(str_slice(s, at, s.len), STR("::")))
        at = str_find(s, at + 1, ':');
    return at;
}

/* "IPv6 parser" */
static bool parse_ipv6(struct str s, uint16_t pieces[8])
{
    size_t gap = find_gap(s);
    uint16_t tail[8];
    int before, after = 0;

    memset(pieces, 0, 8 * sizeof(*pieces));
    before = parse_pieces(str_slice(s, 0, gap), gap == s.len, pieces, 8);
    if (gap == s.len)
        return before == 8;
    if (before >= 0)
        after = parse_pieces(str_slice(s, gap + 2, s.len), true, tail, 8);
    if (before < 0 || after < 0 || before + after > 7) /* "::" stands for one zero at least */
        return false;
    memcpy(pieces + 8 - after, tail, (size_t)after * sizeof(*tail));
    return true;
}

/* The first longest run of two or more zero pieces; length 0 when there is none. */
static int find_zeros(const uint16_t pieces[8], int *length)
{
    int best = 0;

    *length = 0;
    for (int i = 0; i < 8; i++) {
        int n = 0;

        while (i + n < 8 && pieces[i + n] == 0)
            n++;
        if (n > 1 && n > *length) {
            *length = n;
            best = i;
        }
    }
    return best;
}

/* "IPv6 serializer" */
static void append_ipv6(const uint16_t pieces[8], struct buf *out)
{
    int zeros, from = find_zeros(pieces, &zeros);

    buf_append_char(out, '[');
    for (int i = 0; i < 8; i++) {
        if (zeros && i == from) {
            buf_append(out, "::", 2);
            i += zeros - 1;
            continue;
        }
        if (i && !(zeros && i == from + zeros))
            buf_append_char(out, ':');
        buf_printf(out, "%x", pieces[i]);
    }
    buf_append_char(out, ']');
}

static const char *parse_bracketed(struct str raw, struct buf *out, struct url_host *host)
{
    uint16_t pieces[8];

    if (raw.ptr[raw.len - 1] != ']')
        return "a bracket is not closed";
    if (!parse_ipv6(str_slice(raw, 1, raw.len - 1), pieces))
        return "what is in brackets is no IPv6 address";
    host->kind = URL_HOST_IPV6;
    for (int i = 0; i < 8; i++) {
        host->ip[2 * i] = (uint8_t)(pieces[i] >> 8);
        host->ip[2 * i + 1] = (uint8_t)pieces[i];
    }
    append_ipv6(pieces, out);
    return NULL;
}

/* --- all ---------------------------------------------------------------------------------------------- */

static const char *parse_domain(struct str raw, struct buf *out, struct url_host *host)
{
    SCOPED_VALUE(buf) decoded = {.max = HOST_MAX_BYTES};
    SCOPED_VALUE(buf) ascii = {.max = HOST_MAX_BYTES};
    struct str domain;

    if (!url_percent_decode(&decoded, raw) || !url_domain_to_ascii(buf_str(&decoded), &ascii))
        return "its host is no domain name";
    domain = buf_str(&ascii);
    if (domain.len == 0)
        return "its host is empty";
    if (has_forbidden(domain, true))
        return "its host has a character that no host has";
    host->kind = URL_HOST_DOMAIN;
    if (!ends_in_number(domain)) {
        buf_append_str(out, domain);
        return NULL;
    }
    if (!parse_ipv4(domain, host->ip))
        return "its host ends in a number and is no IPv4 address";
    host->kind = URL_HOST_IPV4;
    buf_printf(out, "%d.%d.%d.%d", host->ip[0], host->ip[1], host->ip[2], host->ip[3]);
    return NULL;
}

const char *url_host_parse(struct str raw, bool is_special, struct buf *out, struct url_host *host)
{
    *host = (struct url_host){.kind = URL_HOST_OPAQUE};
    if (raw.ptr[0] == '[')
        return parse_bracketed(raw, out, host);
    if (is_special)
        return parse_domain(raw, out, host);
    if (has_forbidden(raw, false))
        return "its host has a character that no host has";
    url_percent_encode(out, raw, URL_ENCODE_CONTROLS);
    return NULL;
}
