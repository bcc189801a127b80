/*
 * alerts.h - the rules that tell a healthy pool from one that a person should look at.
 *
 * The rules are one table in alerts.c: what is looked at, the threshold, for how long, the advice.
 * Here they are judged on one status at one moment; how long it has been so is not asked yet.
 */
#ifndef TRACEPOOL_MONITOR_ALERTS_H
#define TRACEPOOL_MONITOR_ALERTS_H

#include "common/buf.h"

#include <jansson.h>

enum { ALERT_COUNT = 5 };

struct alert_rule {
    const char *name;
    bool is_ceiling; /* true: fires above the threshold; false: below it */
    double threshold;
    int for_s;        /* how long it has to be so before a person is told */
    const char *what; /* in a sentence: "WHAT is VALUE UNIT, THRESHOLD UNIT is the limit" */
    const char *unit;
    const char *advice;
    /* The value in a status; false when the status cannot tell (no IPs, nothing traced yet). */
    bool (*read)(const json_t *status, double *value);
};

/* Strongest first. */
extern const struct alert_rule alert_rules[ALERT_COUNT];

/* Whether the rule fires on this status; *value is what it saw, also when it does not fire. */
bool alert_fires(const struct alert_rule *rule, const json_t *status, double *value);

/*
 * One sentence per firing rule into the array warnings; the advice of all of them, or "System operating
 * normally", into recommendation.
 */
void alerts_describe(const json_t *status, json_t *warnings, struct buf *recommendation);

#endif
