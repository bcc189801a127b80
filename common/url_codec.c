/*
 * url_codec.c - bytes, UTF-8 and percent-encoding, as the URL standard needs them.
 *
 * Knows nothing of the parts of a URL; url.c does.
 */
#include "common/url_internal.h"

/* clang-format off */
#define F  (1 << URL_ENCODE_FRAGMENT)
#define Q  (1 << URL_ENCODE_QUERY)
#define SQ (1 << URL_ENCODE_SPECIAL_QUERY)
#define P  (1 << URL_ENCODE_PATH)
#define U  (1 << URL_ENCODE_USERINFO)
#define C  (1 << URL_ENCODE_COMPONENT)

#define ALL 0xff

/* Which sets hold a byte. */
static const uint8_t SETS_OF[256] = {
    [0x00 ... 0x1f] = ALL, [0x7f ... 0xff] = ALL,
    [' '] = F | Q | SQ | P | U | C,  ['"'] = F | Q | SQ | P | U | C,
    ['<'] = F | Q | SQ | P | U | C,  ['>'] = F | Q | SQ | P | U | C,
    ['#'] = Q | SQ | P | U | C,      ['`'] = F | P | U | C,
    ['\''] = SQ,
    ['?'] = P | U | C,  ['^'] = P | U | C,  ['{'] = P | U | C,  ['}'] = P | U | C,
    ['/'] = U | C,      [':'] = U | C,      [';'] = U | C,      ['='] = U | C,      ['@'] = U | C,
    ['['] = U | C,      ['\\'] = U | C,     [']'] = U | C,      ['|'] = U | C,
    ['$'] = C,          ['%'] = C,          ['&'] = C,          ['+'] = C,          [','] = C,
};
/* clang-format on */

_Static_assert(URL_ENCODE_SETS <= 8, "SETS_OF has one bit for each set");

/* Looks at every byte: that none needs it is the rule, and without a way out the loop is half as long. */
static bool needs_encoding(struct str bytes, uint8_t bit)
{
    uint8_t any = 0;

    for (size_t i = 0; i < bytes.len; i++)
        any |= SETS_OF[(unsigned char)bytes.ptr[i]];
    return any & bit;
}

bool url_percent_encode(struct buf *out, struct str bytes, enum url_encode_set set)
{
    static const char HEX[] = "0123456789ABCDEF";
    const uint8_t bit = (uint8_t)(1 << set);
    size_t done = 0;

    if (!needs_encoding(bytes, bit))
        return buf_append_str(out, bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];

        if (!(SETS_OF[c] & bit))
            continue;
        buf_append_str(out, str_slice(bytes, done, i));
        buf_append(out, (char[]){'%', HEX[c >> 4], HEX[c & 15]}, 3);
        done = i + 1;
    }
    buf_append_str(out, str_slice(bytes, done, bytes.len));
    return !out->is_full;
}

bool url_percent_decode(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        int high = i + 2 < bytes.len ? str_hex_digit(bytes.ptr[i + 1]) : -1;
        int low = i + 2 < bytes.len ? str_hex_digit(bytes.ptr[i + 2]) : -1;

        if (bytes.ptr[i] == '%' && high >= 0 && low >= 0) {
            buf_append_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_append_char(out, bytes.ptr[i]);
        }
    }
    return !out->is_full;
}

bool url_is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] > 0x7f)
            return false;
    return true;
}

/* How many bytes follow this first byte, and between which two values the second one lies; -1: none may. */
static int following(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0xc2 || first > 0xf4)
        return -1;
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

uint32_t url_utf8_next(struct str s, size_t *at)
{
    unsigned char first = (unsigned char)s.ptr[(*at)++], low, high;
    uint32_t code;
    int more;

    if (first < 0x80)
        return first;
    more = following(first, &low, &high);
    if (more < 0)
        return UTF8_REPLACEMENT;
    code = first & (0x3f >> more);
    for (; more > 0; more--) {
        unsigned char next = *at < s.len ? (unsigned char)s.ptr[*at] : 0;

        if (next < low || next > high)
            return UTF8_REPLACEMENT;
        code = code << 6 | (next & 0x3f);
        low = 0x80;
        high = 0xbf;
        (*at)++;
    }
    return code;
}

bool url_utf8_append(struct buf *out, uint32_t code)
{
    char bytes[4];
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = len; i-- > 1; code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(len == 1 ? code : (0xf00u >> len & 0xff) | code);
    return buf_append(out, bytes, len);
}

static bool is_blank_or_control(char c)
{
    return (unsigned char)c <= ' ';
}

/* Where bytes that are ASCII and no controls, and so stand for themselves, come to an end. */
static size_t end_of_plain(struct str s, size_t at)
{
    while (at < s.len && s.ptr[at] >= ' ' && (unsigned char)s.ptr[at] < 0x80)
        at++;
    return at;
}

bool url_strip(struct str input, struct buf *out)
{
    while (input.len && is_blank_or_control(input.ptr[0]))
        input = str_slice(input, 1, input.len);
    while (input.len && is_blank_or_control(input.ptr[input.len - 1]))
        input.len--;
    for (size_t at = 0; at < input.len;) {
        size_t plain = end_of_plain(input, at);
        uint32_t code;

        if (plain > at) {
            buf_append_str(out, str_slice(input, at, plain));
            at = plain;
            continue;
        }
        code = url_utf8_next(input, &at);
        if (code != '\t' && code != '\n' && code != '\r')
            url_utf8_append(out, code);
    }
    return !out->is_full;
}
