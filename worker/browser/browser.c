/*
 * browser.c - Chromium's life: started when a trace needs it, shared by several, replaced when worn, buried
 * when it dies. No other line of code assigns b->state.
 *
 * A trace in it is browser_job.c; what its tab does is page.c.
 */
#include "worker/browser/browser_internal.h"

#include "common/log.h"
#include "common/loop.h"

#include <assert.h>

enum {
    START_TIMEOUT_MS = 20000,
    MESSAGE_MAX = 16 * 1024 * 1024,
    MEASURE_EVERY_MS = 5000,
};

static const char *const state_names[CHROMIUM_STATE_COUNT] = {
#define NAME(name, text) [CHROMIUM_##name] = #name,
    CHROMIUM_STATES(NAME)
#undef NAME
};

static const char *const event_names[CHROMIUM_EVENT_COUNT] = {
#define NAME(name, text) [CHROMIUM_EV_##name] = #name,
    CHROMIUM_EVENTS(NAME)
#undef NAME
};

static const struct transition {
    enum chromium_state from;
    enum chromium_event on;
    enum chromium_state to;
} transitions[] = {
#define ROW(from, on, to) {CHROMIUM_##from, CHROMIUM_EV_##on, CHROMIUM_##to},
    CHROMIUM_TRANSITIONS(ROW)
#undef ROW
};

static void step(struct browser *b, enum chromium_event ev);

/* --- what the states start ------------------------------------------------------------------------ */

static void on_event(void *arg, struct str session, struct str method, const json_t *params)
{
    struct browser *b = arg;

    for (struct browser_job *job = b->jobs; session.len && job; job = job->next)
        if (job->phase == JOB_RUNNING && page_has_session(&job->page, session))
            return job_on_event(job, session, method, params);
}

static void on_end(void *arg, const struct err *err)
{
    struct browser *b = arg;

    b->counts.deaths++;
    log_debug("browser.died", kv("why", err->detail));
    step(b, CHROMIUM_EV_GONE);
}

static void on_version(void *arg, const json_t *result, const struct err *err)
{
    struct browser *b = arg;

    (void)err;
    b->counts.deaths += !result;
    step(b, result ? CHROMIUM_EV_ANSWERED : CHROMIUM_EV_GONE);
}

static const char *const flags[] = {
    "--headless",
    "--block-new-web-contents",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--enable-features=NetworkServiceInProcess2", /* its own process has no sandbox here, and costs memory */
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
};

static bool launch(struct browser *b, struct err *err)
{
    struct cdp_events events = {.on_event = on_event, .on_end = on_end, .arg = b};
    const char *arguments[ARRAY_LEN(flags) + 2];
    struct launched launched;
    size_t n = 0;

    for (; n < ARRAY_LEN(flags); n++)
        arguments[n] = flags[n];
    if (b->settings.is_sandbox_off)
        arguments[n++] = "--no-sandbox";
    arguments[n] = NULL;
    if (!launcher_start(b->launcher, b->settings.program, arguments, &launched, err))
        return false;
    b->pid = launched.pid;
    b->cdp = cdp_create(b->loop, launched.write_fd, launched.read_fd, MESSAGE_MAX, &events);
    b->open_handles++;
    return true;
}

static bool is_waiting(const struct browser_job *job)
{
    return job->phase == JOB_WAITING && job->page.state != PAGE_ENDED;
}

/* Those that wait for a Chromium that does not come. */
static void fail_waiting(struct browser *b, const struct err *err)
{
    for (struct browser_job *job = b->jobs; job; job = job->next)
        if (is_waiting(job))
            job_fail(job, err);
}

static void enter_starting(struct browser *b)
{
    struct err err;

    b->generation++;
    b->begun = 0;
    if (launch(b, &err)) {
        b->counts.starts++;
        cdp_send(b->cdp, STR(""), "Browser.getVersion", NULL, START_TIMEOUT_MS, on_version, b);
        return;
    }
    fail_waiting(b, &err);
    step(b, CHROMIUM_EV_GONE);
}

static void on_cdp_closed(void *arg)
{
    browser_handle_closed(arg);
}

/* Whoever was in it ends with the news; whoever waits gets another one, unless this one never came up. */
static void enter_stopped(struct browser *b, enum chromium_state from)
{
    struct err died, start;

    err_set(&died, ERR_BROWSER_DIED, "the browser ended while it traced");
    err_set(&start, ERR_BROWSER_START, "the browser did not come up");
    launcher_kill(b->launcher, b->pid);
    b->pid = 0;
    if (b->cdp)
        cdp_destroy(b->cdp, on_cdp_closed, b);
    b->cdp = NULL;
    b->counts.contexts = 0;
    for (struct browser_job *job = b->jobs; job; job = job->next)
        job_on_browser_gone(job, &died);
    if (from == CHROMIUM_STARTING)
        fail_waiting(b, &start);
}

/* Whether another one is started before anybody asks: there was work, so there will be more. */
static bool is_followed(const struct browser *b, enum chromium_event ev)
{
    return b->state == CHROMIUM_STOPPED && ev != CHROMIUM_EV_IDLE && b->begun > 0 && !b->is_closing;
}

static void step(struct browser *b, enum chromium_event ev)
{
    enum chromium_state from = b->state;
    size_t i = 0;

    while (i < ARRAY_LEN(transitions) && (transitions[i].from != from || transitions[i].on != ev))
        i++;
    if (i == ARRAY_LEN(transitions))
        return;
    b->state = transitions[i].to;
    log_debug("browser.step", kv("from", state_names[from]), kv("on", event_names[ev]),
              kv("to", state_names[b->state]));
    if (b->state == CHROMIUM_STARTING)
        enter_starting(b);
    else if (b->state == CHROMIUM_STOPPED)
        enter_stopped(b, from);
    else if (b->state == CHROMIUM_RETIRING && !b->counts.contexts)
        step(b, CHROMIUM_EV_EMPTY);
    if (is_followed(b, ev))
        step(b, CHROMIUM_EV_WANTED);
    if (b->state != CHROMIUM_STARTING)
        browser_pump(b);
}

static void on_idle(uv_timer_t *timer)
{
    step(container_of(timer, struct browser, idle), CHROMIUM_EV_IDLE);
}

static void watch_for_rest(struct browser *b)
{
    bool is_resting = b->state == CHROMIUM_READY && !b->counts.contexts && !b->is_closing;

    if (!is_resting || b->settings.idle_ms <= 0)
        uv_timer_stop(&b->idle);
    else if (!uv_is_active((uv_handle_t *)&b->idle))
        uv_timer_start(&b->idle, on_idle, (uint64_t)b->settings.idle_ms, 0);
}

/* --- whose turn it is ----------------------------------------------------------------------------- */

static struct browser_job *oldest_waiting(struct browser *b)
{
    struct browser_job *found = NULL;

    for (struct browser_job *job = b->jobs; job; job = job->next)
        if (is_waiting(job))
            found = job;
    return found;
}

void browser_pump(struct browser *b)
{
    struct browser_job *job = oldest_waiting(b);

    if (b->is_closing)
        return;
    if (job && b->state == CHROMIUM_STOPPED)
        return step(b, CHROMIUM_EV_WANTED);
    while (b->state == CHROMIUM_READY && job && b->counts.contexts < b->settings.max_contexts) {
        b->begun++;
        job_open(job);
        if (b->settings.max_traces > 0 && b->begun >= b->settings.max_traces)
            step(b, CHROMIUM_EV_WORN);
        job = oldest_waiting(b);
    }
    watch_for_rest(b);
}

static bool is_too_large(struct browser *b)
{
    int64_t now = loop_now_ms();

    if (b->settings.max_memory_kb <= 0 || now - b->measured_ms < MEASURE_EVERY_MS)
        return false;
    b->measured_ms = now;
    return memory_of_group_kb(b->pid) > b->settings.max_memory_kb;
}

void browser_on_context_closed(struct browser *b)
{
    b->counts.contexts--;
    if (b->state == CHROMIUM_READY && is_too_large(b))
        step(b, CHROMIUM_EV_WORN);
    if (b->state == CHROMIUM_RETIRING && !b->counts.contexts)
        step(b, CHROMIUM_EV_EMPTY);
    browser_pump(b);
}

bool browser_need_relay(struct browser *b, struct err *err)
{
    if (b->relay)
        return true;
    if (!relay_create(b->loop, &b->relay, err))
        return false;
    b->open_handles++;
    return true;
}

/* --- beginning and end ---------------------------------------------------------------------------- */

struct browser *browser_create(uv_loop_t *loop, struct launcher *launcher,
                               const struct browser_settings *settings)
{
    struct browser *b = calloc(1, sizeof(*b));

    if (!b)
        abort();
    *b = (struct browser){.loop = loop, .launcher = launcher, .settings = *settings, .open_handles = 1};
    uv_timer_init(loop, &b->idle);
    return b;
}

void browser_handle_closed(struct browser *b)
{
    if (--b->open_handles)
        return;
    if (b->on_closed)
        b->on_closed(b->arg);
    free(b);
}

static void on_relay_closed(void *arg)
{
    browser_handle_closed(arg);
}

static void on_timer_closed(uv_handle_t *handle)
{
    browser_handle_closed(container_of((uv_timer_t *)handle, struct browser, idle));
}

void browser_destroy(struct browser *b, void (*on_closed)(void *arg), void *arg)
{
    b->is_closing = true;
    b->on_closed = on_closed;
    b->arg = arg;
    if (b->cdp)
        cdp_destroy(b->cdp, on_cdp_closed, b);
    b->cdp = NULL;
    launcher_kill(b->launcher, b->pid);
    while (b->jobs)
        job_drop(b->jobs);
    if (b->relay)
        relay_destroy(b->relay, on_relay_closed, b);
    launcher_destroy(b->launcher);
    uv_close((uv_handle_t *)&b->idle, on_timer_closed);
}

struct browser_counts browser_counts(const struct browser *b)
{
    struct browser_counts counts = b->counts;

    counts.waiting = 0;
    for (const struct browser_job *job = b->jobs; job; job = job->next)
        counts.waiting += is_waiting(job);
    return counts;
}

bool browser_is_lost(const struct browser *b)
{
    return launcher_is_gone(b->launcher);
}
