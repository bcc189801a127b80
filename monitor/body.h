/*
 * body.h - the JSON body of a call: whole numbers by name, each within its limits.
 */
#ifndef TRACEPOOL_MONITOR_BODY_H
#define TRACEPOOL_MONITOR_BODY_H

#include "common/err.h"
#include "common/str.h"

#include <stdint.h>

struct body_field {
    const char *name;
    int64_t min, max;
    int64_t *value; /* holds the default before, what was sent afterwards */
};

/*
 * Pure. An empty body leaves every default. ERR_BAD_INPUT is a sentence for the caller: what is no JSON
 * and where, which field is unknown, which value is not what it has to be and what would be.
 */
NODISCARD bool body_read(struct str body, const struct body_field *fields, int nfields, struct err *err);

#endif
