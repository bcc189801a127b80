/*
 * alerts.h - the rules that tell a healthy pool from one that a person should look at.
 *
 * One table (alerts_table.h) says for each rule: its name, how severe it is, for how long it has to be so, on
 * which side of its threshold it fires, and words for a person. Levels are measured, compared and kept in the
 * database (alert_look, judge_alerts), which gets the rules as JSON; the Prometheus rules are written from
 * the same table (rules.c).
 */
#ifndef TRACEPOOL_MONITOR_ALERTS_H
#define TRACEPOOL_MONITOR_ALERTS_H

#include "common/buf.h"
#include "common/conf.h"
#include "monitor/alerts_table.h"

#include <jansson.h>

enum alert_severity { ALERT_INFO, ALERT_WARNING, ALERT_CRITICAL };
enum alert_side { ALERT_BELOW, ALERT_ABOVE };

struct alert_rule {
    const char *name;
    enum alert_severity severity;
    int for_s;
    enum alert_side fires;
    const char *unit; /* "" where the number speaks for itself */
    const char *what; /* in a sentence: "WHAT is VALUE UNIT (more than THRESHOLD UNIT)" */
    const char *gauge;
    const char *label;
    double scale;
    const char *expression; /* PromQL: the level, in the threshold's unit */
    const char *advice;
};

enum alert {
#define ALERT_ENUM(name, ...) ALERT_##name,
    ALERTS_MAP(ALERT_ENUM)
#undef ALERT_ENUM
        ALERT_COUNT
};

/* As they are told: what stops everything first. */
extern const struct alert_rule alert_rules[ALERT_COUNT];

const char *alert_severity_name(enum alert_severity severity);
/* The rule's threshold as configured. */
int64_t alert_threshold(const struct conf *conf, enum alert alert);

/* The rules for alert_look() and judge_alerts(), as JSON at the end of out. */
void alerts_write_rules(const struct conf *conf, struct buf *out);

/*
 * From the levels of a look: one sentence for each that is beyond its threshold into the array warnings; the
 * advice of all of them, or "System operating normally", into recommendation. What is only information is
 * left out.
 */
void alerts_describe(const json_t *levels, json_t *warnings, struct buf *recommendation);

/* The levels as gauges, Prometheus text. Without a label, subjects are added up. */
void alerts_put_gauges(const json_t *levels, struct buf *out);

#endif
