/*
 * hop.c - what is kept of a hop that has ended, and what its failure was.
 */
#include "worker/tracer/internal.h"

#include "common/exhausted.h"

#include <stdio.h>

struct hop *hop_last(struct tracer_job *job)
{
    struct chain *chain = &job->result->chain;

    return &chain->hops[chain->nhops - 1];
}

/* A connection that is used again has told about its TLS when it was new. */
static void record_tls(struct tracer_job *job, struct hop *hop)
{
    const struct chain *chain = &job->result->chain;
    struct str origin;

    if (!str_equal(job->url.scheme, STR("https")))
        return;
    transfer_look_at_certificate(&job->transfer);
    hop->tls_version = job->transfer.tls_version;
    hop->alpn = job->transfer.alpn;
    hop->certificate = job->transfer.certificate;
    origin = url_origin(job->arena, &job->url);
    for (int i = chain->nhops - 2; origin.len && !hop->tls_version.len && i >= 0; i--) {
        if (!chain->hops[i].tls_version.len || !str_starts(chain->hops[i].url, origin))
            continue;
        hop->tls_version = chain->hops[i].tls_version;
        hop->alpn = chain->hops[i].alpn;
        hop->certificate = chain->hops[i].certificate;
    }
}

void hop_record(struct tracer_job *job, const struct transfer_end *end)
{
    struct hop *hop = hop_last(job);
    struct head *head = &job->transfer.head;

    hop->status = head->is_complete ? head->status : 0;
    hop->remote_address = arena_copy(job->arena, end->remote_address);
    hop->http_version = str_from(end->http_version);
    record_tls(job, hop);
    hop->content_type = head->content_type;
    hop->timing = end->timing;
    hop->header_bytes = end->header_bytes;
    hop->body_bytes = end->body_bytes;
    hop->headers = head->headers;
    hop->nheaders = head->nheaders;
    hop->cookie_names = head->cookie_names;
    hop->ncookie_names = head->ncookie_names;
    if (job->proxy_url[0] && head->status && job->result->proxy_ms < 0)
        job->result->proxy_ms = end->timing.first_byte;
}

/*
 * Over plain HTTP a 407 may be the target's own joke. It cannot be the proxy's when that has let an
 * answer through with these credentials before; else whoever asks for the check gets to know.
 */
bool hop_is_suspect_407(const struct tracer_job *job)
{
    const struct head *head = &job->transfer.head;

    return head->status == 407 && job->proxy_url[0] && str_equal(job->url.scheme, STR("http")) &&
           !job->probe.is_proxy_alive && head->has_proxy_authenticate;
}

bool hop_has_answer(const struct tracer_job *job, const struct transfer_end *end)
{
    const struct transfer *t = &job->transfer;

    if (!t->head.is_complete || t->is_head_too_big)
        return false;
    return t->is_cut || t->plan == BODY_DRAIN || end->code != CURLE_OPERATION_TIMEDOUT;
}

static const char *message_of(const struct tracer_job *job, CURLcode code)
{
    return job->transfer.error[0] ? job->transfer.error : curl_easy_strerror(code);
}

void hop_note_incomplete(struct tracer_job *job, CURLcode code)
{
    char note[CURL_ERROR_SIZE + 32];

    if (job->transfer.is_body_cut) {
        snprintf(note, sizeof(note), "body cut at %zu bytes", job->request.max_body);
        hop_add_note(job->arena, hop_last(job), note);
    } else if (code != CURLE_OK && job->transfer.plan == BODY_KEEP) {
        snprintf(note, sizeof(note), "body incomplete: %s", message_of(job, code));
        hop_add_note(job->arena, hop_last(job), note);
    }
}

static struct transfer_facts facts_of(const struct tracer_job *job, const struct transfer_end *end)
{
    const struct trace_proxy *proxy = &job->request.proxy;

    return (struct transfer_facts){.code = end->code,
                                   .exhausted = end->exhausted,
                                   .is_first = job->result->chain.nhops == 1,
                                   .has_proxy = proxy->scheme.len > 0,
                                   .is_proxy_tls = str_equal(proxy->scheme, STR("https")),
                                   .is_socks = str_equal(proxy->scheme, STR("socks5h")),
                                   .is_target_tls = str_equal(job->url.scheme, STR("https")),
                                   .is_connected = end->is_connected,
                                   .is_proxy_alive = job->probe.is_proxy_alive,
                                   .connect_status = end->connect_status,
                                   .proxy_error = end->proxy_error,
                                   .is_guarded = job->transfer.is_guarded,
                                   .is_head_too_big = job->transfer.is_head_too_big};
}

/* The sentence of an error: who it is about, and what libcurl says. */
static void explain(struct tracer_job *job, enum err_code code, const char *message)
{
    struct err *err = &job->result->err;
    const struct trace_proxy *proxy = &job->request.proxy;

    if (code == ERR_BLOCKED_ADDRESS)
        *err = job->transfer.guard_err;
    else if (code == ERR_TOO_BIG)
        err_set(err, code, "%.*s: headers of more than %zu bytes", STR_ARG(job->url.host),
                job->request.max_header);
    else if (err_blame(code) == BLAME_PROXY)
        err_set(err, code, "proxy %.*s:%d: %s", STR_ARG(proxy->host), proxy->port, message);
    else
        err_set(err, code, "%.*s: %s", STR_ARG(job->url.host), message);
}

static void explain_exhausted(struct tracer_job *job, int error)
{
    const struct trace_proxy *proxy = &job->request.proxy;
    bool has_proxy = proxy->scheme.len > 0;

    exhausted_explain(&job->result->err, error, "%.*s:%d", STR_ARG(has_proxy ? proxy->host : job->url.host),
                      has_proxy ? proxy->port : url_effective_port(&job->url));
}

void hop_explain_failure(struct tracer_job *job, const struct transfer_end *end)
{
    struct transfer_facts facts = facts_of(job, end);
    const char *message = message_of(job, end->code);
    enum err_code code = classify_transfer(&facts);

    if (code == ERR_HOST_EXHAUSTED)
        explain_exhausted(job, end->exhausted);
    else
        explain(job, code, message);
    if (code == ERR_TARGET_TLS && end->code == CURLE_PEER_FAILED_VERIFICATION)
        hop_last(job)->certificate.error = arena_copy(job->arena, str_from(message));
    hop_add_note(job->arena, hop_last(job),
                 code == ERR_BLOCKED_ADDRESS || code == ERR_HOST_EXHAUSTED ? job->result->err.detail
                                                                           : message);
}

void hop_explain_refusal(struct tracer_job *job)
{
    hop_last(job)->status = 0;
    hop_add_note(job->arena, hop_last(job), "the proxy answered 407");
    explain(job, ERR_PROXY_AUTH, "asks for other credentials (407)");
}

/*
 * A proxy that has answered in this trace is not to blame for the trace's end, connected or not: its
 * last hop may have begun a moment ago.
 */
void hop_explain_deadline(struct tracer_job *job, const struct transfer_end *end)
{
    struct transfer_facts facts = facts_of(job, end);
    long long ms = job->request.total_timeout_ms;
    char message[96];

    facts.is_connected |= facts.is_proxy_alive;
    if (classify_transfer(&facts) == ERR_PROXY_TIMEOUT) {
        snprintf(message, sizeof(message), "no sign of life within the trace's %lld ms", ms);
        explain(job, ERR_PROXY_TIMEOUT, message);
    } else {
        snprintf(message, sizeof(message), "hop %d not done within the trace's %lld ms",
                 job->result->chain.nhops, ms);
        explain(job, ERR_TRACE_TIMEOUT, message);
    }
    hop_add_note(job->arena, hop_last(job), message);
}
