/*
 * values.c - durations and offsets, as VAST writes them (VAST 4.2, 3.8.1 and 3.14.1).
 */
#include "worker/vast/vast.h"

#include <stdlib.h>
#include <string.h>

enum { MINUTES = 60, SECONDS = 60, MS = 1000 };

/* Takes digits off the start of *s, at most nine of them; false when there is none. */
static bool take_number(struct str *s, int64_t *out)
{
    size_t n = 0;

    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        n++;
    if (n > 9 || !str_to_int(str_slice(*s, 0, n), out))
        return false;
    *s = str_slice(*s, n, s->len);
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = str_slice(*s, 1, s->len);
    return true;
}

/* ".5" is 500 ms; digits behind the third are dropped. */
static int64_t take_fraction(struct str *s)
{
    int64_t ms = 0, weight = MS / 10;

    if (!take_char(s, '.'))
        return 0;
    while (s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
        ms += (s->ptr[0] - '0') * weight;
        weight /= 10;
        *s = str_slice(*s, 1, s->len);
    }
    return ms;
}

int64_t vast_duration_ms(struct str text)
{
    struct str s = str_trim(text);
    int64_t first, minutes = 0, seconds, ms;

    if (!take_number(&s, &first))
        return -1;
    seconds = first;
    if (take_char(&s, ':')) {
        if (!take_number(&s, &minutes) || !take_char(&s, ':') || !take_number(&s, &seconds) ||
            minutes >= MINUTES || seconds >= SECONDS)
            return -1;
    } else {
        first = 0;
    }
    ms = take_fraction(&s);
    if (s.len)
        return -1;
    return ((first * MINUTES + minutes) * SECONDS + seconds) * MS + ms;
}

static bool read_percent(struct str s, double *out)
{
    char number[16];
    char *end;

    if (s.len < 2 || s.len > sizeof(number) || s.ptr[s.len - 1] != '%' || s.ptr[0] < '0' || s.ptr[0] > '9')
        return false;
    memcpy(number, s.ptr, s.len - 1);
    number[s.len - 1] = '\0';
    if (strspn(number, "0123456789.") != s.len - 1)
        return false;
    *out = strtod(number, &end);
    return *end == '\0' && *out <= 100;
}

struct vast_offset vast_read_offset(struct str text)
{
    struct vast_offset offset = {.kind = VAST_OFFSET_NONE};
    struct str s = str_trim(text);

    if (s.len == 0)
        return offset;
    if (read_percent(s, &offset.percent)) {
        offset.kind = VAST_OFFSET_PERCENT;
        return offset;
    }
    offset.ms = vast_duration_ms(s);
    offset.kind = offset.ms < 0 ? VAST_OFFSET_BAD : VAST_OFFSET_MS;
    return offset;
}

int64_t vast_offset_at(const struct vast_offset *offset, int64_t duration_ms)
{
    if (offset->kind == VAST_OFFSET_MS)
        return offset->ms;
    if (offset->kind == VAST_OFFSET_PERCENT && duration_ms >= 0)
        return (int64_t)(offset->percent * (double)duration_ms / 100 + 0.5);
    return -1;
}
