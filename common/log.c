/*
 * log.c - renders an event as logfmt or JSON and writes it with one call.
 */
#include "common/log.h"

#include "common/buf.h"
#include "common/json.h"
#include "common/url.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 16 * 1024, CUT_BYTES = 1000, GATE_MS = 60 * 1000 };

static enum log_level min_level = LOG_INFO;
static enum log_format line_format = LOG_LOGFMT;
static const char *proc_name = "tracepool";

struct kv kv_int(const char *key, int64_t value)
{
    return (struct kv){.key = key, .type = KV_INT, .i = value};
}

struct kv kv_double(const char *key, double value)
{
    return (struct kv){.key = key, .type = KV_DOUBLE, .d = value};
}

struct kv kv_bool(const char *key, bool value)
{
    return (struct kv){.key = key, .type = KV_BOOL, .i = value};
}

struct kv kv_cstr(const char *key, const char *value)
{
    return (struct kv){.key = key, .type = KV_TEXT, .text = str_from(value)};
}

struct kv kv_str(const char *key, struct str value)
{
    return (struct kv){.key = key, .type = KV_TEXT, .text = value};
}

struct kv kv_url(const char *key, struct str url)
{
    return (struct kv){.key = key, .type = KV_URL, .text = url};
}

struct kv kv_err(const struct err *err)
{
    return (struct kv){.key = "error", .type = KV_ERR, .err = err};
}

void log_init(enum log_level level, enum log_format format, const char *proc)
{
    min_level = level;
    line_format = format;
    proc_name = proc;
}

bool log_is_on(enum log_level level)
{
    return level >= min_level;
}

static bool needs_quotes(struct str s)
{
    if (s.len == 0)
        return true;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return true;
    }
    return false;
}

/* The second half of a C1 control character in UTF-8, which some terminals obey as they do ESC. */
static bool is_c1(struct str s, size_t i)
{
    return (unsigned char)s.ptr[i] == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0;
}

/* JSON string escapes. */
static void put_escaped(struct buf *line, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c == '"' || c == '\\')
            buf_printf(line, "\\%c", c);
        else if (c == '\n')
            buf_append_str(line, STR("\\n"));
        else if (c < ' ' || c == 0x7f)
            buf_printf(line, "\\u%04x", c);
        else if (is_c1(s, i))
            buf_printf(line, "\\u%04x", (unsigned char)s.ptr[++i]);
        else
            buf_append_char(line, (char)c);
    }
}

/* What visitors and targets send need not be UTF-8, and whoever reads the log wants nothing else. */
static void put_quoted(struct buf *line, struct str s)
{
    SCOPED_VALUE(buf) clean = {.max = 3 * s.len};

    json_clean_utf8(s, &clean);
    buf_append_char(line, '"');
    put_escaped(line, buf_str(&clean));
    buf_append_char(line, '"');
}

static void put_key(struct buf *line, const char *key)
{
    if (line_format == LOG_JSON)
        buf_append_char(line, line->len ? ',' : '{');
    else if (line->len)
        buf_append_char(line, ' ');
    buf_printf(line, line_format == LOG_JSON ? "\"%s\":" : "%s=", key);
}

static void put_text(struct buf *line, const char *key, struct str value)
{
    put_key(line, key);
    if (line_format == LOG_JSON || needs_quotes(value))
        put_quoted(line, value);
    else
        buf_append_str(line, value);
}

static void put_double(struct buf *line, double value)
{
    if (isfinite(value))
        buf_printf(line, "%.6g", value);
    else
        buf_append_str(line, line_format == LOG_JSON ? STR("null") : STR("nan"));
}

static void put_url(struct buf *line, const struct kv *pair)
{
    SCOPED_VALUE(buf) clean;

    buf_init(&clean, LINE_MAX_BYTES / 2);
    url_scrub(pair->text, &clean);
    put_text(line, pair->key, buf_str(&clean));
}

static void put_pair(struct buf *line, const struct kv *pair)
{
    switch (pair->type) {
    case KV_NONE:
        break;
    case KV_INT:
        put_key(line, pair->key);
        buf_printf(line, "%" PRId64, pair->i);
        break;
    case KV_DOUBLE:
        put_key(line, pair->key);
        put_double(line, pair->d);
        break;
    case KV_BOOL:
        put_key(line, pair->key);
        buf_append_str(line, pair->i ? STR("true") : STR("false"));
        break;
    case KV_TEXT:
        put_text(line, pair->key, pair->text);
        break;
    case KV_URL:
        put_url(line, pair);
        break;
    case KV_ERR:
        put_text(line, pair->key, str_from(err_name(pair->err->code)));
        put_text(line, "detail", str_from(pair->err->detail));
        break;
    }
}

/* One that is too long for the line is cut, so that those behind it are there and JSON stays JSON. */
static void put_pair_that_fits(struct buf *line, const struct kv *pair)
{
    size_t before = line->len;

    put_pair(line, pair);
    for (int attempt = 0; line->is_full && attempt < 2; attempt++) {
        line->len = before;
        line->is_full = false;
        if (attempt == 0 && pair->type == KV_TEXT)
            put_text(line, pair->key, str_slice(pair->text, 0, CUT_BYTES));
    }
}

static void put_time(struct buf *line)
{
    struct timespec now;
    struct tm utc;
    char text[40];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    put_key(line, "ts");
    buf_printf(line, line_format == LOG_JSON ? "\"%s.%03ldZ\"" : "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

void log_write(enum log_level level, const char *event, size_t n, const struct kv *pairs)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    SCOPED_VALUE(buf) line;
    ssize_t written;

    buf_init(&line, LINE_MAX_BYTES);
    put_time(&line);
    put_text(&line, "level", str_from(levels[level]));
    put_text(&line, "proc", str_from(proc_name));
    put_text(&line, "event", str_from(event));
    for (size_t i = 0; i < n; i++)
        put_pair_that_fits(&line, &pairs[i]);
    line.max = LINE_MAX_BYTES + 2; /* the end always fits */
    buf_append_str(&line, line_format == LOG_JSON ? STR("}\n") : STR("\n"));
    written = write(STDERR_FILENO, line.data, line.len);
    (void)written; /* nobody is left to tell */
}

bool log_gate_opens(struct log_gate *gate)
{
    struct timespec now;
    int64_t ms;

    clock_gettime(CLOCK_MONOTONIC, &now);
    ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (ms < gate->next_ms) {
        gate->count++;
        return false;
    }
    gate->held_back = gate->count;
    gate->count = 0;
    gate->next_ms = ms + GATE_MS;
    return true;
}
