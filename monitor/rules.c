/*
 * rules.c - writes the table of alert rules as a Prometheus rules file. See rules.h.
 *
 * Every text is written as a double-quoted YAML scalar, which reads the escapes of a JSON string.
 */
#include "monitor/rules.h"

#include "monitor/alerts.h"

#include <inttypes.h>

static void put_quoted(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, *text);
    }
}

/* TracepoolQueueDepth for queue_depth. */
static void put_name(struct buf *out, const char *name)
{
    bool is_first = true;

    buf_append_str(out, STR("Tracepool"));
    for (; *name; name++) {
        if (*name != '_')
            buf_append_char(out,
                            is_first && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name);
        is_first = *name == '_';
    }
}

static void put_summary(struct buf *out, const struct alert_rule *rule, int64_t threshold)
{
    const char *blank = *rule->unit ? " " : "";

    buf_append_str(out, STR("          summary: \""));
    put_quoted(out, rule->what);
    if (*rule->label)
        buf_printf(out, " ({{ $labels.%s }})", rule->label);
    buf_printf(out, " is {{ $value | printf \\\"%%.4g\\\" }}%s%s (%s than %" PRId64 "%s%s)\"\n", blank,
               rule->unit, rule->fires == ALERT_ABOVE ? "more" : "less", threshold, blank, rule->unit);
}

static void put_rule(struct buf *out, const struct alert_rule *rule, int64_t threshold)
{
    buf_append_str(out, STR("      - alert: "));
    put_name(out, rule->name);
    buf_append_str(out, STR("\n        expr: \""));
    put_quoted(out, rule->expression);
    buf_printf(out, " %c %" PRId64 "\"\n", rule->fires == ALERT_ABOVE ? '>' : '<', threshold);
    buf_printf(out,
               "        for: %ds\n        labels:\n          severity: %s\n          rule: %s\n        "
               "annotations:\n",
               rule->for_s, alert_severity_name(rule->severity), rule->name);
    put_summary(out, rule, threshold);
    buf_append_str(out, STR("          description: \""));
    put_quoted(out, rule->advice);
    buf_append_str(out, STR("\"\n          runbook_url: \"deploy/REFERENCE.md#alerts\"\n"));
}

void rules_write(const struct conf *conf, struct buf *out)
{
    buf_append_str(
        out, STR("# Alert rules for Prometheus and Alertmanager, made by `tracepool-monitor rules` from\n"
                 "# monitor/alerts_table.h; with your own thresholds: tracepool-monitor --config FILE rules\n"
                 "groups:\n"
                 "  - name: tracepool\n"
                 "    rules:\n"));
    for (int i = 0; i < ALERT_COUNT; i++)
        put_rule(out, &alert_rules[i], alert_threshold(conf, i));
}
