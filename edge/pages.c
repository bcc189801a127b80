/*
 * pages.c - the routes of both listeners, and the pages about the edge itself.
 */
#include "edge/pages.h"

#include "common/json.h"
#include "common/metrics.h"

enum { METRICS_MAX = 256 * 1024 };

enum listener { PUBLIC = 1, ADMIN = 2, BOTH = 3 };

typedef void page_fn(const struct pages *p, struct httpd_conn *conn, const struct httpd_request *request);

static void instant(const struct pages *p, struct httpd_conn *conn, const struct httpd_request *request)
{
    hit_handle(p->hits, HIT_INSTANT, conn, request);
}

static void old_path(const struct pages *p, struct httpd_conn *conn, const struct httpd_request *request)
{
    hit_handle(p->hits, HIT_OLD, conn, request);
}

static void healthz(const struct pages *p, struct httpd_conn *conn, const struct httpd_request *request)
{
    (void)p;
    (void)request;
    httpd_respond(conn, 200, STR("Content-Type: application/json\r\nCache-Control: no-store\r\n"),
                  STR("{\"status\":\"ok\"}\n"));
}

bool pages_is_ready(const struct pages *p)
{
    return spool_is_writable(p->spool) && offers_feed_get(p->feed) != NULL;
}

static void readyz(const struct pages *p, struct httpd_conn *conn, const struct httpd_request *request)
{
    const struct offers *offers = offers_feed_get(p->feed);
    bool is_ready = pages_is_ready(p);
    SCOPED(json_t) body = json_object();
    SCOPED_VALUE(buf) text = {.max = 1024};

    (void)request;
    json_put(body, "ready", json_boolean(is_ready));
    json_put_str(body, "spool", spool_is_writable(p->spool) ? STR("ok") : STR("not writable"));
    json_put(body, "offers", offers ? json_integer((json_int_t)offers_count(offers)) : json_null());
    json_put_str(body, "database", pg_is_up(p->pg) ? STR("up") : STR("down"));
    json_put_int(body, "unshipped_bytes", spool_unshipped_bytes(p->spool));
    json_write(body, &text);
    buf_append_char(&text, '\n');
    httpd_respond(
        conn, is_ready ? 200 : 503,
        is_ready ? STR("Content-Type: application/json\r\nCache-Control: no-store\r\n")
                 : STR("Content-Type: application/json\r\nCache-Control: no-store\r\nRetry-After: 1\r\n"),
        buf_str(&text));
}

static void metrics(const struct pages *p, struct httpd_conn *conn, const struct httpd_request *request)
{
    SCOPED_VALUE(buf) text = {.max = METRICS_MAX};

    (void)p;
    (void)request;
    metrics_render(METRICS_EDGE, &text);
    httpd_respond(conn, 200, STR("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                  buf_str(&text));
}

/* clang-format off */
static const struct {
    const char *path;
    enum listener listener;
    bool takes_post;
    page_fn *page;
} ROUTES[] = {
    {"/functions/v1/track-hit-instant", PUBLIC, true,  instant},
    {"/functions/v1/track-hit",         PUBLIC, true,  old_path},
    {"/healthz",                        BOTH,   false, healthz},
    {"/readyz",                         BOTH,   false, readyz},
    {"/metrics",                        ADMIN,  false, metrics},
};
/* clang-format on */

static void route(const struct pages *p, enum listener listener, struct httpd_conn *conn,
                  const struct httpd_request *request)
{
    for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++) {
        if (!(ROUTES[i].listener & listener) || !str_equal(request->head->path, str_from(ROUTES[i].path)))
            continue;
        if (request->head->method == HTTPD_POST && !ROUTES[i].takes_post)
            httpd_respond_error(conn, 405, STR("Allow: GET, HEAD\r\n"), "this path is only read");
        else
            ROUTES[i].page(p, conn, request);
        return;
    }
    httpd_respond_error(conn, 404, STR("Cache-Control: no-store\r\n"),
                        "nothing is here; clicks go to /functions/v1/track-hit-instant?offer=NAME");
}

void pages_public(void *arg, struct httpd_conn *conn, const struct httpd_request *request)
{
    route(arg, PUBLIC, conn, request);
}

void pages_admin(void *arg, struct httpd_conn *conn, const struct httpd_request *request)
{
    route(arg, ADMIN, conn, request);
}
