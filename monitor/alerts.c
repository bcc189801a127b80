/*
 * alerts.c - the alert rules and how they read a status. See alerts.h.
 *
 * Pure: a status object in, sentences out. status.c makes the object, check.c prints it for a person.
 */
#include "monitor/alerts.h"

#include "common/json.h"

#include <string.h>

static const json_t *health(const json_t *status, const char *key)
{
    return json_object_get(json_object_get(status, "health"), key);
}

static bool read_number(const json_t *number, double *value)
{
    if (!json_is_number(number))
        return false;
    *value = json_number_value(number);
    return true;
}

static bool read_utilisation(const json_t *status, double *value)
{
    return read_number(health(status, "pool_utilization_percent"), value);
}

static bool read_queue_depth(const json_t *status, double *value)
{
    return read_number(health(status, "queue_depth"), value);
}

static bool read_success_rate(const json_t *status, double *value)
{
    return read_number(health(status, "success_rate_5min"), value);
}

static bool read_unhealthy(const json_t *status, double *value)
{
    int64_t total = 0, unhealthy = 0;
    const char *country;
    json_t *counts;

    json_object_foreach(json_object_get(status, "pool_summary"), country, counts)
    {
        total += json_get_int(counts, "total", 0);
        unhealthy += json_get_int(counts, "unhealthy", 0);
    }
    if (total == 0)
        return false;
    *value = 100.0 * (double)unhealthy / (double)total;
    return true;
}

static bool read_trace_time(const json_t *status, double *value)
{
    const json_t *performance = json_object_get(status, "performance");

    if (!read_number(json_object_get(performance, "avg_trace_time_ms"), value))
        return false;
    *value /= 1000;
    return true;
}

/* clang-format off */
const struct alert_rule alert_rules[ALERT_COUNT] = {
/*   name                ceiling threshold for_s  what, unit                           advice, reader */
    {"pool_utilization", true,   80,       300,   "Pool utilization", "%",
     "Add more IPs to the pool",                                                       read_utilisation},
    {"success_rate",     false,  90,       300,   "Success rate over 5 minutes", "%",
     "Check the proxies' health and the errors of recent traces",                      read_success_rate},
    {"unhealthy_ips",    true,   10,       0,     "Share of unhealthy IPs", "%",
     "Review the status of the IP providers",                                          read_unhealthy},
    {"queue_depth",      true,   20,       0,     "Queue depth", "pending requests",
     "Add worker children or slots, or run batches more often",                        read_queue_depth},
    {"trace_time",       true,   10,       0,     "Average trace time", "s",
     "Check the proxies' performance",                                                 read_trace_time},
};
/* clang-format on */

bool alert_fires(const struct alert_rule *rule, const json_t *status, double *value)
{
    if (!rule->read(status, value))
        return false;
    return rule->is_ceiling ? *value > rule->threshold : *value < rule->threshold;
}

static void append_sentence(const struct alert_rule *rule, double value, json_t *warnings)
{
    SCOPED_VALUE(buf) text;

    buf_init(&text, 500);
    buf_printf(&text, "%s is %.4g %s (%s %g %s)", rule->what, value, rule->unit,
               rule->is_ceiling ? "more than" : "less than", rule->threshold, rule->unit);
    if (json_array_append_new(warnings, json_from_str(buf_str(&text))) != 0)
        abort();
}

void alerts_describe(const json_t *status, json_t *warnings, struct buf *recommendation)
{
    for (int i = 0; i < ALERT_COUNT; i++) {
        const struct alert_rule *rule = &alert_rules[i];
        double value;

        if (!alert_fires(rule, status, &value))
            continue;
        append_sentence(rule, value, warnings);
        buf_printf(recommendation, "%s%s", recommendation->len ? "; " : "", rule->advice);
    }
    if (recommendation->len == 0)
        buf_append_str(recommendation, STR("System operating normally"));
}
