/*
 * request_head.c - the header lines that every request of a trace has.
 *
 * libcurl would write them itself, but anew for each hop and two or three times over: for itself, for the
 * wire, and in base64. As lines of ours they are copied. Those that are the same for all traces are there
 * once; the others live in the trace's arena.
 */
#include "worker/tracer/internal.h"

#include "common/base64.h"

#include <stdio.h>
#include <string.h>

/* What this libcurl can decode, as CURLOPT_ACCEPT_ENCODING would say it. */
static char *accept_encoding(void)
{
    static const struct {
        int feature;
        const char *names;
    } known[] = {
        {CURL_VERSION_LIBZ, "deflate, gzip"}, {CURL_VERSION_BROTLI, "br"}, {CURL_VERSION_ZSTD, "zstd"}};
    static char line[64];
    int features, len = 0;

    if (line[0]) /* for libcurl puts together all that it knows of itself at each asking */
        return line;
    features = curl_version_info(CURLVERSION_NOW)->features;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (features & known[i].feature)
            len += snprintf(line + len, sizeof(line) - (size_t)len, "%s%s",
                            len ? ", " : "Accept-Encoding: ", known[i].names);
    if (!len)
        snprintf(line, sizeof(line), "Accept-Encoding: identity");
    return line;
}

/* Of all traces, for the target. */
static struct curl_slist *common_lines(void)
{
    static char accept[] = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    static struct curl_slist second, first = {.data = accept, .next = &second};

    second.data = accept_encoding();
    return &first;
}

/* Of all traces, for the proxy: connections are kept without this line of libcurl's (RFC 9112, C.2.2). */
static struct curl_slist *common_proxy_lines(void)
{
    static char without[] = "Proxy-Connection:";
    static struct curl_slist only = {.data = without};

    return &only;
}

static struct curl_slist *prepend(struct arena *a, char *line, struct curl_slist *list)
{
    struct curl_slist *node = arena_alloc(a, sizeof(*node));

    if (node)
        *node = (struct curl_slist){.data = line, .next = list};
    return node;
}

/* SOCKS has the credentials in its own handshake. */
static bool has_credentials_in_head(const struct trace_proxy *proxy)
{
    return (proxy->user.len || proxy->password.len) && !str_equal(proxy->scheme, STR("socks5h"));
}

static char *authorization(struct tracer_job *job)
{
    const struct trace_proxy *proxy = &job->request.proxy;
    struct buf line = {.max = 8192};
    char *copy;

    buf_append_str(&line, STR("Proxy-Authorization: "));
    base64_put_basic(&line, proxy->user, proxy->password);
    copy = arena_cstr(job->arena, buf_str(&line));
    explicit_bzero(line.data, line.len);
    buf_finish(&line);
    return copy;
}

void request_head_init(struct tracer_job *job)
{
    struct arena *a = job->arena;
    char *agent = arena_printf(a, "User-Agent: %.*s", STR_ARG(job->request.user_agent));

    job->headers = prepend(a, agent, common_lines());
    job->proxy_headers = common_proxy_lines();
    if (has_credentials_in_head(&job->request.proxy))
        job->proxy_headers = prepend(a, authorization(job), job->proxy_headers);
    job->connect_headers = prepend(a, agent, job->proxy_headers);
}

void request_head_set(const struct tracer_job *job, CURL *easy)
{
    curl_set(easy, CURLOPT_HTTPHEADER, job->headers);
    curl_set(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_set(easy, CURLOPT_PROXYHEADER, job->proxy_headers);
    curl_set(easy, CURLOPT_ACCEPT_ENCODING, ""); /* only that answers are decoded */
}

/* A plain request to a proxy has both lists in it, and must not name the agent twice. */
void request_head_for(const struct tracer_job *job, bool is_tunnelled)
{
    curl_set(job->transfer.easy, CURLOPT_PROXYHEADER,
             is_tunnelled ? job->connect_headers : job->proxy_headers);
}
