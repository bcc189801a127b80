/*
 * countries.h - the setting worker.countries as PostgreSQL reads it. Pure.
 */
#ifndef TRACEPOOL_WORKER_COUNTRIES_H
#define TRACEPOOL_WORKER_COUNTRIES_H

#include "common/err.h"

/*
 * "us, DE" as an array literal, in lower case as all countries of the database; NULL for an empty list.
 * Caller owns it. ERR_BAD_SETTING names an entry that is no country: it would stand for none, or for all.
 */
NODISCARD bool countries_read(const char *list, char **out, struct err *err);

#endif
