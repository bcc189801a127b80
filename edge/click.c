/*
 * click.c - writes a click as JSON, straight into the spool's buffer: this runs for every click, and
 * needs no tree of values.
 */
#include "edge/click.h"

#include "common/json.h"

#include <inttypes.h>

static void put_escaped(struct buf *out, unsigned char c)
{
    if (c == '"' || c == '\\')
        buf_append(out, (char[]){'\\', (char)c}, 2);
    else
        buf_printf(out, "\\u%04x", c);
}

static void put_clean(struct buf *out, struct str s)
{
    size_t done = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        buf_append_str(out, str_slice(s, done, i));
        put_escaped(out, c);
        done = i + 1;
    }
    buf_append_str(out, str_slice(s, done, s.len));
}

/*
 * Bytes that stand in a JSON string as they are: visible ASCII and blanks, but for the quote and the
 * backslash.
 */
static const bool is_plain[256] = {[' '] = true, ['!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};

static bool all_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_plain[(unsigned char)s.ptr[i]])
            return false;
    return true;
}

void click_put_string(struct buf *out, struct str s)
{
    SCOPED_VALUE(buf) clean = {.max = 3 * s.len};

    buf_append_char(out, '"');
    if (all_plain(s)) {
        buf_append_str(out, s);
    } else {
        json_clean_utf8(s, &clean);
        put_clean(out, buf_str(&clean));
    }
    buf_append_char(out, '"');
}

/* A member with a text value; an empty one is null. The first member of the object has no comma. */
static void put_member(struct buf *out, const char *before, struct str value)
{
    buf_append_str(out, str_from(before));
    if (value.len)
        click_put_string(out, value);
    else
        buf_append_str(out, STR("null"));
}

static void put_params(struct buf *out, const struct inbound *in)
{
    bool is_first = true;

    buf_append_char(out, '{');
    for (size_t i = 0; i < in->n; i++) {
        if (in->params[i].is_own)
            continue;
        if (!is_first)
            buf_append_char(out, ',');
        is_first = false;
        click_put_string(out, in->params[i].name);
        buf_append_char(out, ':');
        click_put_string(out, in->params[i].value);
    }
    buf_append_char(out, '}');
}

void click_write(const struct click *click, struct buf *out)
{
    put_member(out, "{\"id\":", (struct str){click->id.text, UUID_TEXT});
    put_member(out, ",\"offer_id\":", click->offer_id);
    put_member(out, ",\"offer\":", click->offer);
    put_member(out, ",\"url\":", click->url);
    put_member(out, ",\"country\":", click->country);
    buf_append_str(out, STR(",\"params\":"));
    put_params(out, click->inbound);
    put_member(out, ",\"raw_query\":", click->raw_query);
    buf_printf(out, ",\"at\":%" PRId64, click->at_ms);
    put_member(out, ",\"status\":", click->skip_reason ? STR("skipped") : STR("pending"));
    put_member(out, ",\"skip_reason\":", str_from(click->skip_reason));
    put_member(out, ",\"duplicate_of\":", click->duplicate_of);
    put_member(out, ",\"path\":", str_from(click->path));
    buf_append_str(out, STR(",\"options\":{}}"));
}
