/*
 * reply.h - answers of the operator's API: JSON always, errors as a sentence that says what to do.
 */
#ifndef TRACEPOOL_MONITOR_REPLY_H
#define TRACEPOOL_MONITOR_REPLY_H

#include "common/err.h"
#include "common/httpd.h"

#include <jansson.h>

void reply_json(struct httpd_conn *conn, int status, const json_t *body);
/* The same with a body that is JSON already. */
void reply_json_text(struct httpd_conn *conn, int status, struct str json);
/* {"error": sentence}; counted as refused. */
void reply_error(struct httpd_conn *conn, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* 503 and a Retry-After: the database refused or is away. */
void reply_database_error(struct httpd_conn *conn, const struct err *err);
/* 401 and WWW-Authenticate. */
void reply_unauthorised(struct httpd_conn *conn, const char *why);
/* 405 and Allow. */
void reply_wrong_method(struct httpd_conn *conn, const char *allow);

#endif
