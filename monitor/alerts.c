/*
 * alerts.c - the table of alert rules, as JSON, as warnings and as gauges. See alerts.h.
 *
 * Pure. Who measures and remembers is the database; who tells is notify.c.
 */
#include "monitor/alerts.h"

#include "common/json.h"

#include <stdio.h>
#include <string.h>

const struct alert_rule alert_rules[ALERT_COUNT] = {
#define ALERT_ROW(name, severity, for_s, fires, unit, what, gauge, label, scale, expression, advice)         \
    {#name, ALERT_##severity, for_s, ALERT_##fires, unit, what, gauge, label, scale, expression, advice},
    ALERTS_MAP(ALERT_ROW)
#undef ALERT_ROW
};

const char *alert_severity_name(enum alert_severity severity)
{
    static const char *const names[] = {"info", "warning", "critical"};

    return names[severity];
}

int64_t alert_threshold(const struct conf *conf, enum alert alert)
{
    const int64_t thresholds[ALERT_COUNT] = {
#define ALERT_THRESHOLD(name, ...) conf->alerts_##name,
        ALERTS_MAP(ALERT_THRESHOLD)
#undef ALERT_THRESHOLD
    };

    return thresholds[alert];
}

/* alerts.webhook_severity is the least that is posted. */
static bool is_posted(const struct conf *conf, enum alert_severity severity)
{
    enum alert_severity least = ALERT_INFO;

    while (least < ALERT_CRITICAL && strcmp(conf->alerts_webhook_severity, alert_severity_name(least)) != 0)
        least++;
    return severity >= least;
}

static json_t *rule_json(const struct conf *conf, enum alert alert)
{
    const struct alert_rule *rule = &alert_rules[alert];
    json_t *object = json_object();

    json_put_str(object, "name", str_from(rule->name));
    json_put_str(object, "severity", str_from(alert_severity_name(rule->severity)));
    json_put_int(object, "for_s", rule->for_s);
    json_put(object, "is_ceiling", json_boolean(rule->fires == ALERT_ABOVE));
    json_put_int(object, "threshold", alert_threshold(conf, alert));
    json_put_str(object, "unit", str_from(rule->unit));
    json_put_str(object, "what", str_from(rule->what));
    json_put_str(object, "advice", str_from(rule->advice));
    json_put(object, "is_posted", json_boolean(is_posted(conf, rule->severity)));
    return object;
}

void alerts_write_rules(const struct conf *conf, struct buf *out)
{
    SCOPED(json_t) rules = json_array();

    for (int i = 0; i < ALERT_COUNT; i++)
        json_add(rules, rule_json(conf, i));
    json_write(rules, out);
}

static bool is_of(const json_t *level, const struct alert_rule *rule)
{
    return str_equal(json_get_str(level, "rule", STR("")), str_from(rule->name));
}

void alerts_describe(const json_t *levels, json_t *warnings, struct buf *recommendation)
{
    for (int i = 0; i < ALERT_COUNT; i++) {
        const struct alert_rule *rule = &alert_rules[i];
        bool has_fired = false;
        size_t at;
        json_t *level;

        json_array_foreach((json_t *)levels, at, level)
        {
            if (rule->severity == ALERT_INFO || !is_of(level, rule) ||
                !json_get_bool(level, "is_beyond", false))
                continue;
            json_array_append(warnings, json_object_get(level, "message"));
            if (!has_fired)
                buf_printf(recommendation, "%s%s", recommendation->len ? "; " : "", rule->advice);
            has_fired = true;
        }
    }
    if (recommendation->len == 0)
        buf_append_str(recommendation, STR("System operating normally"));
}

/* ---- gauges ---- */

/* A label's value: backslash and quote are escaped, control characters become blanks. */
static void put_label_value(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\\' || value.ptr[i] == '"')
            buf_append_char(out, '\\');
        buf_append_char(out, (unsigned char)value.ptr[i] < ' ' ? ' ' : value.ptr[i]);
    }
}

static void put_series(const struct alert_rule *rule, const json_t *level, struct buf *out)
{
    double value = json_number_value(json_object_get(level, "value"));

    buf_printf(out, "%s{%s=\"", rule->gauge, rule->label);
    put_label_value(out, json_get_str(level, "subject", STR("")));
    buf_printf(out, "\"} %.15g\n", value * rule->scale);
}

static void put_gauge(const struct alert_rule *rule, const json_t *levels, struct buf *out)
{
    double sum = 0;
    bool is_known = false;
    size_t at;
    json_t *level;

    buf_printf(out, "# HELP %s %s.\n# TYPE %s gauge\n", rule->gauge, rule->what, rule->gauge);
    json_array_foreach((json_t *)levels, at, level)
    {
        if (!is_of(level, rule))
            continue;
        is_known = true;
        sum += json_number_value(json_object_get(level, "value"));
        if (*rule->label)
            put_series(rule, level, out);
    }
    if (is_known && !*rule->label)
        buf_printf(out, "%s %.15g\n", rule->gauge, sum * rule->scale);
}

void alerts_put_gauges(const json_t *levels, struct buf *out)
{
    for (int i = 0; i < ALERT_COUNT; i++)
        if (*alert_rules[i].gauge)
            put_gauge(&alert_rules[i], levels, out);
}
