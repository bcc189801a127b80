/*
 * relay_dial.c - the connection on the far side, made by libcurl: through the trace's proxy, or directly.
 *
 * libcurl only connects (CURLOPT_CONNECT_ONLY): TCP, TLS to an https proxy, the CONNECT or SOCKS conversation
 * with the real credentials. The bytes after that are relay_conn.c's. Nothing is shared between connections:
 * no cache of names, TLS sessions or connections.
 */
#include "worker/browser/relay_internal.h"

#include "common/exhausted.h"
#include "worker/chain/classify.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool has_proxy(const struct trace_request *request)
{
    return request->proxy.scheme.len > 0;
}

/* A direct connection is judged by its address; a proxy's own address was chosen by the operator. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct relay_conn *c = arg;
    const struct trace_request *request = c->pass->options.request;
    struct guard_policy policy = {.allow_private = request->allow_private};

    (void)purpose;
    if (!has_proxy(request) && !guard_allows_connect(&address->addr, &policy, &c->refused))
        return CURL_SOCKET_BAD;
    return curl_loop_open(address, &c->socket_errno);
}

static void set_text(CURL *easy, CURLoption option, struct str value)
{
    char *text = strndup(value.ptr ? value.ptr : "", value.len);

    if (!text)
        abort();
    curl_set(easy, option, text); /* libcurl keeps a copy */
    explicit_bzero(text, strlen(text));
    free(text);
}

static void set_proxy(struct relay_conn *c, const struct trace_request *request)
{
    const struct trace_proxy *proxy = &request->proxy;
    char text[512];

    curl_set(c->easy, CURLOPT_NOPROXY, "");
    if (!has_proxy(request)) {
        curl_set(c->easy, CURLOPT_PROXY, "");
        return;
    }
    snprintf(text, sizeof(text), "%.*s://%.*s:%d", STR_ARG(proxy->scheme), STR_ARG(proxy->host), proxy->port);
    curl_set(c->easy, CURLOPT_PROXY, text);
    curl_set(c->easy, CURLOPT_HTTPPROXYTUNNEL, c->head.is_connect ? 1L : 0L);
    if (proxy->user.len || proxy->password.len) {
        set_text(c->easy, CURLOPT_PROXYUSERNAME, proxy->user);
        set_text(c->easy, CURLOPT_PROXYPASSWORD, proxy->password);
    }
    if (request->ca_file.len)
        set_text(c->easy, CURLOPT_PROXY_CAINFO, request->ca_file);
}

/* The host and port alone: what is asked of it is sent by hand. */
static void set_target(struct relay_conn *c, const struct url *target)
{
    char text[4200];

    snprintf(text, sizeof(text), "http://%.*s:%d/", STR_ARG(target->host), url_effective_port(target));
    curl_set(c->easy, CURLOPT_URL, text);
}

bool relay_dial(struct relay_conn *c, const struct url *target, struct err *err)
{
    const struct trace_request *request = c->pass->options.request;

    c->easy = curl_easy_init();
    if (!c->easy)
        abort();
    set_target(c, target);
    set_proxy(c, request);
    set_text(c->easy, CURLOPT_USERAGENT, request->user_agent);
    curl_set(c->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_set(c->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_set(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_set(c->easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_set(c->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_set(c->easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_set(c->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_set(c->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_set(c->easy, CURLOPT_OPENSOCKETDATA, c);
    c->is_dialling = curl_loop_add(c->relay->wire, c->easy, c);
    return c->is_dialling || curl_loop_refuse(err, target->host);
}

static void explain_exhausted(const struct relay_conn *c, int error, struct err *err)
{
    const struct trace_request *request = c->pass->options.request;

    if (has_proxy(request))
        exhausted_explain(err, error, "%.*s:%d", STR_ARG(request->proxy.host), request->proxy.port);
    else
        exhausted_explain(err, error, "%s", c->url);
}

void relay_explain(const struct relay_conn *c, CURLcode code, struct err *err)
{
    const struct trace_request *request = c->pass->options.request;
    struct transfer_facts facts = {
        .code = code,
        .exhausted = curl_loop_exhausted(c->easy, code, c->socket_errno),
        .has_proxy = has_proxy(request),
        .is_proxy_tls = str_equal(request->proxy.scheme, STR("https")),
        .is_socks = str_starts(request->proxy.scheme, STR("socks")),
        .is_target_tls = c->head.is_connect,
        .is_proxy_alive = c->pass->proxy_ms >= 0,
    };
    curl_off_t connected = 0;
    long status = 0;

    if (c->refused.code != ERR_OK) {
        *err = c->refused;
        return;
    }
    curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    curl_easy_getinfo(c->easy, CURLINFO_PROXY_ERROR, &facts.proxy_error);
    curl_easy_getinfo(c->easy, CURLINFO_CONNECT_TIME_T, &connected);
    facts.connect_status = (int)status;
    facts.is_connected = connected > 0;
    if (classify_transfer(&facts) == ERR_HOST_EXHAUSTED)
        explain_exhausted(c, facts.exhausted, err);
    else if (facts.has_proxy)
        err_set(err, classify_transfer(&facts), "through %.*s:%d: %s%s", STR_ARG(request->proxy.host),
                request->proxy.port, curl_easy_strerror(code),
                status == 407 ? " (407: credentials refused)" : "");
    else
        err_set(err, classify_transfer(&facts), "%s", curl_easy_strerror(code));
}
