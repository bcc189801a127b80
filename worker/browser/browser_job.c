/*
 * browser_job.c - one trace in Chromium: its turn, its context with the relay's pass, the clock for its
 * page, its end.
 *
 * The owner is told from the timer, never from within a protocol event, so it may do as it likes. The job
 * outlives that: it is freed when its context is gone and every answer that it waits for has come.
 */
#include "worker/browser/browser_internal.h"

#include "common/json.h"
#include "common/loop.h"

enum { COMMAND_TIMEOUT_MS = 5000 };

struct browser_ask {
    struct browser_ask *next, **link;
    struct browser_job *job;
    page_answer_fn page; /* or: */
    void (*own)(struct browser_job *job, const json_t *result, const struct err *err);
};

static void on_timer(uv_timer_t *timer);

/* --- the job's own end ----------------------------------------------------------------------------- */

static void forget_asks(struct browser_job *job)
{
    while (job->asks) {
        struct browser_ask *ask = job->asks;

        job->asks = ask->next;
        free(ask);
    }
}

static void free_job(struct browser_job *job)
{
    struct browser *b = job->browser;

    forget_asks(job);
    *job->link = job->next;
    if (job->next)
        job->next->link = job->link;
    free(job);
    browser_handle_closed(b);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct browser_job *job = container_of((uv_timer_t *)handle, struct browser_job, timer);

    free_job(job);
}

static void free_when_quiet(struct browser_job *job)
{
    if (job->phase == JOB_DONE && !job->asks && !uv_is_closing((uv_handle_t *)&job->timer))
        uv_close((uv_handle_t *)&job->timer, on_timer_closed);
}

/* --- commands -------------------------------------------------------------------------------------- */

void job_arm(struct browser_job *job)
{
    int64_t now = loop_now_ms(), due = job->page.state == PAGE_ENDED ? now : page_due(&job->page);

    if (job->phase == JOB_DONE)
        return;
    if (job->phase == JOB_KEEPING && evidence_is_awaited(job))
        due = job->kept_by_ms;
    uv_update_time(job->browser->loop);
    uv_timer_start(&job->timer, on_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

static void on_answer(void *arg, const json_t *result, const struct err *err)
{
    struct browser_ask ask = *(struct browser_ask *)arg;
    struct browser_job *job = ask.job;

    *ask.link = ask.next;
    if (ask.next)
        ask.next->link = ask.link;
    free(arg);
    if (ask.own) {
        ask.own(job, result, err);
    } else if (job->phase == JOB_RUNNING && job->page.state != PAGE_ENDED) {
        job->page.now_ms = loop_now_ms();
        ask.page(&job->page, result, err);
        job_arm(job);
    }
    free_when_quiet(job);
}

static struct browser_ask *add_ask(struct browser_job *job)
{
    struct browser_ask *ask = calloc(1, sizeof(*ask));

    if (!ask)
        abort();
    ask->job = job;
    ask->next = job->asks;
    ask->link = &job->asks;
    if (job->asks)
        job->asks->link = &ask->next;
    job->asks = ask;
    return ask;
}

static int64_t patience(const struct browser_job *job)
{
    int64_t left = job->page.deadline_ms - loop_now_ms();

    return left > 0 ? left + COMMAND_TIMEOUT_MS : COMMAND_TIMEOUT_MS;
}

void job_ask(struct browser_job *job, struct str session, const char *method, json_t *params,
             void (*own)(struct browser_job *job, const json_t *result, const struct err *err))
{
    struct browser_ask *ask = add_ask(job);

    ask->own = own;
    cdp_send(job->browser->cdp, session, method, params, patience(job), on_answer, ask);
}

static void ask_browser(struct browser_job *job, const char *method, json_t *params,
                        void (*own)(struct browser_job *job, const json_t *result, const struct err *err))
{
    job_ask(job, STR(""), method, params, own);
}

static void page_send(void *arg, struct str session, const char *method, json_t *params,
                      page_answer_fn answer)
{
    struct browser_job *job = arg;
    struct browser_ask *ask;

    if (!answer)
        return cdp_send(job->browser->cdp, session, method, params, patience(job), NULL, NULL);
    ask = add_ask(job);
    ask->page = answer;
    cdp_send(job->browser->cdp, session, method, params, patience(job), on_answer, ask);
}

/* --- the context ----------------------------------------------------------------------------------- */

bool job_is_alive(const struct browser_job *job)
{
    return job->browser->cdp && job->generation == job->browser->generation;
}

static void on_disposed(struct browser_job *job, const json_t *result, const struct err *err)
{
    (void)result;
    (void)err;
    if (!job->has_context)
        return;
    job->has_context = false;
    browser_on_context_closed(job->browser);
}

/* While the answer with its id is still to come, there is nothing to dispose of yet. */
static void dispose(struct browser_job *job)
{
    json_t *params;

    if (!job->context.len || !job->has_context || !job_is_alive(job))
        return;
    params = json_object();
    json_put_str(params, "browserContextId", page_id_str(&job->context));
    ask_browser(job, "Target.disposeBrowserContext", params, on_disposed);
}

static bool take_id(struct browser_job *job, const json_t *result, const struct err *err, const char *name,
                    struct page_id *out)
{
    struct err own = *err;

    *out = page_id_from(json_get_str(result, name, STR("")));
    if (job->phase != JOB_OPENING || job->page.state == PAGE_ENDED)
        return false;
    if (out->len)
        return true;
    if (own.code == ERR_OK)
        err_set(&own, ERR_INTERNAL, "the browser made no %s", name);
    job_fail(job, &own);
    return false;
}

static void on_attached(struct browser_job *job, const json_t *result, const struct err *err)
{
    struct page_id session;

    if (!take_id(job, result, err, "sessionId", &session))
        return;
    job->phase = JOB_RUNNING;
    job->page.now_ms = loop_now_ms();
    page_opened(&job->page, page_id_str(&job->context), page_id_str(&job->target), page_id_str(&session));
    job_arm(job);
}

static void on_target(struct browser_job *job, const json_t *result, const struct err *err)
{
    json_t *params;

    if (!take_id(job, result, err, "targetId", &job->target))
        return;
    params = json_packed("{s:b}", "flatten", 1);
    json_put_str(params, "targetId", page_id_str(&job->target));
    ask_browser(job, "Target.attachToTarget", params, on_attached);
}

static void on_context(struct browser_job *job, const json_t *result, const struct err *err)
{
    bool is_wanted = take_id(job, result, err, "browserContextId", &job->context);
    json_t *params;

    if (!job->context.len)
        return on_disposed(job, result, err);
    if (!is_wanted)
        return job->phase == JOB_DONE ? dispose(job) : (void)0;
    params = json_packed("{s:s, s:i, s:i}", "url", "about:blank", "width", 1280, "height", 800);
    json_put_str(params, "browserContextId", page_id_str(&job->context));
    ask_browser(job, "Target.createTarget", params, on_target);
}

static void on_relay_failure(void *arg, struct str url, const struct err *err)
{
    struct browser_job *job = arg;

    if (job->phase != JOB_RUNNING)
        return;
    job->page.now_ms = loop_now_ms();
    page_on_relay_failure(&job->page, url, err);
    job_arm(job);
}

static void open_pass(struct browser_job *job)
{
    struct relay_options options = {
        .request = &job->page.options.request, .arg = job, .on_failure = on_relay_failure};

    job->pass = relay_open(job->browser->relay, &options);
    job->page.options.user = str_from(relay_pass_user(job->pass));
    job->page.options.password = str_from(relay_pass_password(job->pass));
}

void job_open(struct browser_job *job)
{
    struct browser *b = job->browser;
    struct err err;
    json_t *params;

    job->phase = JOB_OPENING;
    job->generation = b->generation;
    if (!browser_need_relay(b, &err))
        return job_fail(job, &err);
    open_pass(job);
    job->has_context = true;
    b->counts.contexts++;
    params = json_packed("{s:s, s:b}", "proxyBypassList", "<-loopback>", "disposeOnDetach", 1);
    json_put_str(params, "proxyServer", str_from(relay_address(b->relay)));
    ask_browser(job, "Target.createBrowserContext", params, on_context);
}

/* --- the page's side ------------------------------------------------------------------------------- */

void job_on_event(struct browser_job *job, struct str session, struct str method, const json_t *params)
{
    job->page.now_ms = loop_now_ms();
    page_on_event(&job->page, session, method, params);
    job_arm(job);
}

void job_fail(struct browser_job *job, const struct err *err)
{
    job->page.now_ms = loop_now_ms();
    page_fail(&job->page, err);
    job_arm(job);
}

void job_on_browser_gone(struct browser_job *job, const struct err *err)
{
    job->has_context = false;
    forget_asks(job);
    if (job->phase == JOB_OPENING || job->phase == JOB_RUNNING)
        job_fail(job, err);
    else if (job->phase == JOB_KEEPING)
        job_arm(job);
    free_when_quiet(job);
}

/* The timer tells the owner, see above. */
static void page_ended(void *arg)
{
    (void)arg;
}

/* What the relay has seen is the whole of it, with everything that the pages loaded. */
static void ask_relay(struct browser_job *job)
{
    struct trace_result *r = job->page.result;
    int64_t bytes = job->pass ? relay_pass_bytes(job->pass) : 0;

    if (bytes > r->bytes)
        r->bytes = bytes;
    if (job->pass && job->page.options.request.proxy.scheme.len)
        r->proxy_ms = relay_pass_proxy_ms(job->pass);
    if (job->pass)
        relay_close(job->pass);
    job->pass = NULL;
}

static void finish(struct browser_job *job)
{
    uv_timer_stop(&job->timer);
    ask_relay(job);
    job->phase = JOB_DONE;
    dispose(job);
    job->done(job->arg, job->page.result);
    free_when_quiet(job);
}

static void begin(struct browser_job *job)
{
    bool is_possible = page_begin(&job->page, &job->options, job->page.now_ms);

    job->phase = JOB_WAITING;
    job->page.result->started_at_ms = loop_wall_ms();
    job_arm(job);
    if (is_possible)
        browser_pump(job->browser);
}

static void on_timer(uv_timer_t *timer)
{
    struct browser_job *job = container_of(timer, struct browser_job, timer);

    job->page.now_ms = loop_now_ms();
    if (job->phase == JOB_NEW)
        return begin(job);
    page_timer(&job->page);
    if (job->page.state != PAGE_ENDED || evidence_gather(job))
        job_arm(job);
    else
        finish(job);
}

/* --- beginning and end ----------------------------------------------------------------------------- */

struct browser_job *browser_start(struct browser *b, struct arena *arena, const struct trace_request *request,
                                  void (*done)(void *arg, struct trace_result *result), void *arg)
{
    struct browser_job *job = calloc(1, sizeof(*job));

    if (!job)
        abort();
    *job = (struct browser_job){.browser = b, .done = done, .arg = arg};
    job->options = (struct page_options){.arena = arena,
                                         .request = *request,
                                         .settle_ms = b->settings.settle_ms,
                                         .hang_ms = b->settings.hang_ms,
                                         .ops = {.send = page_send, .ended = page_ended, .arg = job}};
    job->next = b->jobs;
    job->link = &b->jobs;
    if (b->jobs)
        b->jobs->link = &job->next;
    b->jobs = job;
    b->open_handles++;
    uv_timer_init(b->loop, &job->timer);
    uv_timer_start(&job->timer, on_timer, 0, 0);
    return job;
}

void browser_cancel(struct browser_job *job)
{
    uv_timer_stop(&job->timer);
    if (job->pass)
        relay_close(job->pass);
    job->pass = NULL;
    job->phase = JOB_DONE;
    dispose(job);
    free_when_quiet(job);
}

void job_drop(struct browser_job *job)
{
    if (job->pass)
        relay_close(job->pass);
    job->pass = NULL;
    job->phase = JOB_DONE;
    *job->link = job->next;
    if (job->next)
        job->next->link = job->link;
    job->next = NULL;
    job->link = &job->next;
    if (!uv_is_closing((uv_handle_t *)&job->timer))
        uv_close((uv_handle_t *)&job->timer, on_timer_closed);
}
