/*
 * log.h - one event, one line, one name, typed pairs; on standard error, in logfmt or JSON.
 *
 *     log_info("trace.done", kv("trace", id), kv("hops", n), kv("ms", ms));
 *     -> ts=2026-01-02T10:11:12.345Z level=info proc=worker.3 event=trace.done trace=7f3a hops=4 ms=812
 *
 * The event's name is `noun.verb`, stable and grep-able. A URL goes through kv_url, which drops
 * credentials and parameter values; passwords, tokens, click ids and visitor addresses are never
 * passed here at all. `error` means that a person should look. A line is written by one write(2).
 */
#ifndef TRACEPOOL_COMMON_LOG_H
#define TRACEPOOL_COMMON_LOG_H

#include "common/err.h"
#include "common/str.h"

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum kv_type { KV_NONE, KV_INT, KV_DOUBLE, KV_BOOL, KV_TEXT, KV_URL, KV_ERR };

struct kv {
    const char *key;
    enum kv_type type;
    union {
        int64_t i;
        double d;
        struct str text;
        const struct err *err;
    };
};

/* kv("key", value): integers, double, bool, char *, struct str. */
#define kv(key, value)                                                                                       \
    _Generic((value),                                                                                        \
             _Bool: kv_bool,                                                                                 \
             char *: kv_cstr,                                                                                \
             const char *: kv_cstr,                                                                          \
             struct str: kv_str,                                                                             \
             float: kv_double,                                                                               \
             double: kv_double,                                                                              \
             default: kv_int)(key, value)

struct kv kv_int(const char *key, int64_t value);
struct kv kv_double(const char *key, double value);
struct kv kv_bool(const char *key, bool value);
struct kv kv_cstr(const char *key, const char *value);
struct kv kv_str(const char *key, struct str value);
/* A URL, written without credentials and parameter values. */
struct kv kv_url(const char *key, struct str url);
/* Two pairs: error=NAME detail="...". */
struct kv kv_err(const struct err *err);

/* Level, format and the value of `proc`; proc must outlive the program's last line. */
void log_init(enum log_level level, enum log_format format, const char *proc);
bool log_is_on(enum log_level level);

void log_write(enum log_level level, const char *event, size_t n, const struct kv *pairs);

#define LOG_AT(level, event, ...)                                                                            \
    do {                                                                                                     \
        if (log_is_on(level)) {                                                                              \
            const struct kv pairs_[] = {{.key = NULL}, ##__VA_ARGS__};                                       \
            log_write(level, event, ARRAY_LEN(pairs_) - 1, pairs_ + 1);                                      \
        }                                                                                                    \
    } while (0)

#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, ##__VA_ARGS__)

/*
 * For what can repeat every second: true at most once a minute per gate (a static, zeroed variable).
 *     static struct log_gate gate;
 *     if (log_gate_opens(&gate)) log_warn("spool.full", kv("held_back", gate.held_back));
 * held_back is how many were suppressed since the last line.
 */
struct log_gate {
    int64_t next_ms;
    int64_t held_back;
    int64_t count;
};
bool log_gate_opens(struct log_gate *gate);

#endif
