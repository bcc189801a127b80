/*
 * rules.h - the verb `rules`: the alert rules for Prometheus and Alertmanager.
 */
#ifndef TRACEPOOL_MONITOR_RULES_H
#define TRACEPOOL_MONITOR_RULES_H

#include "common/buf.h"
#include "common/conf.h"

/* A rules file with the thresholds of conf; deploy/prometheus/rules.yml is this with the defaults. */
void rules_write(const struct conf *conf, struct buf *out);

#endif
