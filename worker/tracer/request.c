/*
 * request.c - what a trace was asked to do: is it possible, and what libcurl needs for it.
 */
#include "worker/tracer/internal.h"

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return true;
    return false;
}

bool request_check(struct tracer_job *job, struct url *url)
{
    const struct trace_request *r = &job->request;
    struct err *err = &job->result->err;

    if (r->mode == MODE_BROWSER)
        return err_set(err, ERR_MODE_UNAVAILABLE,
                       "mode browser needs a browser, and this tracepool drives none: use http_only or auto");
    if (has_controls(r->user_agent) || has_controls(r->referrer))
        return err_set(err, ERR_BAD_INPUT, "user agent or referrer has control characters");
    if (!tracer_proxy_check(&r->proxy, err) || !url_parse(job->arena, r->url, NULL, url, err))
        return false;
    if (!url_is_http(url))
        return err_set(err, ERR_BAD_URL,
                       "only http and https URLs can be traced, not %.*s:", STR_ARG(url->scheme));
    return true;
}

static bool prepare_strings(struct tracer_job *job)
{
    const struct trace_request *r = &job->request;

    job->proxy_url = r->proxy.scheme.len ? tracer_proxy_url(job->arena, &r->proxy) : "";
    if (str_equal(r->proxy.scheme, STR("socks5h")) && (r->proxy.user.len || r->proxy.password.len)) {
        job->proxy_user = arena_cstr(job->arena, r->proxy.user);
        job->proxy_password = arena_cstr(job->arena, r->proxy.password);
    }
    request_head_init(job);
    job->ca_file = r->ca_file.len ? arena_cstr(job->arena, r->ca_file) : NULL;
    job->visits = arena_alloc(job->arena, (size_t)r->max_hops * sizeof(*job->visits));
    job->referrer = r->referrer;
    return !job->arena->is_full || err_set(&job->result->err, ERR_TOO_BIG, "a trace's memory is used up");
}

/* What stays out of it would be shared with all traces of the multi: then there is no trace. */
static bool prepare_share(struct tracer_job *job)
{
    static const curl_lock_data own[] = {CURL_LOCK_DATA_CONNECT, CURL_LOCK_DATA_DNS,
                                         CURL_LOCK_DATA_SSL_SESSION, CURL_LOCK_DATA_COOKIE};

    job->share = curl_share_init();
    for (size_t i = 0; job->share && i < ARRAY_LEN(own); i++)
        if (curl_share_setopt(job->share, CURLSHOPT_SHARE, own[i]) != CURLSHE_OK)
            return false;
    return job->share != NULL;
}

bool request_prepare(struct tracer_job *job)
{
    if (!prepare_strings(job))
        return false;
    if (!prepare_share(job) || !transfer_init(&job->transfer, job))
        return err_set(&job->result->err, ERR_INTERNAL, "libcurl did not start");
    return true;
}
