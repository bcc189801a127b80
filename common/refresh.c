/*
 * refresh.c - reads "5; url=/next" as the HTML Standard says ("shared declarative refresh steps").
 *
 * Decides nothing: whether a refresh is followed, and after which delay, is its caller's business.
 */
#include "common/refresh.h"

#include <limits.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct str skip_blanks(struct str s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = str_slice(s, 1, s.len);
    return s;
}

/* "1", "1.9", ".9" or "1.9..5."; false when the text begins otherwise. */
static bool cut_delay(struct str *text, int *delay_s)
{
    size_t at = 0;
    int seconds = 0;

    for (; at < text->len && is_digit(text->ptr[at]); at++) {
        if (__builtin_mul_overflow(seconds, 10, &seconds) ||
            __builtin_add_overflow(seconds, text->ptr[at] - '0', &seconds))
            seconds = INT_MAX;
    }
    if (at == 0 && !str_starts(*text, STR(".")))
        return false;
    while (at < text->len && (is_digit(text->ptr[at]) || text->ptr[at] == '.'))
        at++;
    *text = str_slice(*text, at, text->len);
    *delay_s = seconds;
    return true;
}

/* What is behind "url =", or the text itself when it begins with something else. */
static struct str skip_name(struct str text)
{
    struct str rest = text;

    if (!str_starts_nocase(rest, STR("url")))
        return text;
    rest = skip_blanks(str_slice(rest, 3, rest.len));
    if (!str_starts(rest, STR("=")))
        return text;
    return skip_blanks(str_slice(rest, 1, rest.len));
}

static struct str unquote(struct str text)
{
    char quote = text.len ? text.ptr[0] : '\0';

    if (quote != '\'' && quote != '"')
        return text;
    return str_slice(text, 1, str_find(text, 1, quote));
}

bool refresh_parse(struct str value, struct refresh *out)
{
    struct str rest = skip_blanks(value);
    struct refresh found = {.delay_s = 0};

    if (!cut_delay(&rest, &found.delay_s))
        return false;
    if (rest.len && rest.ptr[0] != ';' && rest.ptr[0] != ',' && !is_blank(rest.ptr[0]))
        return false;
    rest = skip_blanks(rest);
    if (rest.len && (rest.ptr[0] == ';' || rest.ptr[0] == ','))
        rest = skip_blanks(str_slice(rest, 1, rest.len));
    if (rest.len)
        found.url = unquote(skip_name(rest));
    *out = found;
    return true;
}
