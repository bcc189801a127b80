/*
 * files.h - which files libpq reads for a connection, so that a process that shuts others out can leave it
 * these.
 */
#ifndef TRACEPOOL_COMMON_PG_FILES_H
#define TRACEPOOL_COMMON_PG_FILES_H

#include "common/sandbox.h"

/*
 * Adds the files of passwords, certificates, keys and services that a connection with this string may read,
 * named by it, by the environment or by libpq's defaults. "" and a string that libpq refuses add none.
 */
void pg_may_read_files(const char *url, struct sandbox_paths *paths);

#endif
