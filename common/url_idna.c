/*
 * url_idna.c - names that are not ASCII: UTS #46 as the URL standard wants it, on libidn2.
 *
 * The standard asks for non-transitional processing that checks neither hyphens nor lengths and allows
 * symbols; a name that is ASCII already is only put into lower case, punycode included. libidn2 always
 * applies the stricter rules of IDNA 2008, and Debian 12's knows Unicode 14. So the domain goes to it label
 * by label, code points that changed since are replaced first (NEWER), and a label that it refuses for
 * its hyphens or symbols (i❤.example) is put together here from the pieces that it accepts.
 *
 * What remains stricter than a browser: a combining mark after a symbol is refused. What remains laxer: the
 * bidi rule looks at one label at a time. Neither leads anywhere else than a browser would go.
 */
#include "common/url_internal.h"

#include <idn2.h>
#include <string.h>

enum { REMOVED = 0xffffffff };

/* clang-format off */
/* Mappings of Unicode 15.1 and 16 that libidn2 2.3 has differently. */
static const struct { uint32_t code, becomes; } NEWER[] = {
    {0x034F, REMOVED}, {0x04C0, 0x04CF},  {0x180E, REMOVED}, {0x1E9E, 0x00DF},  {0x2061, REMOVED},
    {0x2062, REMOVED}, {0x2063, REMOVED}, {0x206A, REMOVED}, {0x206B, REMOVED}, {0x206C, REMOVED},
    {0x206D, REMOVED}, {0x206E, REMOVED}, {0x206F, REMOVED}, {0x2183, 0x2184},  {0x2F868, 0x36FC},
};

/* Symbols and punctuation that UTS #46 lets stand as they are and IDNA 2008 does not know. */
static const struct { uint32_t from, to; } SYMBOLS[] = {
    {0x00A1, 0x00A7}, {0x00A9, 0x00A9}, {0x00AB, 0x00AC}, {0x00AE, 0x00AE}, {0x00B0, 0x00B1},
    {0x00B6, 0x00B6}, {0x00BB, 0x00BB}, {0x00BF, 0x00BF}, {0x00D7, 0x00D7}, {0x00F7, 0x00F7},
    {0x2010, 0x2010}, {0x2012, 0x2016}, {0x2018, 0x2023}, {0x2027, 0x2027}, {0x2030, 0x2032},
    {0x2035, 0x2035}, {0x2038, 0x203B}, {0x203D, 0x203D}, {0x203F, 0x2046}, {0x204A, 0x2056},
    {0x2058, 0x205E}, {0x20A0, 0x20A7}, {0x20A9, 0x20C0}, {0x2190, 0x222B}, {0x222E, 0x222E},
    {0x2231, 0x225F}, {0x2261, 0x226D}, {0x2270, 0x2328}, {0x232B, 0x2426}, {0x2440, 0x244A},
    {0x24EB, 0x2A0B}, {0x2A0D, 0x2A73}, {0x2A77, 0x2ADB}, {0x2ADD, 0x2B73}, {0x2B76, 0x2B95},
    {0x2B97, 0x2BFF}, {0x3003, 0x3004}, {0x3008, 0x3011}, {0x3013, 0x301C}, {0x1F000, 0x1F02B},
    {0x1F030, 0x1F093}, {0x1F10D, 0x1F10F}, {0x1F1E6, 0x1F1FF}, {0x1F300, 0x1F6D7}, {0x1F6DD, 0x1F6EC},
    {0x1F6F0, 0x1F6FC}, {0x1F700, 0x1F773}, {0x1F780, 0x1F7D8}, {0x1F7E0, 0x1F7EB}, {0x1F7F0, 0x1F7F0},
    {0x1F800, 0x1F80B}, {0x1F810, 0x1F847}, {0x1F850, 0x1F859}, {0x1F860, 0x1F887}, {0x1F890, 0x1F8AD},
    {0x1F900, 0x1FA53}, {0x1FA60, 0x1FA6D}, {0x1FA70, 0x1FA74}, {0x1FA78, 0x1FA7C}, {0x1FA80, 0x1FA86},
    {0x1FA90, 0x1FAAC}, {0x1FAB0, 0x1FABA}, {0x1FAC0, 0x1FAC5}, {0x1FAD0, 0x1FAD9}, {0x1FAE0, 0x1FAE7},
    {0x1FAF0, 0x1FAF6},
};
/* clang-format on */

/* Stands for itself in a label: a symbol, or any ASCII character that is neither letter nor digit. */
static bool is_symbol(uint32_t code)
{
    if (code < URL_FIRST_CODE)
        return !((code | 0x20) >= 'a' && (code | 0x20) <= 'z') && !(code >= '0' && code <= '9');
    for (size_t i = 0; i < ARRAY_LEN(SYMBOLS); i++)
        if (code >= SYMBOLS[i].from && code <= SYMBOLS[i].to)
            return true;
    return false;
}

static uint32_t newer(uint32_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(NEWER); i++)
        if (code == NEWER[i].code)
            return NEWER[i].becomes;
    return code;
}

/* The characters that separate labels, in any script. */
static bool is_dot(uint32_t code)
{
    return code == '.' || code == 0x3002 || code == 0xFF0E || code == 0xFF61;
}

static void append_lower(struct buf *out, char c)
{
    buf_append_char(out, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
}

/* --- labels ------------------------------------------------------------------------------------------- */

static int to_alabel(const uint32_t *codes, size_t len, struct buf *out)
{
    SCOPED_VALUE(buf) text = {.max = 4 * URL_LABEL_CODES};
    uint8_t *ascii = NULL;
    int status;

    for (size_t i = 0; i < len; i++)
        url_utf8_append(&text, codes[i]);
    status = idn2_lookup_u8((const uint8_t *)buf_cstr(&text), &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (status == IDN2_OK)
        buf_append_str(out, str_from((const char *)ascii));
    idn2_free(ascii);
    return status;
}

/* What libidn2 makes of one run of ordinary characters, appended as code points. */
static bool add_run(struct url_label *out, const uint32_t *codes, size_t len)
{
    SCOPED_VALUE(buf) ascii = {.max = URL_LABEL_CODES};
    struct str text;

    if (len == 0)
        return true;
    if (to_alabel(codes, len, &ascii) != IDN2_OK || ascii.is_full)
        return false;
    text = buf_str(&ascii);
    if (str_starts(text, STR("xn--")))
        return url_punycode_decode(str_slice(text, 4, text.len), out);
    for (size_t i = 0; i < text.len; i++)
        if (!url_label_add(out, (unsigned char)text.ptr[i]))
            return false;
    return true;
}

/* Appends a label that is ASCII, in lower case. */
static void append_codes(struct buf *out, const struct url_label *l)
{
    for (size_t i = 0; i < l->len; i++)
        append_lower(out, (char)l->codes[i]);
}

static bool is_ascii(const struct url_label *l)
{
    for (size_t i = 0; i < l->len; i++)
        if (l->codes[i] >= URL_FIRST_CODE)
            return false;
    return true;
}

static bool is_punycode(const struct url_label *l)
{
    return l->len >= 4 && (l->codes[0] | 0x20) == 'x' && (l->codes[1] | 0x20) == 'n' && l->codes[2] == '-' &&
           l->codes[3] == '-';
}

/* libidn2 maps and checks what is between symbols. */
static bool map_by_runs(const struct url_label *l, struct url_label *mapped)
{
    size_t from = 0;

    mapped->len = 0;
    for (size_t i = 0; i < l->len; i++) {
        if (!is_symbol(l->codes[i]))
            continue;
        if (!add_run(mapped, l->codes + from, i - from) || !url_label_add(mapped, l->codes[i]))
            return false;
        from = i + 1;
    }
    return add_run(mapped, l->codes + from, l->len - from);
}

/* A label in punycode must decode to one that is valid as it is. */
static bool is_valid_punycode(const struct url_label *l)
{
    SCOPED_VALUE(buf) text = {.max = URL_LABEL_CODES};
    struct url_label decoded = {.len = 0}, mapped;
    struct str code;

    append_codes(&text, l);
    code = buf_str(&text);
    if (!url_punycode_decode(str_slice(code, 4, code.len), &decoded) || is_ascii(&decoded) ||
        !map_by_runs(&decoded, &mapped))
        return false;
    return mapped.len == decoded.len &&
           memcmp(mapped.codes, decoded.codes, mapped.len * sizeof(uint32_t)) == 0;
}

/* A label that libidn2 does not take whole. */
static bool append_by_runs(struct buf *out, const struct url_label *l)
{
    struct url_label mapped;

    if (!map_by_runs(l, &mapped))
        return false;
    if (!is_ascii(&mapped)) {
        buf_append(out, "xn--", 4);
        url_punycode_append(out, &mapped);
    } else if (is_punycode(&mapped) && !is_valid_punycode(&mapped)) {
        return false;
    } else {
        append_codes(out, &mapped);
    }
    return !out->is_full;
}

static bool append_label(struct buf *out, const struct url_label *l)
{
    if (is_ascii(l) && !is_punycode(l)) {
        append_codes(out, l);
        return !out->is_full;
    }
    switch (to_alabel(l->codes, l->len, out)) {
    case IDN2_OK:
        return !out->is_full;
    case IDN2_DISALLOWED:
    case IDN2_2HYPHEN:
    case IDN2_HYPHEN_STARTEND:
    case IDN2_TOO_BIG_LABEL:
    case IDN2_ALABEL_ROUNDTRIP_FAILED:
        return append_by_runs(out, l);
    default:
        return false;
    }
}

bool url_domain_to_ascii(struct str domain, struct buf *out)
{
    struct url_label label = {.len = 0};

    if (url_is_ascii(domain)) {
        for (size_t i = 0; i < domain.len; i++)
            append_lower(out, domain.ptr[i]);
        return !out->is_full;
    }
    for (size_t at = 0; at < domain.len;) {
        uint32_t code = newer(url_utf8_next(domain, &at));

        if (code == 0 || code == UTF8_REPLACEMENT)
            return false;
        if (is_dot(code)) {
            if (!append_label(out, &label) || !buf_append_char(out, '.'))
                return false;
            label.len = 0;
        } else if (code != REMOVED && !url_label_add(&label, code)) {
            return false;
        }
    }
    return append_label(out, &label);
}
