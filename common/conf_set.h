/*
 * conf_set.h - between conf.c (judges values) and conf_file.c (reads the ini file).
 */
#ifndef TRACEPOOL_COMMON_CONF_SET_H
#define TRACEPOOL_COMMON_CONF_SET_H

#include "common/conf.h"

enum conf_source { CONF_FROM_FILE, CONF_FROM_ENVIRONMENT, CONF_FROM_OPTION };

/* Sets one value; where ("tracepool.ini:12") begins the error's text. */
NODISCARD bool conf_set(struct conf *conf, struct str section, struct str key, const char *value,
                        enum conf_source source, const char *where, struct err *err);

/*
 * Reads an ini file by inih. inih cuts lines at INI_MAX_LINE bytes without saying so; here a longer line is
 * refused with its number. A key given twice in one file, a line without '=' and a NUL byte are refused.
 */
NODISCARD bool conf_read_file(struct conf *conf, const char *path, struct err *err);

#endif
