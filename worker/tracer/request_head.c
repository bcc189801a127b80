/*
 * request_head.c - the header lines that every request of a trace has.
 *
 * libcurl would write them itself, but anew for each hop and twice over: once for itself and once for the
 * wire. As lines of ours they are copied.
 */
#include "worker/tracer/internal.h"

#include <stdio.h>
#include <string.h>

static const char ACCEPT[] = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/* What this libcurl can decode, as CURLOPT_ACCEPT_ENCODING would say it. */
static const char *accept_encoding(void)
{
    static const struct {
        int feature;
        const char *names;
    } known[] = {
        {CURL_VERSION_LIBZ, "deflate, gzip"}, {CURL_VERSION_BROTLI, "br"}, {CURL_VERSION_ZSTD, "zstd"}};
    static char line[64];
    int features = curl_version_info(CURLVERSION_NOW)->features, len = 0;

    if (line[0])
        return line;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (features & known[i].feature)
            len += snprintf(line + len, sizeof(line) - (size_t)len, "%s%s",
                            len ? ", " : "Accept-Encoding: ", known[i].names);
    if (!len)
        snprintf(line, sizeof(line), "Accept-Encoding: identity");
    return line;
}

static void add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (!longer)
        abort();
    *list = longer;
}

void request_head_init(struct tracer_job *job)
{
    SCOPED_VALUE(buf) agent;

    buf_init(&agent, sizeof("User-Agent: ") + strlen(job->user_agent));
    buf_printf(&agent, "User-Agent: %s", job->user_agent);
    add(&job->headers, ACCEPT);
    add(&job->headers, accept_encoding());
    add(&job->headers, buf_cstr(&agent));
    add(&job->proxy_headers, buf_cstr(&agent));
    curl_easy_setopt(job->transfer.easy, CURLOPT_HTTPHEADER, job->headers);
    curl_easy_setopt(job->transfer.easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(job->transfer.easy, CURLOPT_ACCEPT_ENCODING, ""); /* only that answers are decoded */
    curl_easy_setopt(job->transfer.easy, CURLOPT_USERAGENT, NULL);
}

/* A plain request to a proxy has both lists in it, and must not name the agent twice. */
void request_head_for(struct tracer_job *job, bool is_tunnelled)
{
    curl_easy_setopt(job->transfer.easy, CURLOPT_PROXYHEADER, is_tunnelled ? job->proxy_headers : NULL);
}

void request_head_finish(struct tracer_job *job)
{
    curl_slist_free_all(job->headers);
    curl_slist_free_all(job->proxy_headers);
}
