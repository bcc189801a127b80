/*
 * api.c - from a request to the function that answers it. See api.h.
 */
#include "monitor/api.h"

#include "common/json.h"
#include "monitor/alert_calls.h"
#include "monitor/dashboard.h"
#include "monitor/metrics.h"
#include "monitor/monitor.h"
#include "monitor/pages.h"
#include "monitor/reply.h"
#include "monitor/single.h"
#include "monitor/status.h"

typedef void (*handler)(struct monitor *m, struct httpd_conn *conn);

static void get_health(struct monitor *m, struct httpd_conn *conn)
{
    SCOPED(json_t) body = json_object();

    json_put_str(body, "status", STR("ok"));
    json_put(body, "database", json_boolean(pg_is_up(m->db)));
    json_put(body, "token", json_boolean(*m->conf->api_token)); /* is one asked for? */
    reply_json(conn, 200, body);
}

/* clang-format off */
static const struct route {
    struct str path;
    bool is_open; /* needs no token */
    handler get;  /* HEAD too */
    handler post;
} routes[] = {
    {STR("/healthz"),                   true,  get_health,  NULL},
    {STR("/openapi.json"),              true,  pages_get_description, NULL},
    {STR("/metrics"),                   false, metrics_get, NULL},
    {STR("/functions/v1/pool-monitor"), false, status_get,  status_post},
    {STR("/functions/v1/trace-worker"), false, NULL,        batch_post},
    {STR("/functions/v1/alerts"),       false, alert_calls_list, NULL},
    {STR("/functions/v1/silence-alert"), false, NULL,       alert_calls_post},
    {STR("/functions/v1/end-silence"),  false, NULL,        alert_calls_post},
    {STR("/functions/v1/acknowledge-alert"), false, NULL,   alert_calls_post},
    {STR("/functions/v1/process-trace-parallel"), false, NULL, single_post_process},
    {STR("/functions/v1/intelligent-tracer"), false, NULL,  single_post_intelligent},
    {STR("/dashboard/v1/overview"),     false, dashboard_get, NULL},
    {STR("/dashboard/v1/history"),      false, dashboard_get, NULL},
    {STR("/dashboard/v1/traces"),       false, dashboard_get, NULL},
    {STR("/dashboard/v1/trace"),        false, dashboard_get, NULL},
    {STR("/dashboard/v1/offers"),       false, dashboard_get, NULL},
    {STR("/dashboard/v1/offer"),        false, dashboard_get, NULL},
    {STR("/dashboard/v1/pool"),         false, dashboard_get, NULL},
    {STR("/dashboard/v1/evidence"),     false, dashboard_get, NULL},
    {STR("/dashboard/v1/changes"),      false, live_get,    NULL},
};
/* clang-format on */

static const struct route *find_route(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (str_equal(routes[i].path, path))
            return &routes[i];
    return NULL;
}

static bool is_token(struct str sent, struct str token)
{
    return token.len > 0 && str_equal_secret(sent, token);
}

bool api_token_matches(struct str authorization, struct str token, struct str previous)
{
    struct str sent;

    if (!str_starts_nocase(authorization, STR("Bearer "))) /* RFC 9110 11.1: the scheme's case is free */
        return false;
    sent = str_trim(str_slice(authorization, 7, authorization.len));
    /* both compared whatever the first says: the time tells nothing */
    bool is_current = is_token(sent, token), is_previous = is_token(sent, previous);
    return is_current || is_previous;
}

static bool may_call(const struct conf *conf, struct httpd_conn *conn, const struct httpd_request *request)
{
    struct str authorization = httpd_header(request->head, STR("Authorization"));

    if (!*conf->api_token)
        return true;
    if (api_token_matches(authorization, str_from(conf->api_token), str_from(conf->api_token_previous)))
        return true;
    reply_unauthorised(conn, authorization.len
                                 ? "the token is not the one in api.token; send Authorization: Bearer TOKEN"
                                 : "a token is needed: send Authorization: Bearer TOKEN");
    return false;
}

static const char *allowed_methods(const struct route *route)
{
    if (route->get && route->post)
        return "GET, HEAD, POST";
    return route->get ? "GET, HEAD" : "POST";
}

void api_on_request(void *arg, struct httpd_conn *conn, const struct httpd_request *request)
{
    struct monitor *m = arg;
    const struct route *route = find_route(request->head->path);
    bool is_post = request->head->method == HTTPD_POST;

    if (m->is_ending) { /* its connection to the database is gone, and those of clients soon are */
        reply_error(conn, 503, "the monitor is being stopped");
        return;
    }
    if (pages_answer(conn, request->head))
        return;
    if (!(route && route->is_open) && !may_call(m->conf, conn, request))
        return;
    if (!route) {
        reply_error(
            conn, 404,
            "no such path; /openapi.json lists all: /, /healthz, /metrics, /functions/v1/pool-monitor, "
            "/functions/v1/trace-worker, and more");
        return;
    }
    handler answer = is_post ? route->post : route->get;
    if (answer)
        answer(m, conn);
    else
        reply_wrong_method(conn, allowed_methods(route));
}

bool api_check_settings(const struct conf *conf, struct err *err)
{
    if (*conf->api_token || loop_is_local_address(conf->api_listen))
        return true;
    return err_set(err, ERR_BAD_SETTING,
                   "api.listen %s can be reached from other machines: set api.token_file (or api.token), or "
                   "listen on 127.0.0.1",
                   conf->api_listen);
}
