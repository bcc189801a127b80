/*
 * charset.c - labels, the search for one in a page's first bytes, and iconv with replacement.
 */
#include "worker/tracer/charset.h"

#include "common/json.h"
#include "worker/tracer/scan.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

enum { PRESCAN_BYTES = 1024 };

/* clang-format off */
/* iconv's name      labels of the Encoding Standard, between blanks */
static const struct {
    const char *name, *labels;
} encodings[] = {
    {"UTF-8",        " unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 "},
    {"CP1252",       " ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 "
                     "iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252 "},
    {"CP1250",       " cp1250 windows-1250 x-cp1250 "},
    {"CP1251",       " cp1251 windows-1251 x-cp1251 "},
    {"CP1253",       " cp1253 windows-1253 x-cp1253 "},
    {"CP1254",       " cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 "
                     "windows-1254 x-cp1254 "},
    {"CP1255",       " cp1255 windows-1255 x-cp1255 "},
    {"CP1256",       " cp1256 windows-1256 x-cp1256 "},
    {"CP1257",       " cp1257 windows-1257 x-cp1257 "},
    {"CP1258",       " cp1258 windows-1258 x-cp1258 "},
    {"ISO-8859-2",   " csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2 "},
    {"ISO-8859-3",   " csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3 "},
    {"ISO-8859-4",   " csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4 "},
    {"ISO-8859-5",   " csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988 "},
    {"ISO-8859-6",   " arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e "
                     "iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987 "},
    {"ISO-8859-7",   " csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 "
                     "iso_8859-7 iso_8859-7:1987 sun_eu_greek "},
    {"ISO-8859-8",   " csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 "
                     "iso_8859-8 iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical "},
    {"ISO-8859-10",  " csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6 "},
    {"ISO-8859-13",  " iso-8859-13 iso8859-13 iso885913 "},
    {"ISO-8859-14",  " iso-8859-14 iso8859-14 iso885914 "},
    {"ISO-8859-15",  " csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 "},
    {"ISO-8859-16",  " iso-8859-16 "},
    {"IBM866",       " 866 cp866 csibm866 ibm866 "},
    {"KOI8-R",       " cskoi8r koi koi8 koi8-r koi8_r "},
    {"KOI8-U",       " koi8-ru koi8-u "},
    {"MACINTOSH",    " csmacintosh mac macintosh x-mac-roman "},
    {"MAC-CYRILLIC", " x-mac-cyrillic x-mac-ukrainian "},
    {"CP874",        " dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874 "},
    {"GB18030",      " chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 "},
    {"BIG5-HKSCS",   " big5 big5-hkscs cn-big5 csbig5 x-x-big5 "},
    {"EUC-JP",       " cseucpkdfmtjapanese euc-jp x-euc-jp "},
    {"ISO-2022-JP",  " csiso2022jp iso-2022-jp "},
    {"CP932",        " csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis "},
    {"CP949",        " cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 "
                     "ksc_5601 windows-949 "},
    {"UTF-16BE",     " unicodefffe utf-16be "},
    {"UTF-16LE",     " csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le "},
};

static const struct {
    struct str bytes;
    const char *name;
} marks[] = {
    {{"\xef\xbb\xbf", 3}, "UTF-8"},
    {{"\xfe\xff", 2},     "UTF-16BE"},
    {{"\xff\xfe", 2},     "UTF-16LE"},
};
/* clang-format on */

const char *charset_from_label(struct str label)
{
    char padded[64];
    size_t len = 0;

    label = str_trim(label);
    if (!label.len || label.len + 3 > sizeof(padded) || memchr(label.ptr, ' ', label.len))
        return NULL;
    padded[len++] = ' ';
    for (size_t i = 0; i < label.len; i++)
        padded[len++] =
            (char)(label.ptr[i] >= 'A' && label.ptr[i] <= 'Z' ? label.ptr[i] | 0x20 : label.ptr[i]);
    padded[len++] = ' ';
    padded[len] = 0;
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++)
        if (strstr(encodings[i].labels, padded))
            return encodings[i].name;
    return NULL;
}

static struct str unquote(struct str value)
{
    value = str_trim(value);
    if (value.len && (value.ptr[0] == '"' || value.ptr[0] == '\''))
        return str_slice(value, 1, str_find(value, 1, value.ptr[0]));
    return value;
}

struct str charset_parameter(struct str content_type, struct str name)
{
    struct str rest = content_type, part, key;

    if (!str_cut(&rest, ';', &part))
        return (struct str){0};
    while (str_cut(&rest, ';', &part))
        if (str_cut(&part, '=', &key) && part.ptr && str_equal_nocase(str_trim(key), name))
            return unquote(part);
    return (struct str){0};
}

static struct str attribute(struct str tag, struct str wanted)
{
    struct str name, value;
    size_t at = 0;

    while (scan_attribute(tag, &at, &name, &value))
        if (str_equal_nocase(name, wanted))
            return value;
    return (struct str){0};
}

/* "algorithm for extracting a character encoding from a meta element" */
static struct str label_in_content(struct str content)
{
    struct str name = STR("charset");

    for (size_t i = 0; i + name.len < content.len; i++) {
        struct str rest = str_trim(str_slice(content, i + name.len, content.len));

        if (!str_equal_nocase(str_slice(content, i, i + name.len), name) || !rest.len || rest.ptr[0] != '=')
            continue;
        rest = str_trim(str_slice(rest, 1, rest.len));
        if (rest.len && (rest.ptr[0] == '"' || rest.ptr[0] == '\''))
            return unquote(rest);
        for (i = 0; i < rest.len && !strchr(" \t\r\n\f;", rest.ptr[i]);)
            i++;
        return str_slice(rest, 0, i);
    }
    return (struct str){0};
}

static void look_at_tag(void *arg, struct str name, struct str tag)
{
    const char **found = arg;
    struct str label;

    if (*found || !str_equal_nocase(name, STR("meta")))
        return;
    label = attribute(tag, STR("charset"));
    if (!label.ptr && str_equal_nocase(attribute(tag, STR("http-equiv")), STR("content-type")))
        label = label_in_content(attribute(tag, STR("content")));
    if (label.ptr)
        *found = charset_from_label(label);
}

/* A page that can be read so far cannot be in UTF-16, whatever its meta tag says. */
static const char *prescan(struct str body)
{
    const char *found = NULL;
    struct scan_sink sink = {.tag = look_at_tag, .arg = &found};

    scan_html(str_slice(body, 0, PRESCAN_BYTES), &sink);
    return found && strncmp(found, "UTF-16", 6) == 0 ? "UTF-8" : found;
}

const char *charset_of_page(struct str body, struct str content_type)
{
    const char *found;

    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (str_starts(body, marks[i].bytes))
            return marks[i].name;
    found = charset_from_label(charset_parameter(content_type, STR("charset")));
    if (!found)
        found = prescan(body);
    return found ? found : "CP1252";
}

static struct str without_mark(const char *charset, struct str body)
{
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (strcmp(marks[i].name, charset) == 0 && str_starts(body, marks[i].bytes))
            return str_slice(body, marks[i].bytes.len, body.len);
    return body;
}

/* unit: how many bytes are passed over where they are no character. */
static bool convert(iconv_t how, size_t unit, struct str body, struct buf *out)
{
    char *in = (char *)body.ptr;
    size_t left = body.len;

    while (left) {
        char chunk[4096], *to = chunk;
        size_t room = sizeof(chunk);
        bool is_broken = iconv(how, &in, &left, &to, &room) == (size_t)-1 && errno != E2BIG;

        if (!buf_append(out, chunk, sizeof(chunk) - room))
            return false;
        if (!is_broken)
            continue;
        if (!buf_append_str(out, STR("\xef\xbf\xbd")))
            return false;
        if (unit > left)
            unit = left;
        in += unit;
        left -= unit;
        iconv(how, NULL, NULL, NULL, NULL);
    }
    return true;
}

bool charset_to_utf8(const char *charset, struct str body, struct buf *out)
{
    iconv_t how;
    bool fits;

    body = without_mark(charset, body);
    if (strcmp(charset, "UTF-8") == 0) {
        json_clean_utf8(body, out);
        return !out->is_full;
    }
    how = iconv_open("UTF-8", charset);
    if (how == (iconv_t)-1)
        return false;
    fits = convert(how, strncmp(charset, "UTF-16", 6) == 0 ? 2 : 1, body, out);
    iconv_close(how);
    return fits;
}
