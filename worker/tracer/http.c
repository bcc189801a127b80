/*
 * http.c - the life of a trace over HTTP: a hop goes on the wire, its answer is kept and read, the next
 * one follows; until there is none, something forbids it, or time is up.
 *
 * A trace is doing exactly one thing at a time: a transfer is on the wire, or a failed one waits for the
 * check of the proxy. The timer stands for whatever is due first. job_end is the only way out.
 */
#include "worker/tracer/internal.h"

#include "common/loop.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { DRAIN_MS = 100 };

static void on_timer(uv_timer_t *timer);

static struct hop *last_hop(struct tracer_job *job)
{
    struct chain *chain = &job->result->chain;

    return &chain->hops[chain->nhops - 1];
}

/* --- the end ------------------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct tracer_job *job = container_of((uv_timer_t *)handle, struct tracer_job, timer);
    struct tracer *tracer = job->tracer;

    free(job);
    tracer_handle_closed(tracer);
}

/* Everything but the job's own bytes, which its timer still needs. */
static void release(struct tracer_job *job)
{
    if (job->is_on_wire)
        multi_remove(job->tracer, job->transfer.easy);
    job->is_on_wire = false;
    probe_stop(job);
    if (job->transfer.easy)
        transfer_finish(&job->transfer);
    if (job->share)
        curl_share_cleanup(job->share);
    curl_slist_free_all(job->headers);
    *job->link = job->next;
    if (job->next)
        job->next->link = job->link;
    uv_close((uv_handle_t *)&job->timer, on_timer_closed);
}

static void sum_up(struct tracer_job *job)
{
    struct trace_result *r = job->result;

    r->mode_used = MODE_HTTP_ONLY;
    r->total_ms = loop_now_ms() - job->started_ms;
    for (int i = 0; i < r->chain.nhops; i++)
        r->bytes += r->chain.hops[i].header_bytes + r->chain.hops[i].body_bytes;
    if (!trace_result_extract(job->arena, r) && r->err.code == ERR_OK) {
        err_set(&r->err, ERR_TOO_BIG, "a trace's memory is used up");
        r->outcome = OUTCOME_ERROR;
    }
}

static void job_end(struct tracer_job *job, enum outcome outcome)
{
    job->result->outcome = outcome;
    sum_up(job);
    release(job);
    job->done(job->arg, job->result);
}

/* With result->err set. */
static void job_fail(struct tracer_job *job)
{
    job_end(job, classify_outcome(job->result->err.code));
}

/* --- the timer ----------------------------------------------------------------------------------- */

static void arm(struct tracer_job *job)
{
    int64_t due = job->deadline_ms, now = loop_now_ms();

    if (job->drain_ms && job->drain_ms < due)
        due = job->drain_ms;
    if (job->probe.at_ms && job->probe.at_ms < due)
        due = job->probe.at_ms;
    uv_update_time(job->tracer->loop);
    uv_timer_start(&job->timer, on_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

/* In a callback of libcurl: what is left of an answer that is no page gets a moment, not the hop's time. */
static void on_head(struct transfer *t)
{
    struct tracer_job *job = container_of(t, struct tracer_job, transfer);

    job->probe.at_ms = 0;
    if (t->plan == BODY_DRAIN)
        job->drain_ms = loop_now_ms() + DRAIN_MS;
    arm(job);
}

/* --- a hop begins -------------------------------------------------------------------------------- */

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool add_hop(struct tracer_job *job, const struct url *url, enum via via)
{
    struct hop *hop = chain_add_hop(job->arena, &job->result->chain);

    job->url = *url;
    if (!hop)
        return err_set(&job->result->err, ERR_TOO_BIG, "a trace's memory is used up");
    hop->url = url->href;
    hop->via = via;
    return true;
}

static void remember_visit(struct tracer_job *job)
{
    int n = job->result->chain.nhops - 1;
    struct visit visit = {url_without_fragment(&job->url), transfer_cookie_state(&job->transfer)};

    job->is_repeated = false;
    for (int i = 0; i < n; i++)
        job->is_repeated |=
            job->visits[i].cookies == visit.cookies && str_equal(job->visits[i].url, visit.url);
    job->visits[n] = visit;
}

static bool put_on_wire(struct tracer_job *job)
{
    struct err *err = &job->result->err;
    int64_t hop_ms = min_ms(job->request.hop_timeout_ms, job->deadline_ms - loop_now_ms());
    const char *referrer = next_referrer(job, &job->url);
    const char *href = arena_cstr(job->arena, url_without_fragment(&job->url));

    if (!href || job->arena->is_full)
        return err_set(err, ERR_TOO_BIG, "a trace's memory is used up");
    if (hop_ms <= 0)
        return err_set(err, ERR_TRACE_TIMEOUT, "no time left for hop %d", job->result->chain.nhops);
    last_hop(job)->method = STR("GET");
    remember_visit(job);
    transfer_prepare(&job->transfer, href, referrer, hop_ms);
    if (!multi_add(job->tracer, job->transfer.easy, job))
        return err_set(err, ERR_INTERNAL, "libcurl did not take the transfer");
    job->is_on_wire = true;
    probe_plan(job, hop_ms);
    arm(job);
    return true;
}

static void visit(struct tracer_job *job, const struct url *url, enum via via)
{
    struct err *err = &job->result->err;

    if (!add_hop(job, url, via) || !guard_allows_hop(url, &job->transfer.policy, err) || !put_on_wire(job))
        job_fail(job);
}

/* --- a hop has ended ----------------------------------------------------------------------------- */

static const char *message_of(const struct tracer_job *job, CURLcode code)
{
    return job->transfer.error[0] ? job->transfer.error : curl_easy_strerror(code);
}

/* A connection that is used again has told its TLS version when it was new. */
static struct str tls_version(struct tracer_job *job)
{
    struct chain *chain = &job->result->chain;
    struct str origin;

    if (job->transfer.tls_version.len || !str_equal(job->url.scheme, STR("https")))
        return job->transfer.tls_version;
    origin = url_origin(job->arena, &job->url);
    for (int i = chain->nhops - 2; origin.len && i >= 0; i--)
        if (chain->hops[i].tls_version.len && str_starts(chain->hops[i].url, origin))
            return chain->hops[i].tls_version;
    return STR("");
}

static void record(struct tracer_job *job, const struct transfer_end *end)
{
    struct hop *hop = last_hop(job);
    struct head *head = &job->transfer.head;

    hop->status = head->is_complete ? head->status : 0;
    hop->remote_address = arena_copy(job->arena, end->remote_address);
    hop->http_version = str_from(end->http_version);
    hop->tls_version = tls_version(job);
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
 * A 407 over plain HTTP may be the target's own joke. It is the proxy's when it asks for credentials,
 * comes without the Via of an answer passed on, and no answer came through with these credentials before.
 */
static bool is_refused_by_proxy(const struct tracer_job *job, bool was_alive)
{
    const struct head *head = &job->transfer.head;

    return head->status == 407 && job->proxy_url[0] && str_equal(job->url.scheme, STR("http")) &&
           !was_alive && head->has_proxy_authenticate && !head->has_via;
}

static struct transfer_facts facts_of(const struct tracer_job *job, const struct transfer_end *end)
{
    const struct tracer_proxy *proxy = &job->request.proxy;

    return (struct transfer_facts){.code = end->code,
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

static void fail_transfer(struct tracer_job *job, const struct transfer_end *end)
{
    struct transfer_facts facts = facts_of(job, end);
    struct trace_result *r = job->result;
    const char *message = message_of(job, end->code);
    enum err_code code = classify_transfer(&facts);

    probe_stop(job);
    hop_add_note(job->arena, last_hop(job), message);
    if (code == ERR_BLOCKED_ADDRESS)
        r->err = job->transfer.guard_err;
    else if (code == ERR_TOO_BIG)
        err_set(&r->err, code, "%.*s: headers of more than %zu bytes", STR_ARG(job->url.host),
                job->request.max_header);
    else if (err_blame(code) == BLAME_PROXY)
        err_set(&r->err, code, "proxy %.*s:%d: %s", STR_ARG(job->request.proxy.host), job->request.proxy.port,
                message);
    else
        err_set(&r->err, code, "%.*s: %s", STR_ARG(job->url.host), message);
    job_fail(job);
}

static void end_with_link(struct tracer_job *job, const struct step *step)
{
    if (!add_hop(job, &step->url, step->via)) {
        job_fail(job);
    } else if (next_is_blocked_scheme(step->url.scheme)) {
        err_set(&job->result->err, ERR_BLOCKED_ADDRESS, "%.*s: is never opened", STR_ARG(step->url.scheme));
        job_fail(job);
    } else {
        job_end(job, OUTCOME_EXTERNAL_SCHEME);
    }
}

static void follow(struct tracer_job *job, struct step *step)
{
    struct trace_result *r = job->result;
    bool is_upgraded = hsts_applies(&job->hsts, &step->url);

    if (job->is_repeated) {
        err_set(&r->err, ERR_REDIRECT_LOOP, "hop %d is a URL visited before, with the same cookies",
                r->chain.nhops);
        return job_fail(job);
    }
    if (r->chain.nhops >= job->request.max_hops) {
        err_set(&r->err, ERR_TOO_MANY_HOPS, "more than %d hops", job->request.max_hops);
        return job_fail(job);
    }
    if (!step->is_redirect) {
        job->is_sent_by_page = true;
        job->page = job->url;
    }
    if (!url_is_http(&step->url))
        return end_with_link(job, step);
    if (is_upgraded && !hsts_upgrade(job->arena, &step->url, &step->url, &r->err))
        return job_fail(job);
    visit(job, &step->url, step->via);
}

/* The head is here and as much of the body as there will be. */
static void read_answer(struct tracer_job *job)
{
    struct trace_result *r = job->result;
    struct step step;
    struct err err;

    if (job->transfer.head.hsts.len)
        hsts_note(&job->hsts, &job->url, job->transfer.head.hsts);
    switch (next_step(job, &step, &err)) {
    case STEP_NONE:
        return job_end(job, OUTCOME_OK);
    case STEP_FOLLOW:
        return follow(job, &step);
    case STEP_FAILED:
        hop_add_note(job->arena, last_hop(job), err.detail);
        r->err = err;
        if (err.code == ERR_BAD_URL)
            r->err.code = ERR_TARGET_URL;
        return job_fail(job);
    }
}

static void note_incomplete(struct tracer_job *job, CURLcode code)
{
    char note[CURL_ERROR_SIZE + 32];

    if (job->transfer.is_body_cut) {
        snprintf(note, sizeof(note), "body cut at %zu bytes", job->request.max_body);
        hop_add_note(job->arena, last_hop(job), note);
    } else if (code != CURLE_OK && job->transfer.plan == BODY_KEEP) {
        snprintf(note, sizeof(note), "body incomplete: %s", message_of(job, code));
        hop_add_note(job->arena, last_hop(job), note);
    }
}

static bool has_answer(const struct tracer_job *job, const struct transfer_end *end)
{
    const struct transfer *t = &job->transfer;

    if (!t->head.is_complete || t->is_head_too_big)
        return false;
    return t->is_cut || t->plan == BODY_DRAIN || end->code != CURLE_OPERATION_TIMEDOUT;
}

/* A connection that ends without a word: the proxy's fault if it has none for us either. */
static bool is_doubtful(const struct tracer_job *job, CURLcode code)
{
    return (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) &&
           !job->probe.is_proxy_alive;
}

static void judge(struct tracer_job *job, const struct transfer_end *end)
{
    bool was_alive = job->probe.is_proxy_alive;

    job->probe.is_proxy_alive |= job->transfer.head.status || end->connect_status || end->code == CURLE_PROXY;
    if (is_refused_by_proxy(job, was_alive)) {
        last_hop(job)->status = 0;
        err_set(&job->result->err, ERR_PROXY_AUTH, "proxy %.*s:%d: asks for other credentials (407)",
                STR_ARG(job->request.proxy.host), job->request.proxy.port);
        hop_add_note(job->arena, last_hop(job), "the proxy answered 407");
        return job_fail(job);
    }
    if (has_answer(job, end)) {
        probe_stop(job);
        note_incomplete(job, end->code);
        return read_answer(job);
    }
    if (is_doubtful(job, end->code) && (job->probe.easy || probe_start(job))) {
        job->probe.is_awaited = true;
        job->probe.failure = *end;
        return;
    }
    fail_transfer(job, end);
}

static void end_of_transfer(struct tracer_job *job, CURLcode code)
{
    struct transfer_end end;

    job->is_on_wire = false;
    job->drain_ms = job->probe.at_ms = 0;
    transfer_look(&job->transfer, code, &end);
    record(job, &end);
    judge(job, &end);
}

void job_on_transfer(struct tracer_job *job, CURL *easy, CURLcode code)
{
    if (easy != job->probe.easy)
        return end_of_transfer(job, code);
    probe_take(job, code);
    if (job->probe.is_awaited)
        fail_transfer(job, &job->probe.failure);
}

/* --- time ---------------------------------------------------------------------------------------- */

/* Whose silence it was: a hop that ran into the deadline is judged like one that ran into its own. */
static void out_of_time(struct tracer_job *job)
{
    struct transfer_end end = job->probe.failure;
    struct trace_result *r = job->result;
    struct transfer_facts facts;

    if (job->is_on_wire) {
        transfer_look(&job->transfer, CURLE_OPERATION_TIMEDOUT, &end);
        record(job, &end);
        job->probe.is_proxy_alive |= job->transfer.head.status || end.connect_status;
    }
    facts = facts_of(job, &end);
    facts.code = CURLE_OPERATION_TIMEDOUT;
    if (classify_transfer(&facts) == ERR_PROXY_TIMEOUT)
        err_set(&r->err, ERR_PROXY_TIMEOUT, "proxy %.*s:%d: no sign of life within %lld ms",
                STR_ARG(job->request.proxy.host), job->request.proxy.port,
                (long long)job->request.total_timeout_ms);
    else
        err_set(&r->err, ERR_TRACE_TIMEOUT, "hop %d, %.*s: not done within the trace's %lld ms",
                r->chain.nhops, STR_ARG(job->url.host), (long long)job->request.total_timeout_ms);
    job_fail(job);
}

static void end_drain(struct tracer_job *job)
{
    job->transfer.is_cut = true;
    multi_remove(job->tracer, job->transfer.easy);
    end_of_transfer(job, CURLE_OK);
}

/* --- the beginning ------------------------------------------------------------------------------- */

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return true;
    return false;
}

static bool check_request(struct tracer_job *job, struct url *url)
{
    const struct tracer_request *r = &job->request;
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
    const struct tracer_request *r = &job->request;

    job->proxy_url = r->proxy.scheme.len ? tracer_proxy_url(job->arena, &r->proxy) : "";
    job->proxy_user = arena_cstr(job->arena, r->proxy.user);
    job->proxy_password = arena_cstr(job->arena, r->proxy.password);
    job->user_agent = arena_cstr(job->arena, r->user_agent);
    job->ca_file = r->ca_file.len ? arena_cstr(job->arena, r->ca_file) : NULL;
    job->visits = arena_alloc(job->arena, (size_t)r->max_hops * sizeof(*job->visits));
    job->referrer = r->referrer;
    return !job->arena->is_full || err_set(&job->result->err, ERR_TOO_BIG, "a trace's memory is used up");
}

static bool prepare(struct tracer_job *job)
{
    static const curl_lock_data shared[] = {CURL_LOCK_DATA_CONNECT, CURL_LOCK_DATA_DNS,
                                            CURL_LOCK_DATA_SSL_SESSION, CURL_LOCK_DATA_COOKIE};

    if (!prepare_strings(job))
        return false;
    job->share = curl_share_init();
    for (size_t i = 0; job->share && i < ARRAY_LEN(shared); i++)
        curl_share_setopt(job->share, CURLSHOPT_SHARE, shared[i]);
    if (!job->share || !transfer_init(&job->transfer, job))
        return err_set(&job->result->err, ERR_INTERNAL, "libcurl did not start");
    job->transfer.on_head = on_head;
    return true;
}

static void begin(struct tracer_job *job)
{
    struct url url;

    job->is_begun = true;
    if (check_request(job, &url) && prepare(job))
        visit(job, &url, VIA_START);
    else
        job_fail(job);
}

static void on_timer(uv_timer_t *timer)
{
    struct tracer_job *job = container_of(timer, struct tracer_job, timer);
    int64_t now = loop_now_ms();

    if (!job->is_begun)
        return begin(job);
    if (now >= job->deadline_ms)
        return out_of_time(job);
    if (job->drain_ms && now >= job->drain_ms)
        return end_drain(job);
    if (job->probe.at_ms && now >= job->probe.at_ms)
        probe_start(job);
    arm(job);
}

struct tracer_job *job_start(struct tracer *t, struct arena *arena, const struct tracer_request *request,
                             void (*done)(void *arg, struct trace_result *result), void *arg)
{
    struct tracer_job *job = calloc(1, sizeof(*job));

    if (!job)
        abort();
    job->tracer = t;
    job->arena = arena;
    job->request = *request;
    job->done = done;
    job->arg = arg;
    job->result = arena_alloc(arena, sizeof(*job->result));
    assert(job->result);
    job->result->proxy_ms = -1;
    job->started_ms = loop_now_ms();
    job->deadline_ms = job->started_ms + request->total_timeout_ms;
    job->next = t->jobs;
    job->link = &t->jobs;
    if (t->jobs)
        t->jobs->link = &job->next;
    t->jobs = job;
    uv_timer_init(t->loop, &job->timer);
    t->open_handles++;
    uv_timer_start(&job->timer, on_timer, 0, 0);
    return job;
}

void tracer_cancel(struct tracer_job *job)
{
    release(job);
}

const struct chain *tracer_job_chain(const struct tracer_job *job)
{
    return &job->result->chain;
}
