/*
 * reply.c - answers of the operator's API. See reply.h.
 */
#include "monitor/reply.h"

#include "common/json.h"
#include "common/metrics.h"

#include <stdio.h>

enum { BODY_MAX_BYTES = 16 * 1024 * 1024 };

#define PLAIN_HEADERS "Content-Type: application/json\r\nCache-Control: no-store\r\n"

void reply_json(struct httpd_conn *conn, int status, const json_t *body)
{
    SCOPED_VALUE(buf) text;

    buf_init(&text, BODY_MAX_BYTES);
    json_write(body, &text);
    buf_append_char(&text, '\n');
    metrics_add(METRIC_API_CALLS, 1);
    httpd_respond(conn, status, STR(PLAIN_HEADERS), buf_str(&text));
}

void reply_json_text(struct httpd_conn *conn, int status, struct str json)
{
    metrics_add(METRIC_API_CALLS, 1);
    httpd_respond(conn, status, STR(PLAIN_HEADERS), json);
}

static void reply_sentence(struct httpd_conn *conn, int status, struct str headers, const char *sentence)
{
    SCOPED(json_t) body = json_object();
    SCOPED_VALUE(buf) text;

    buf_init(&text, BODY_MAX_BYTES);
    json_put_str(body, "error", str_from(sentence));
    json_write(body, &text);
    buf_append_char(&text, '\n');
    httpd_respond(conn, status, headers, buf_str(&text));
}

void reply_error(struct httpd_conn *conn, int status, const char *format, ...)
{
    char sentence[512];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    metrics_add(METRIC_API_REFUSED, 1);
    reply_sentence(conn, status, STR(PLAIN_HEADERS), sentence);
}

void reply_database_error(struct httpd_conn *conn, const struct err *err)
{
    char sentence[300];

    snprintf(sentence, sizeof(sentence), "the database did not answer: %s", err->detail);
    metrics_add(METRIC_API_REFUSED, 1);
    reply_sentence(conn, 503, STR(PLAIN_HEADERS "Retry-After: 5\r\n"), sentence);
}

void reply_unauthorised(struct httpd_conn *conn, const char *why)
{
    metrics_add(METRIC_API_UNAUTHORISED, 1);
    reply_sentence(conn, 401, STR(PLAIN_HEADERS "WWW-Authenticate: Bearer\r\n"), why);
}

void reply_wrong_method(struct httpd_conn *conn, const char *allow)
{
    SCOPED_VALUE(buf) headers;
    char sentence[100];

    buf_init(&headers, 400);
    buf_printf(&headers, PLAIN_HEADERS "Allow: %s\r\n", allow);
    snprintf(sentence, sizeof(sentence), "this path takes %s", allow);
    metrics_add(METRIC_API_REFUSED, 1);
    reply_sentence(conn, 405, buf_str(&headers), sentence);
}
