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

enum { DRAIN_MS = 100 };

static void on_timer(uv_timer_t *timer);

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
        curl_loop_remove(job->tracer->wire, job->transfer.easy);
    job->is_on_wire = false;
    probe_stop(job);
    transfer_finish(&job->transfer);
    if (job->share)
        curl_share_cleanup(job->share);
    *job->link = job->next;
    if (job->next)
        job->next->link = job->link;
    uv_close((uv_handle_t *)&job->timer, on_timer_closed);
}

static void sum_up(struct tracer_job *job)
{
    struct trace_result *r = job->result;

    r->mode_used = MODE_HTTP_ONLY;
    if (job->transfer.easy && evidence_has(job->request.evidence, EVIDENCE_COOKIES))
        transfer_keep_cookies(&job->transfer, &r->kept);
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

/* A timer that is due earlier stays: there may be nothing to do by then, but most traces are over before. */
static void arm(struct tracer_job *job)
{
    int64_t due = job->deadline_ms, now;

    if (job->drain_ms && job->drain_ms < due)
        due = job->drain_ms;
    if (job->probe.at_ms && job->probe.at_ms < due)
        due = job->probe.at_ms;
    if (job->armed_ms && job->armed_ms <= due)
        return;
    job->armed_ms = due;
    now = loop_now_ms();
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
    hop->started_ms = loop_now_ms() - job->started_ms;
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
    hop_last(job)->method = STR("GET");
    remember_visit(job);
    transfer_prepare(&job->transfer, href, referrer, job->request.hop_timeout_ms);
    request_head_for(job, strncmp(href, "https:", 6) == 0);
    if (!curl_loop_add(job->tracer->wire, job->transfer.easy, job))
        return curl_loop_refuse(err, job->url.host);
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
    if (is_upgraded)
        hop_add_note(job->arena, hop_last(job),
                     "the next hop's http was made https: its host had asked for that");
    visit(job, &step->url, step->via);
}

/* An answer that is XML is handed out: whoever asked for the trace may know what it is. */
static void end_with_answer(struct tracer_job *job)
{
    const struct transfer *t = &job->transfer;
    struct str body = str_trim(buf_str(&t->body));

    if (t->plan == BODY_KEEP && !t->is_body_cut && t->head.status == 200 &&
        (str_starts_nocase(body, STR("<?xml")) || str_starts_nocase(body, STR("<VAST")) ||
         (head_may_be_xml(&t->head) && body.len && str_find(str_slice(body, 0, 4), 0, '<') < 4)))
        job->result->body = arena_copy(job->arena, body);
    job_end(job, OUTCOME_OK);
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
        return end_with_answer(job);
    case STEP_FOLLOW:
        return follow(job, &step);
    case STEP_FAILED:
        hop_add_note(job->arena, hop_last(job), err.detail);
        r->err = err;
        if (err.code == ERR_BAD_URL)
            r->err.code = ERR_TARGET_URL;
        return job_fail(job);
    }
}

/* A connection that ends without a word: the proxy's fault if it has none for us either. */
static bool is_doubtful(const struct tracer_job *job, CURLcode code)
{
    return (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) &&
           !job->transfer.head.status && !job->probe.is_proxy_alive;
}

/* Everything is known that will be. */
static void settle(struct tracer_job *job, const struct transfer_end *end)
{
    bool is_about_407 = job->probe.is_about_407;

    job->probe.is_awaited = job->probe.is_about_407 = false;
    job->probe.is_proxy_alive |= job->transfer.head.status || end->connect_status || end->code == CURLE_PROXY;
    probe_stop(job);
    if (is_about_407 && (job->probe.status == 407 || !job->probe.status)) {
        hop_explain_refusal(job);
        job_fail(job);
    } else if (hop_has_answer(job, end)) {
        hop_note_incomplete(job, end->code);
        read_answer(job);
    } else {
        hop_explain_failure(job, end);
        job_fail(job);
    }
}

/* Settled at once, or when the proxy has been asked who is to blame. */
static void judge(struct tracer_job *job, const struct transfer_end *end)
{
    job->probe.is_about_407 = hop_is_suspect_407(job);
    if (!job->probe.is_about_407 && !is_doubtful(job, end->code))
        return settle(job, end);
    if (!job->probe.easy && !probe_start(job))
        return settle(job, end);
    job->probe.is_awaited = true;
    job->probe.end = *end;
    arm(job);
}

static void end_of_transfer(struct tracer_job *job, CURLcode code)
{
    struct transfer_end end;

    job->is_on_wire = false;
    job->drain_ms = job->probe.at_ms = 0;
    transfer_look(&job->transfer, code, &end);
    hop_record(job, &end);
    judge(job, &end);
}

void job_on_transfer(struct tracer_job *job, CURL *easy, CURLcode code)
{
    if (easy != job->probe.easy)
        return end_of_transfer(job, code);
    probe_take(job, code);
    if (job->probe.is_awaited)
        settle(job, &job->probe.end);
}

/* --- time ---------------------------------------------------------------------------------------- */

static void out_of_time(struct tracer_job *job)
{
    struct transfer_end end;

    if (job->probe.is_awaited)
        return settle(job, &job->probe.end);
    transfer_look(&job->transfer, CURLE_OPERATION_TIMEDOUT, &end);
    hop_record(job, &end);
    job->probe.is_proxy_alive |= job->transfer.head.status || end.connect_status;
    hop_explain_deadline(job, &end);
    job_fail(job);
}

static void end_drain(struct tracer_job *job)
{
    job->transfer.is_cut = true;
    curl_loop_remove(job->tracer->wire, job->transfer.easy);
    end_of_transfer(job, CURLE_OK);
}

/* --- the beginning ------------------------------------------------------------------------------- */

static void begin(struct tracer_job *job)
{
    struct url url;

    job->is_begun = true;
    if (request_check(job, &url) && request_prepare(job)) {
        job->transfer.on_head = on_head;
        visit(job, &url, VIA_START);
    } else {
        job_fail(job);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct tracer_job *job = container_of(timer, struct tracer_job, timer);
    int64_t now = loop_now_ms();

    job->armed_ms = 0;
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

struct tracer_job *job_start(struct tracer *t, struct arena *arena, const struct trace_request *request,
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
    job->result->started_at_ms = loop_wall_ms();
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
