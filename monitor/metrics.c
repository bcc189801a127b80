/*
 * metrics.c - what Prometheus reads from the monitor. See metrics.h.
 *
 * Workers listen on nothing; their counters come with their heartbeats and are shown here with a label
 * `host`. Numbers of pool and queue are those of the last snapshot and disappear when it is too old:
 * a gap in a graph is honest, a flat line is not.
 */
#include "monitor/metrics.h"

#include "common/json.h"
#include "monitor/alerts.h"
#include "monitor/monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 8 * 1024 * 1024, MAX_MISSED_TICKS = 3 };

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
static void put_label(struct buf *out, const char *label, const char *value)
{
    buf_printf(out, "%s=\"", label);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            buf_append_char(out, '\\');
        buf_append_char(out, *value == '\n' ? ' ' : *value);
    }
    buf_append_char(out, '"');
}

/* ---- pool and queue ---- */

/* name{country="us",state="available"} for each country of pool_summary. */
static void put_countries(const json_t *summary, const char *name, const char *label, const char *state,
                          struct buf *out)
{
    const char *country;
    json_t *counts;

    json_object_foreach((json_t *)summary, country, counts)
    {
        buf_printf(out, "%s{", name);
        put_label(out, "country", country);
        buf_printf(out, ",%s=\"%s\"} %" PRId64 "\n", label, state, json_get_int(counts, state, 0));
    }
}

static void put_pool(const json_t *status, struct buf *out)
{
    static const char *const states[] = {"available", "locked", "cooldown"};
    static const char *const healths[] = {"healthy", "unhealthy"};
    const json_t *summary = json_object_get(status, "pool_summary");

    put_head(out, "tracepool_pool_ips", "gauge", "IPs of the pool by country and state.");
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        put_countries(summary, "tracepool_pool_ips", "state", states[i], out);
    put_head(out, "tracepool_pool_ips_health", "gauge", "IPs of the pool by country and health.");
    for (size_t i = 0; i < ARRAY_LEN(healths); i++)
        put_countries(summary, "tracepool_pool_ips_health", "health", healths[i], out);
}

static void put_queue(const json_t *status, struct buf *out)
{
    const json_t *active = json_object_get(status, "active_requests");
    const char *country;
    json_t *count;

    put_head(out, "tracepool_requests", "gauge", "Requests that have not ended, by status.");
    buf_printf(out, "tracepool_requests{status=\"pending\"} %" PRId64 "\n",
               json_get_int(active, "pending", 0));
    buf_printf(out, "tracepool_requests{status=\"processing\"} %" PRId64 "\n",
               json_get_int(active, "processing", 0));
    put_head(out, "tracepool_requests_by_country", "gauge", "Requests that have not ended, by country.");
    json_object_foreach(json_object_get(active, "by_country"), country, count)
    {
        buf_append_str(out, STR("tracepool_requests_by_country{"));
        put_label(out, "country", country);
        buf_printf(out, "} %" PRId64 "\n", (int64_t)json_integer_value(count));
    }
}

/* clang-format off */
static const struct {
    const char *section, *key, *name;
    double scale;
    const char *help;
} plain[] = {
    {"health",      "pool_utilization_percent", "tracepool_pool_utilization_ratio", 0.01,  "Share of the pool that is locked or in cooldown."},
    {"health",      "success_rate_5min",        "tracepool_success_ratio",          0.01,  "Completed among the traces that ended in the last 5 minutes."},
    {"performance", "completed_last_5min",      "tracepool_recently_completed",     1,     "Traces completed in the last 5 minutes."},
    {"performance", "avg_trace_time_ms",        "tracepool_trace_mean_seconds",     0.001, "Mean time of the traces completed in the last 5 minutes."},
};
/* clang-format on */

void metrics_put_status(const json_t *status, struct buf *out)
{
    put_pool(status, out);
    put_queue(status, out);
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        const json_t *value = json_object_get(json_object_get(status, plain[i].section), plain[i].key);

        if (!json_is_number(value))
            continue;
        put_head(out, plain[i].name, "gauge", plain[i].help);
        buf_printf(out, "%s %g\n", plain[i].name, json_number_value(value) * plain[i].scale);
    }
}

/* ---- the farm ---- */

enum farm_kind { FARM_COUNTER, FARM_GAUGE, FARM_HISTOGRAM };
enum farm_program { FARM_EDGE, FARM_WORKER, FARM_MONITOR, FARM_HTTP, FARM_ALL };

static const struct farm_metric {
    enum farm_program program;
    enum farm_kind kind;
    const char *name, *labels, *help;
} farm_metrics[] = {
#define FARM_ROW(ident, program, kind, name, labels, help) {FARM_##program, FARM_##kind, name, labels, help},
    METRICS_MAP(FARM_ROW)
#undef FARM_ROW
};

/* One series per host whose heartbeat has that key. */
static void put_series(const json_t *workers, const char *key, const char *name, const char *labels,
                       struct buf *out)
{
    size_t i;
    json_t *entry;

    json_array_foreach((json_t *)workers, i, entry)
    {
        const json_t *value = json_object_get(json_object_get(entry, "counters"), key);
        const char *host = json_string_value(json_object_get(entry, "host"));

        if (!json_is_number(value) || !host)
            continue;
        buf_printf(out, "%s{", name);
        put_label(out, "host", host);
        buf_printf(out, "%s%s} %.15g\n", *labels ? "," : "", labels, json_number_value(value));
    }
}

/* The bounds as the table has them: they are the keys of a heartbeat, too. */
static void put_buckets(const json_t *workers, const struct farm_metric *row, struct buf *out)
{
    char name[160], labels[60], key[260];

    snprintf(name, sizeof(name), "%s_bucket", row->name);
    for (struct str rest = str_from(row->labels), bound; str_cut(&rest, ' ', &bound);) {
        snprintf(labels, sizeof(labels), "le=\"%.*s\"", STR_ARG(bound));
        snprintf(key, sizeof(key), "%s{%s}", name, labels);
        put_series(workers, key, name, labels, out);
    }
    snprintf(key, sizeof(key), "%s_count", row->name);
    put_series(workers, key, name, "le=\"+Inf\"", out);
}

static void put_histogram(const json_t *workers, const struct farm_metric *row, struct buf *out)
{
    static const char *const suffixes[] = {"_sum", "_count"};

    put_buckets(workers, row, out);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char name[160];

        snprintf(name, sizeof(name), "%s%s", row->name, suffixes[i]);
        put_series(workers, name, name, "", out);
    }
}

static void put_simple(const json_t *workers, const struct farm_metric *row, struct buf *out)
{
    char key[200];

    if (*row->labels)
        snprintf(key, sizeof(key), "%s{%s}", row->name, row->labels);
    else
        snprintf(key, sizeof(key), "%s", row->name);
    put_series(workers, key, row->name, row->labels, out);
}

void metrics_put_workers(const json_t *workers, struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *family = "";

    for (size_t i = 0; i < ARRAY_LEN(farm_metrics); i++) {
        const struct farm_metric *row = &farm_metrics[i];

        if (row->program != FARM_WORKER) /* what all programs count is shown for the monitor itself */
            continue;
        if (strcmp(family, row->name) != 0)
            put_head(out, row->name, types[row->kind], row->help);
        family = row->name;
        if (row->kind == FARM_HISTOGRAM)
            put_histogram(workers, row, out);
        else
            put_simple(workers, row, out);
    }
}

/* ---- the answer ---- */

void metrics_get(struct monitor *m, struct httpd_conn *conn)
{
    const struct snapshot *s = &m->snapshot;
    int64_t fresh_ms = MAX_MISSED_TICKS * m->conf->monitor_interval_s * 1000;
    SCOPED_VALUE(buf) text;

    buf_init(&text, TEXT_MAX_BYTES);
    metrics_add(METRIC_API_CALLS, 1);
    metrics_render(METRICS_MONITOR, &text);
    if (s->status && loop_now_ms() - s->seen_ms <= fresh_ms) {
        metrics_put_status(s->status, &text);
        alerts_put_gauges(s->levels, &text);
        metrics_put_workers(s->workers, &text);
    }
    httpd_respond(conn, 200, STR("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                  buf_str(&text));
}
