/*
 * transfer.c - one request as libcurl sees it.
 *
 * The easy handle, its share and its headers belong to one trace and serve its hops one after the
 * other. What an answer means is not decided here, except how much of its body is worth reading.
 */
#include "worker/tracer/internal.h"

#include <string.h>
#include <sys/socket.h>

enum { DRAIN_MAX = 16 * 1024 };

static void plan_body(struct transfer *t)
{
    const struct head *head = &t->head;

    if (!head_is_redirect(head) && (head_may_be_page(head) || head_may_be_xml(head))) {
        t->plan = BODY_KEEP;
        return;
    }
    t->plan = BODY_DRAIN;
    t->is_cut = head->content_length > DRAIN_MAX;
}

/* Returning anything but the number of bytes ends the transfer. */
static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;
    bool was_complete = t->head.is_complete;

    t->header_bytes += len;
    if (t->header_bytes > t->header_max || !head_line(t->arena, &t->head, (struct str){bytes, len})) {
        t->is_head_too_big = true;
        return 0;
    }
    if (!was_complete && t->head.is_complete) {
        plan_body(t);
        t->on_head(t);
    }
    return t->is_cut ? 0 : len;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n, room = t->body.max - t->body.len;

    if (t->plan == BODY_DRAIN) {
        t->drained += len;
        t->is_cut = t->drained > DRAIN_MAX;
        return t->is_cut ? 0 : len;
    }
    buf_append(&t->body, bytes, len < room ? len : room);
    if (len <= room)
        return len;
    t->is_cut = t->is_body_cut = true;
    return 0;
}

/* The one place where a connection is made. Behind a proxy every connection goes to the proxy. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = arg;

    (void)purpose;
    if (t->has_named_proxy)
        memcpy(&t->policy.proxy, &address->addr, address->addrlen);
    if (!guard_allows_connect(&address->addr, &t->policy, &t->guard_err)) {
        t->is_guarded = true;
        return CURL_SOCKET_BAD;
    }
    return curl_loop_open(address, &t->socket_errno);
}

static void set_proxy(CURL *easy, const struct tracer_job *job)
{
    curl_set(easy, CURLOPT_PROXY, job->proxy_url);
    curl_set(easy, CURLOPT_NOPROXY, "");
    curl_set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (job->proxy_user) {
        curl_set(easy, CURLOPT_PROXYUSERNAME, job->proxy_user);
        curl_set(easy, CURLOPT_PROXYPASSWORD, job->proxy_password);
    }
}

void transfer_set_route(struct transfer *t, CURL *easy, const struct tracer_job *job)
{
    set_proxy(easy, job);
    curl_set(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_set(easy, CURLOPT_OPENSOCKETDATA, t);
    curl_set(easy, CURLOPT_NOSIGNAL, 1L);
    curl_set(easy, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver's thread */
    curl_set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_set(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)job->request.connect_timeout_ms);
    request_head_set(job, easy);
    if (job->ca_file) {
        curl_set(easy, CURLOPT_CAINFO, job->ca_file);
        curl_set(easy, CURLOPT_PROXY_CAINFO, job->ca_file);
    }
}

static void set_callbacks(struct transfer *t)
{
    CURL *easy = t->easy;

    curl_set(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_set(easy, CURLOPT_HEADERDATA, t);
    curl_set(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_set(easy, CURLOPT_WRITEDATA, t);
    curl_set(easy, CURLOPT_DEBUGFUNCTION, transfer_on_debug);
    curl_set(easy, CURLOPT_DEBUGDATA, t);
    curl_set(easy, CURLOPT_ERRORBUFFER, t->error);
}

bool transfer_init(struct transfer *t, struct tracer_job *job)
{
    const struct trace_request *r = &job->request;

    *t = (struct transfer){
        .easy = curl_easy_init(), .url = curl_url(), .arena = job->arena, .header_max = r->max_header};
    if (!t->easy || !t->url)
        return false;
    buf_init(&t->body, r->max_body);
    t->policy.allow_private = r->allow_private;
    t->policy.has_proxy = r->proxy.scheme.len > 0;
    if (t->policy.has_proxy)
        t->has_named_proxy = !tracer_proxy_address(&r->proxy, &t->policy.proxy);
    transfer_set_route(t, t->easy, job);
    set_callbacks(t);
    curl_set(t->easy, CURLOPT_SHARE, job->share);
    curl_set(t->easy, CURLOPT_COOKIEFILE, "");
    curl_set(t->easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L); /* the trace is over before an answer is old */
    curl_set(t->easy, CURLOPT_PATH_AS_IS, 1L);
    return true;
}

void transfer_finish(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_url_cleanup(t->url);
    t->easy = NULL;
    t->url = NULL;
    buf_finish(&t->body);
}

/*
 * libcurl parses a text, writes it down again and keeps that; what is parsed already spares it the writing.
 */
static void set_url(struct transfer *t, const char *url)
{
    bool is_parsed =
        curl_url_set(t->url, CURLUPART_URL, url, CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;

    curl_set(t->easy, CURLOPT_CURLU, is_parsed ? t->url : NULL);
    if (!is_parsed)
        curl_set(t->easy, CURLOPT_URL, url);
}

void transfer_prepare(struct transfer *t, const char *url, const char *referrer, int64_t timeout_ms)
{
    long is_tls = strncmp(url, "https:", 6) == 0;

    t->head = (struct head){.content_length = -1};
    t->plan = BODY_DRAIN;
    t->header_bytes = t->drained = 0;
    t->is_cut = t->is_body_cut = t->is_head_too_big = t->is_guarded = false;
    t->tls_version = t->alpn = STR("");
    t->certificate = (struct hop_certificate){0};
    t->error[0] = 0;
    t->socket_errno = 0;
    buf_clear(&t->body);
    set_url(t, url);
    curl_set(t->easy, CURLOPT_REFERER, referrer);
    curl_set(t->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_set(t->easy, CURLOPT_VERBOSE, is_tls);
    curl_set(t->easy, CURLOPT_CERTINFO, is_tls);
}

static int ms_of(CURL *easy, CURLINFO what)
{
    curl_off_t us = 0;

    curl_easy_getinfo(easy, what, &us);
    return us > 0 ? (int)((us + 500) / 1000) : -1;
}

static const char *version_name(long version)
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return "1.0";
    case CURL_HTTP_VERSION_1_1:
        return "1.1";
    case CURL_HTTP_VERSION_2_0:
        return "2";
    case CURL_HTTP_VERSION_3:
        return "3";
    default:
        return "";
    }
}

static void look_at_times(struct transfer *t, struct transfer_end *end)
{
    end->timing = (struct hop_timing){.dns = -1,
                                      .connect = -1,
                                      .tls = -1,
                                      .first_byte = ms_of(t->easy, CURLINFO_STARTTRANSFER_TIME_T),
                                      .total = ms_of(t->easy, CURLINFO_TOTAL_TIME_T)};
    if (end->is_reused)
        return;
    end->timing.dns = ms_of(t->easy, CURLINFO_NAMELOOKUP_TIME_T);
    end->timing.connect = ms_of(t->easy, CURLINFO_CONNECT_TIME_T);
    end->timing.tls = ms_of(t->easy, CURLINFO_APPCONNECT_TIME_T);
}

void transfer_look(struct transfer *t, CURLcode code, struct transfer_end *end)
{
    long connect_status = 0, connects = 0, version = 0, header = 0;
    curl_off_t body = 0;
    char *address = NULL;

    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(t->easy, CURLINFO_HEADER_SIZE, &header);
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &body);
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &address);
    *end = (struct transfer_end){.code = code,
                                 .exhausted = curl_loop_exhausted(t->easy, code, t->socket_errno),
                                 .connect_status = (int)connect_status,
                                 .is_reused = connects == 0,
                                 .remote_address = str_from(address),
                                 .http_version = version_name(t->head.status ? version : 0),
                                 .header_bytes = header,
                                 .body_bytes = body};
    curl_easy_getinfo(t->easy, CURLINFO_PROXY_ERROR, &end->proxy_error);
    look_at_times(t, end);
    end->is_connected =
        end->timing.connect >= 0 || t->head.status || (end->is_reused && end->remote_address.len);
}
