/*
 * url_punycode.c - labels of a domain as ASCII (RFC 3492), which libidn2 does not offer by itself.
 *
 * Pure arithmetic; which code points a label may have is url_idna.c.
 */
#include "common/url_internal.h"

bool url_label_add(struct url_label *l, uint32_t code)
{
    if (l->len == URL_LABEL_CODES)
        return false;
    l->codes[l->len++] = code;
    return true;
}

enum { BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700, FIRST_BIAS = 72 };

static uint32_t adapt(uint32_t delta, uint32_t count, bool is_first)
{
    uint32_t k = 0;

    delta = is_first ? delta / DAMP : delta / 2;
    for (delta += delta / count; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
        delta /= BASE - TMIN;
    return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
    return k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
}

static void append_number(struct buf *out, uint32_t number, uint32_t bias)
{
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = threshold(k, bias);
        uint32_t digit = number < t ? number : t + (number - t) % (BASE - t);

        buf_append_char(out, "abcdefghijklmnopqrstuvwxyz0123456789"[digit]);
        if (number < t)
            return;
        number = (number - t) / (BASE - t);
    }
}

static uint32_t smallest_from(const struct url_label *l, uint32_t least)
{
    uint32_t smallest = UINT32_MAX;

    for (size_t i = 0; i < l->len; i++)
        if (l->codes[i] >= least && l->codes[i] < smallest)
            smallest = l->codes[i];
    return smallest;
}

/* 512 code points below 0x110000 cannot overflow 32 bits. */
_Static_assert((uint64_t)0x110000 * (URL_LABEL_CODES + 1) < UINT32_MAX, "punycode's delta fits");

void url_punycode_append(struct buf *out, const struct url_label *l)
{
    uint32_t code = URL_FIRST_CODE, delta = 0, bias = FIRST_BIAS, done = 0, basic;

    for (size_t i = 0; i < l->len; i++)
        if (l->codes[i] < URL_FIRST_CODE) {
            buf_append_char(out, (char)l->codes[i]);
            done++;
        }
    basic = done;
    if (basic)
        buf_append_char(out, '-');
    for (; done < l->len; code++, delta++) {
        uint32_t next = smallest_from(l, code);

        delta += (next - code) * (done + 1);
        code = next;
        for (size_t i = 0; i < l->len; i++) {
            if (l->codes[i] < code)
                delta++;
            if (l->codes[i] != code)
                continue;
            append_number(out, delta, bias);
            bias = adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
    }
}

/* One number in *text, whose scale grows from digit to digit. False when it is broken or too big. */
static bool cut_number(struct str *text, uint32_t bias, uint32_t *number)
{
    uint64_t weight = 1, sum = 0;

    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = threshold(k, bias), digit;
        char c;

        if (text->len == 0 || weight > UINT32_MAX)
            return false;
        c = text->ptr[0];
        *text = str_slice(*text, 1, text->len);
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0') + 26;
        else if (c >= 'a' && c <= 'z')
            digit = (uint32_t)(c - 'a');
        else
            return false;
        sum += digit * weight;
        if (sum > UINT32_MAX)
            return false;
        if (digit < t)
            break;
        weight *= BASE - t;
    }
    *number = (uint32_t)sum;
    return true;
}

static bool insert_code(struct url_label *l, size_t at, uint32_t code)
{
    if (!url_label_add(l, code))
        return false;
    for (size_t i = l->len - 1; i > at; i--)
        l->codes[i] = l->codes[i - 1];
    l->codes[at] = code;
    return true;
}

bool url_punycode_decode(struct str text, struct url_label *out)
{
    struct url_label l = {.len = 0};
    uint32_t code = URL_FIRST_CODE, bias = FIRST_BIAS;
    uint64_t at = 0;
    size_t basic = text.len;
    bool is_first = true;

    while (basic && text.ptr[basic - 1] != '-')
        basic--;
    for (size_t i = 0; i + 1 < basic; i++)
        if (!url_label_add(&l, (unsigned char)text.ptr[i]))
            return false;
    for (text = str_slice(text, basic, text.len); text.len; at++) {
        uint32_t delta;
        size_t slots = l.len + 1;

        if (!cut_number(&text, bias, &delta))
            return false;
        bias = adapt(delta, (uint32_t)slots, is_first);
        is_first = false;
        at += delta;
        if (at / slots > 0x10ffff - code)
            return false;
        code += (uint32_t)(at / slots);
        at %= slots;
        if (!insert_code(&l, at, code))
            return false;
    }
    for (size_t i = 0; i < l.len; i++)
        if (!url_label_add(out, l.codes[i]))
            return false;
    return true;
}
