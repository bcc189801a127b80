/*
 * str.c - views into bytes: comparing, searching, cutting. No allocation.
 */
#include "common/str.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

bool str_same_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i] && lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_equal(str_slice(s, 0, prefix.len), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_equal_nocase(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends_nocase(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_equal_nocase(str_slice(s, s.len - suffix.len, s.len), suffix);
}

struct str str_trim_start(struct str s)
{
    size_t from = 0;

    while (from < s.len && is_blank(s.ptr[from]))
        from++;
    return str_slice(s, from, s.len);
}

struct str str_trim(struct str s)
{
    s = str_trim_start(s);
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_cut(struct str *rest, char c, struct str *part)
{
    size_t at;

    if (!rest->ptr)
        return false;
    at = str_find(*rest, 0, c);
    *part = str_slice(*rest, 0, at);
    *rest = at < rest->len ? str_slice(*rest, at + 1, rest->len) : (struct str){NULL, 0};
    return true;
}

bool str_to_int(struct str s, int64_t *out)
{
    int64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, s.ptr[i] - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

int str_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_equal_secret(struct str a, struct str b)
{
    unsigned char differ = a.len != b.len;

    for (size_t i = 0; i < b.len; i++)
        differ |= (unsigned char)((a.len ? a.ptr[i % a.len] : 0) ^ b.ptr[i]);
    return !differ;
}
