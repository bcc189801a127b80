/*
 * vast_rules.h - what holds for the ads of a trace: settings, then the provider that its offer names.
 *
 * A provider is a row of vast_providers, which comes with the claim, or a section [vast_provider NAME] of the
 * ini. The row goes before: it is the farm's, and can be changed while the farm runs. What a section does not
 * say is as the settings have it.
 */
#ifndef TRACEPOOL_WORKER_VAST_RULES_H
#define TRACEPOOL_WORKER_VAST_RULES_H

#include "common/conf.h"
#include "worker/vast/provider.h"

struct vast_rules {
    struct arena arena;
    struct vast_provider defaults;
    struct vast_provider *ini; /* the sections, in the arena */
    int nini;
};

/* ERR_BAD_SETTING: a section that makes no sense, with its file and line. */
NODISCARD bool vast_rules_init(struct vast_rules *r, const struct conf *conf, struct err *err);
void vast_rules_finish(struct vast_rules *r);

/* The section of that name, or NULL. */
const struct vast_provider *vast_rules_section(const struct vast_rules *r, struct str name);

/*
 * The provider of that name; the settings alone when it is empty. row: the table's, as JSON; empty when it
 * has none. ERR_BAD_INPUT says which value of it cannot be used, that it is not active, or that nobody knows
 * it.
 */
NODISCARD bool vast_rules_find(const struct vast_rules *r, struct arena *a, struct str name, struct str row,
                               struct vast_provider *out, struct err *err);

#endif
