/*
 * vast_fetch_wire.c - a session as libcurl sees it: proxy, guard, limits, headers.
 */
#include "worker/vast_fetch_internal.h"

#include "worker/tracer/proxy.h"

#include <string.h>
#include <sys/socket.h>

static const char ACCEPT[] = "Accept: application/xml, text/xml, */*;q=0.8";

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct vast_session *s = arg;
    size_t len = size * n;

    s->header_bytes += len;
    if (s->header_bytes <= s->options.max_header && head_line(s->arena, &s->head, (struct str){bytes, len}))
        return len;
    s->is_head_too_big = true;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct vast_session *s = arg;

    if (buf_append(&s->body, bytes, size * n))
        return size * n;
    s->is_body_too_big = true;
    return 0;
}

/* The one place where a connection is made. Behind a proxy every connection goes to the proxy. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct vast_session *s = arg;

    (void)purpose;
    if (s->has_named_proxy)
        memcpy(&s->policy.proxy, &address->addr, address->addrlen);
    if (!guard_allows_connect(&address->addr, &s->policy, &s->guard_err)) {
        s->is_guarded = true;
        return CURL_SOCKET_BAD;
    }
    return curl_loop_open(address, &s->socket_errno);
}

static bool set_route(struct vast_session *s)
{
    const struct trace_proxy *proxy = &s->options.proxy;
    const char *url = proxy->scheme.len ? tracer_proxy_url(s->arena, proxy) : "";

    s->policy.allow_private = s->options.allow_private;
    s->policy.has_proxy = proxy->scheme.len > 0;
    if (s->policy.has_proxy)
        s->has_named_proxy = !tracer_proxy_address(proxy, &s->policy.proxy);
    curl_set(s->easy, CURLOPT_PROXY, url); /* "" also keeps libcurl from the environment's */
    curl_set(s->easy, CURLOPT_NOPROXY, "");
    curl_set(s->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (proxy->user.len)
        curl_set(s->easy, CURLOPT_PROXYUSERNAME, arena_cstr(s->arena, proxy->user));
    if (proxy->password.len)
        curl_set(s->easy, CURLOPT_PROXYPASSWORD, arena_cstr(s->arena, proxy->password));
    curl_set(s->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_set(s->easy, CURLOPT_OPENSOCKETDATA, s);
    curl_set(s->easy, CURLOPT_NOSIGNAL, 1L);
    curl_set(s->easy, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver's thread */
    curl_set(s->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_set(s->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->options.connect_timeout_ms);
    if (s->options.ca_file.len) {
        curl_set(s->easy, CURLOPT_CAINFO, arena_cstr(s->arena, s->options.ca_file));
        curl_set(s->easy, CURLOPT_PROXY_CAINFO, arena_cstr(s->arena, s->options.ca_file));
    }
    return !s->arena->is_full;
}

static void add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *more = line ? curl_slist_append(*list, line) : *list; /* NULL: the arena is full */

    if (line && !more)
        abort();
    *list = more;
}

static bool may_have_headers(const struct vast_session *s)
{
    const struct vast_names *hosts = &s->options.header_hosts;
    struct str host = s->url.host;

    for (int i = 0; i < hosts->n; i++) {
        struct str name = hosts->items[i];

        if (name.len && name.ptr[0] == '.' ? host.len > name.len && str_ends_nocase(host, name)
                                           : str_equal_nocase(host, name))
            return true;
    }
    return !hosts->n && str_equal(host, s->first_host);
}

void vast_session_set_headers(struct vast_session *s)
{
    curl_set(s->easy, CURLOPT_HTTPHEADER, may_have_headers(s) ? s->headers : s->plain);
}

static void set_request(struct vast_session *s)
{
    add_header(&s->plain, ACCEPT);
    add_header(&s->headers, ACCEPT);
    for (int i = 0; i < s->options.nheaders; i++)
        add_header(&s->headers, arena_cstr(s->arena, s->options.headers[i]));
    curl_set(s->easy, CURLOPT_USERAGENT, arena_cstr(s->arena, s->options.user_agent));
    curl_set(s->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_set(s->easy, CURLOPT_HEADERDATA, s);
    curl_set(s->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_set(s->easy, CURLOPT_WRITEDATA, s);
    curl_set(s->easy, CURLOPT_ERRORBUFFER, s->error);
    curl_set(s->easy, CURLOPT_SHARE, s->share);
    curl_set(s->easy, CURLOPT_COOKIEFILE, "");
    curl_set(s->easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_set(s->easy, CURLOPT_PATH_AS_IS, 1L);
}

static void start_curl(struct vast_session *s)
{
    static const curl_lock_data shared[] = {CURL_LOCK_DATA_CONNECT, CURL_LOCK_DATA_DNS,
                                            CURL_LOCK_DATA_SSL_SESSION, CURL_LOCK_DATA_COOKIE};

    s->easy = curl_easy_init();
    s->share = curl_share_init();
    if (!s->easy || !s->share)
        abort();
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        curl_share_set(s->share, CURLSHOPT_SHARE, shared[i]);
}

bool vast_session_set_up(struct vast_session *s)
{
    start_curl(s);
    set_request(s);
    return set_route(s);
}

static int ms_of(struct vast_session *s, CURLINFO what)
{
    curl_off_t us = 0;

    curl_easy_getinfo(s->easy, what, &us);
    return us > 0 ? (int)(us / 1000) : -1;
}

void vast_session_note_hop(struct vast_session *s)
{
    struct hop *hop = s->options.chain && s->requests == 1 ? chain_add_hop(s->arena, s->options.chain) : NULL;
    char *address = NULL;

    if (!hop)
        return;
    hop->url = s->url.href;
    hop->status = s->head.is_complete ? s->head.status : 0;
    hop->via = s->via;
    hop->method = STR("GET");
    hop->content_type = s->head.content_type;
    hop->headers = s->head.headers;
    hop->nheaders = s->head.nheaders;
    hop->cookie_names = s->head.cookie_names;
    hop->ncookie_names = s->head.ncookie_names;
    hop->header_bytes = (int64_t)s->header_bytes;
    hop->body_bytes = (int64_t)s->body.len;
    hop->timing = (struct hop_timing){.dns = ms_of(s, CURLINFO_NAMELOOKUP_TIME_T),
                                      .connect = ms_of(s, CURLINFO_CONNECT_TIME_T),
                                      .tls = ms_of(s, CURLINFO_APPCONNECT_TIME_T),
                                      .first_byte = ms_of(s, CURLINFO_STARTTRANSFER_TIME_T),
                                      .total = ms_of(s, CURLINFO_TOTAL_TIME_T)};
    curl_easy_getinfo(s->easy, CURLINFO_PRIMARY_IP, &address);
    hop->remote_address = arena_copy(s->arena, str_from(address));
    if (s->err.code != ERR_OK)
        hop_add_note(s->arena, hop, s->err.detail);
}
