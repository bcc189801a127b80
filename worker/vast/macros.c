/*
 * macros.c - the one pass over a template.
 */
#include "worker/vast/macros.h"

#include <stdio.h>
#include <time.h>

static const char *const known[] = {
    "ADCATEGORIES",
    "ADCOUNT",
    "ADPLAYHEAD",
    "ADSERVINGID",
    "ADTYPE",
    "APIFRAMEWORKS",
    "APPBUNDLE",
    "ASSETURI",
    "BLOCKEDADCATEGORIES",
    "BREAKMAXADLENGTH",
    "BREAKMAXADS",
    "BREAKMAXDURATION",
    "BREAKMINADLENGTH",
    "BREAKPOSITION",
    "CACHEBUSTING",
    "CLICKPOS",
    "CLICKTYPE",
    "CLIENTUA",
    "CONTENTCAT",
    "CONTENTID",
    "CONTENTPLAYHEAD",
    "CONTENTURI",
    "DEVICEIP",
    "DEVICEUA",
    "DOMAIN",
    "DSAPARAMS",
    "DSAPUBRENDER",
    "DSAREQUIRED",
    "ERRORCODE",
    "EXTENSIONS",
    "GDPRCONSENT",
    "GPPSECTIONID",
    "GPPSTRING",
    "IFA",
    "IFATYPE",
    "INVENTORYSTATE",
    "LATLONG",
    "LIMITADTRACKING",
    "MEDIAMIME",
    "MEDIAPLAYHEAD",
    "OMIDPARTNER",
    "PAGEURL",
    "PLACEMENTTYPE",
    "PLAYBACKMETHODS",
    "PLAYERCAPABILITIES",
    "PLAYERSIZE",
    "PLAYERSTATE",
    "PODSEQUENCE",
    "REASON",
    "REGULATIONS",
    "SERVERSIDE",
    "SERVERUA",
    "STOREID",
    "STOREURL",
    "TIMESTAMP",
    "TRANSACTIONID",
    "UNIVERSALADID",
    "VASTVERSIONS",
    "VERIFICATIONVENDORS",
};

bool vast_macro_is_known(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_equal(name, str_from(known[i])))
            return true;
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name_char(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

/* The macro that starts exactly at `at`: its name, and its whole length; 0 when none does. */
static size_t macro_at(struct str text, size_t at, struct str *name)
{
    struct str rest = str_slice(text, at, text.len);
    size_t from = str_starts(rest, STR("${")) ? 2 : 1, end = from;
    char close = from == 2 ? '}' : ']';

    if (rest.len < 3 || (rest.ptr[0] != '[' && from == 1) || !is_letter(rest.ptr[from]))
        return 0;
    while (end < rest.len && is_name_char(rest.ptr[end]))
        end++;
    if (end >= rest.len || rest.ptr[end] != close)
        return 0;
    *name = str_slice(rest, from, end);
    return end + 1;
}

bool vast_macro_next(struct str url_template, size_t *at, struct str *name)
{
    for (; *at < url_template.len; (*at)++) {
        size_t len = macro_at(url_template, *at, name);

        if (len) {
            *at += len;
            return true;
        }
    }
    return false;
}

static bool is_unreserved(char c)
{
    return is_name_char(c) || c == '-' || c == '.' || c == '~';
}

static void put_encoded(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (is_unreserved(value.ptr[i]))
            buf_append_char(out, value.ptr[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)value.ptr[i]);
    }
}

/* ISO 8601 in UTC with milliseconds, as the specification's example has it. */
static void put_timestamp(struct buf *out, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[48], whole[64];
    struct tm utc;

    gmtime_r(&seconds, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(whole, sizeof(whole), "%s.%03d+00", text, (int)(wall_ms % 1000));
    put_encoded(out, str_from(whole));
}

static bool put_generated(struct buf *out, struct str name, const struct vast_macros *macros)
{
    if (str_equal(name, STR("TIMESTAMP")) && macros->wall_ms) {
        put_timestamp(out, macros->wall_ms(macros->arg));
        return true;
    }
    if (str_equal(name, STR("CACHEBUSTING")) && macros->random) {
        buf_printf(out, "%08u", macros->random(macros->arg) % 100000000u);
        return true;
    }
    return false;
}

static const struct vast_macro *find(const struct vast_macros *macros, struct str name)
{
    for (int i = 0; i < macros->n; i++)
        if (str_equal(macros->items[i].name, name))
            return &macros->items[i];
    return NULL;
}

static void put_values(struct buf *out, const struct vast_macro *macro)
{
    for (int i = 0; i < macro->nvalues; i++) {
        if (i)
            buf_append_char(out, ',');
        put_encoded(out, macro->values[i]);
    }
}

static void put_macro(struct buf *out, struct str whole, struct str name, const struct vast_macros *macros,
                      enum vast_macro_mode mode)
{
    const struct vast_macro *macro = find(macros, name);

    if (macro && !macro->is_withheld)
        put_values(out, macro);
    else if (!macro && put_generated(out, name, macros))
        return;
    else if (mode == VAST_MACRO_LEAVE || !vast_macro_is_known(name))
        buf_append_str(out, whole);
    else if (macro)
        buf_append_str(out, STR("-2"));
    else
        buf_append_str(out, str_equal(name, STR("ERRORCODE")) ? STR("900") : STR("-1"));
}

static bool is_wanted(char first, enum vast_macro_formats formats)
{
    return formats == VAST_MACRO_BOTH || (formats == VAST_MACRO_BRACKETS) == (first == '[');
}

bool vast_macro_expand(struct str url_template, const struct vast_macros *macros, enum vast_macro_mode mode,
                       struct buf *out)
{
    for (size_t at = 0; at < url_template.len;) {
        struct str name;
        size_t len = macro_at(url_template, at, &name);

        if (len && is_wanted(url_template.ptr[at], macros->formats))
            put_macro(out, str_slice(url_template, at, at + len), name, macros, mode);
        else if (len)
            buf_append_str(out, str_slice(url_template, at, at + len));
        else
            buf_append_char(out, url_template.ptr[at]);
        at += len ? len : 1;
    }
    return !out->is_full;
}
