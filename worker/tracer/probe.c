/*
 * probe.c - is a silent proxy alive?
 *
 * Behind a plain HTTP proxy a target that says nothing and a proxy that says nothing look alike, and
 * only one of them should lose its health. So when a proxy has not shown any sign of life for a while,
 * it is asked, over a connection of its own, for a name that cannot exist (RFC 6761: .invalid). A live
 * proxy answers that by itself, with whatever error; a dead one stays silent. The same question tells
 * whose 407 it was: the proxy asks for credentials here, too, or it was the target's.
 */
#include "worker/tracer/internal.h"

#include "common/loop.h"

enum {
    AFTER_MS = 3000, /* silence before it is asked */
    ANSWER_MS = 2000,
};

static const char NOWHERE[] = "http://proxy-check.invalid/";

static bool is_needed(const struct tracer_job *job)
{
    return job->proxy_url[0] && !job->probe.is_proxy_alive && !job->probe.easy;
}

void probe_plan(struct tracer_job *job, int64_t hop_ms)
{
    int64_t wait = hop_ms < job->request.connect_timeout_ms ? hop_ms : job->request.connect_timeout_ms;

    wait = wait / 2 < AFTER_MS ? wait / 2 : AFTER_MS;
    job->probe.at_ms = is_needed(job) ? loop_now_ms() + wait : 0;
}

static size_t drop(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * n;
}

bool probe_start(struct tracer_job *job)
{
    CURL *easy;

    job->probe.at_ms = 0;
    if (!is_needed(job))
        return false;
    easy = curl_easy_init();
    if (!easy)
        return false;
    transfer_set_route(&job->transfer, easy, job);
    curl_set(easy, CURLOPT_URL, NOWHERE);
    curl_set(easy, CURLOPT_WRITEFUNCTION, drop);
    curl_set(easy, CURLOPT_FRESH_CONNECT, 1L); /* no share: nothing of another trace may be reused */
    curl_set(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_set(easy, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
    if (!curl_loop_add(job->tracer->wire, easy, job)) {
        curl_easy_cleanup(easy);
        return false;
    }
    job->probe.easy = easy;
    return true;
}

void probe_take(struct tracer_job *job, CURLcode code)
{
    long status = 0;

    curl_easy_getinfo(job->probe.easy, CURLINFO_RESPONSE_CODE, &status);
    job->probe.status = (int)status;
    job->probe.is_proxy_alive |= status != 0 || code == CURLE_PROXY;
    if (curl_loop_exhausted(job->probe.easy, code, job->transfer.socket_errno))
        job->probe.is_proxy_alive = true; /* it could not be asked: the doubt is not its loss */
    curl_easy_cleanup(job->probe.easy);
    job->probe.easy = NULL;
}

void probe_stop(struct tracer_job *job)
{
    job->probe.at_ms = 0;
    if (!job->probe.easy)
        return;
    curl_loop_remove(job->tracer->wire, job->probe.easy);
    curl_easy_cleanup(job->probe.easy);
    job->probe.easy = NULL;
}
