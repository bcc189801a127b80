/*
 * base64.c - see base64.h.
 */
#include "common/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_value(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

void base64_put(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t bits = 0;

        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < bytes.len ? (unsigned char)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_append_char(out, i + k <= bytes.len ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
    }
}

void base64_put_basic(struct buf *out, struct str user, struct str password)
{
    struct buf pair = {.max = user.len + password.len + 1};

    buf_append_str(&pair, user);
    buf_append_char(&pair, ':');
    buf_append_str(&pair, password);
    buf_append_str(out, STR("Basic "));
    base64_put(out, buf_str(&pair));
    explicit_bzero(pair.data, pair.len);
    buf_finish(&pair);
}

bool base64_take(struct str text, struct buf *out)
{
    uint32_t bits = 0;
    int n = 0;

    while (text.len && text.ptr[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int value = digit_value(text.ptr[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        n += 6;
        if (n >= 8) {
            n -= 8;
            buf_append_char(out, (char)(bits >> n & 0xff));
        }
    }
    return !out->is_full;
}
