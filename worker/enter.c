/*
 * enter.c - what each state of a trace starts: one thing and one deadline (trace.h has the table).
 *
 * Callbacks below turn what happened into an event and step; they start nothing themselves.
 */
#include "worker/ads.h"
#include "worker/child.h"
#include "worker/store.h"

#include "common/log.h"
#include "common/metrics.h"

enum {
    TRACER_GRACE_MS = 250,  /* the tracer keeps its own deadline that well; ours is the net under it */
    SAMPLE_LEAST_MS = 5000, /* of the trace's time, for a sample to be worth a start */
    SAMPLE_MOST_MS = 30000, /* a sample that takes longer says nothing */
};

static void on_deadline(uv_timer_t *timer)
{
    struct trace *t = container_of(timer, struct trace, deadline);

    if (t->state != TRACE_FINISHING && !t->is_sample)
        err_set(&t->err, ERR_TRACE_TIMEOUT, "%lld ms", (long long)t->claim.timeout_ms);
    trace_step(t, EV_TIMEOUT);
}

static void arm_deadline(struct trace *t, int64_t at_ms)
{
    int64_t left_ms = at_ms - loop_now_ms();

    uv_update_time(&t->child->loop);
    uv_timer_start(&t->deadline, on_deadline, left_ms > 0 ? (uint64_t)left_ms : 0, 0);
}

static int64_t trace_ends_ms(const struct trace *t)
{
    return t->claimed_ms + t->claim.timeout_ms;
}

static bool find_secret(struct trace *t)
{
    struct child *c = t->child;
    static struct log_gate gate;

    if (t->claim.secret_name.len == 0)
        return true;
    if (secrets_get(&c->secrets, t->claim.secret_name, loop_now_ms(), &t->arena, &t->claim.proxy.password,
                    &t->err))
        return true;
    metrics_add(METRIC_SECRETS_MISSING, 1);
    if (log_gate_opens(&gate))
        log_error("secret.missing", kv("trace", t->claim.request_id), kv("held_back", gate.held_back),
                  kv_err(&t->err));
    return false;
}

static bool takes_browser_first(const struct trace *t)
{
    return t->claim.mode == MODE_BROWSER ||
           (t->claim.learnt.len && !t->claim.is_sampled && modes_has_browser(&t->child->modes));
}

/* Whether it can be traced at all is known at once. */
static enum trace_event enter_claimed(struct trace *t)
{
    log_info("trace.claimed", kv("trace", t->claim.request_id), kv("attempt", t->claim.attempt),
             kv("ip", t->claim.ip), kv("country", t->claim.country), kv("wait_ms", t->claim.wait_ms),
             kv_url("url", t->claim.url));
    if (t->child->is_draining) {
        t->is_let_go = true;
        return EV_LET_GO;
    }
    if (t->err.code != ERR_OK)
        return EV_FAIL;
    if (!find_secret(t))
        return EV_FAIL;
    if (ads_is_tag(&t->child->ads, t))
        return EV_AD;
    return takes_browser_first(t) ? EV_BROWSE : EV_GO;
}

static struct trace_request request_of(const struct trace *t)
{
    const struct conf *conf = t->child->conf;
    int64_t left_ms = trace_ends_ms(t) - loop_now_ms();

    return (struct trace_request){
        .url = t->claim.url,
        .mode = t->claim.mode,
        .proxy = t->claim.proxy,
        .referrer = t->claim.referrer,
        .user_agent = t->claim.user_agent,
        .expected_params = t->claim.expected_params,
        .nexpected_params = t->claim.nexpected_params,
        .max_hops = t->claim.max_hops,
        .total_timeout_ms = left_ms > 1 ? left_ms : 1,
        .hop_timeout_ms = conf->trace_hop_timeout_s * 1000,
        .connect_timeout_ms = conf->trace_connect_timeout_ms,
        .max_body = (size_t)conf->trace_body_max_bytes,
        .max_header = (size_t)conf->trace_header_max_bytes,
        .allow_private = conf->trace_allow_private,
        .ca_file = str_from(conf->http_ca_file),
        .block_resources = t->claim.block_resources,
        .evidence = t->claim.evidence,
    };
}

/* HTTP's result stands: from here on nothing can fail it. */
static bool takes_sample(const struct trace *t, const struct trace_result *http)
{
    return t->claim.is_sampled && modes_may_miss(http) && modes_has_room(&t->child->modes) &&
           trace_ends_ms(t) - loop_now_ms() >= SAMPLE_LEAST_MS;
}

static enum trace_event after_http(struct trace *t, struct trace_result *http)
{
    struct trace_request request = request_of(t);
    struct modes *modes = &t->child->modes;

    if (modes_wants_browser(modes, &request, http)) {
        t->http = http;
        return EV_BROWSE;
    }
    if (t->claim.learnt.len && t->claim.is_sampled && modes_may_miss(http) && modes_has_browser(modes)) {
        http->detection_reason = t->claim.learnt; /* HTTP went first to be compared, and is not believed */
        t->http = http;
        return EV_BROWSE;
    }
    t->result = http;
    if (!takes_sample(t, http))
        return ads_found(http) ? EV_AD : EV_DONE;
    t->http = http;
    t->is_sample = true;
    t->ended_ms = loop_now_ms();
    return EV_BROWSE;
}

static void on_http_done(void *arg, struct trace_result *result)
{
    struct trace *t = arg;

    t->job = NULL;
    trace_step(t, after_http(t, result));
}

static enum trace_event enter_http(struct trace *t)
{
    struct trace_request request = request_of(t);

    modes_limit_http(&t->child->modes, &request);
    t->job = tracer_start(t->child->modes.tracer, &t->arena, &request, on_http_done, t);
    arm_deadline(t, trace_ends_ms(t) + TRACER_GRACE_MS);
    return EV_WAIT;
}

/* Both modes ran, to an end: what one saw and the other did not is what the offer learns from. */
static void compare(struct trace *t, struct trace_result *browsed)
{
    struct str what;

    if (!t->http || !compare_can(t->http) || !compare_can(browsed))
        return;
    t->browsed = browsed;
    t->compared = compare_results(t->http, browsed);
    what = str_from(difference_name(t->compared.difference));
    log_info("trace.compared", kv("trace", t->claim.request_id), kv("reason", t->http->detection_reason),
             kv("difference", what), kv_url("http", t->http->final_url),
             kv_url("browser", browsed->final_url));
}

static bool is_unavailable(const struct trace_result *result)
{
    return result->err.code == ERR_MODE_UNAVAILABLE;
}

static void on_page_done(void *arg, struct trace_result *result)
{
    struct trace *t = arg;

    t->page = NULL;
    if (modes_has_lost_browser(&t->child->modes))
        child_retire(t->child, "the launcher of its browser has ended");
    if (t->claim.mode == MODE_AUTO && !t->http && is_unavailable(result)) {
        trace_step(t, EV_GO);
        return;
    }
    compare(t, result);
    if (!t->is_sample)
        t->result = modes_choose(t->http, result);
    if (!t->http)
        t->result->detection_reason = t->claim.learnt;
    trace_step(t, ads_found(t->result) ? EV_AD : EV_DONE);
}

static enum trace_event enter_browser(struct trace *t)
{
    struct browser *browser = modes_browser(&t->child->modes);
    struct trace_request request = request_of(t);
    int64_t ends_ms = trace_ends_ms(t);

    if (!browser) {
        err_set(&t->err, ERR_MODE_UNAVAILABLE, "mode browser: this worker has none (browser.enabled)");
        return EV_FAIL;
    }
    if (t->is_sample && request.total_timeout_ms > SAMPLE_MOST_MS) {
        request.total_timeout_ms = SAMPLE_MOST_MS;
        ends_ms = loop_now_ms() + SAMPLE_MOST_MS;
    }
    if (t->is_sample)
        request.evidence = 0; /* what is kept belongs to the result */
    t->used_browser = true;
    if (!t->is_sample)
        pace_needs_browser(&t->child->pace, t->claim.offer_id);
    t->page = browser_start(browser, &t->arena, &request, on_page_done, t);
    arm_deadline(t, ends_ms + TRACER_GRACE_MS);
    return EV_WAIT;
}

static void on_ads(void *arg, struct vast_resolver *resolver, const struct err *err)
{
    struct trace *t = arg;

    t->resolve = NULL;
    t->ads = ads_json(t, resolver, err, &t->child->tracking.sender);
    if (!t->result)
        t->result = ads_result(t, resolver, err);
    trace_step(t, EV_DONE);
}

/* An ad that can't be resolved in time is still the end of a good chain: its wrappers' rest is 301. */
static enum trace_event enter_ads(struct trace *t)
{
    int64_t left_ms = trace_ends_ms(t) - loop_now_ms() - TRACER_GRACE_MS;

    t->resolve = ads_resolve(&t->child->ads, t, left_ms > 1 ? left_ms : 1, on_ads, t);
    arm_deadline(t, trace_ends_ms(t) + TRACER_GRACE_MS);
    return EV_WAIT;
}

static enum trace_event enter_finishing(struct trace *t)
{
    if (t->resolve)
        vast_resolve_cancel(t->resolve);
    t->resolve = NULL;
    if (t->job)
        tracer_cancel(t->job);
    if (t->page)
        browser_cancel(t->page);
    t->job = NULL;
    t->page = NULL;
    if (!t->is_sample)
        t->ended_ms = loop_now_ms();
    pace_trace_ended(&t->child->pace, t->claim.offer_id, t->used_browser);
    if (store_error(t)->code == ERR_HOST_EXHAUSTED)
        pace_host_exhausted(&t->child->pace, store_error(t));
    arm_deadline(t, t->lease_until_ms);
    finish_add(&t->child->finish, t);
    return EV_WAIT;
}

static enum trace_event enter_gone(struct trace *t)
{
    finish_forget(&t->child->finish, t);
    child_trace_gone(t->child, t);
    return EV_WAIT;
}

const trace_enter_fn trace_enter[TRACE_STATE_COUNT] = {
    [TRACE_CLAIMED] = enter_claimed, [TRACE_HTTP] = enter_http,           [TRACE_BROWSER] = enter_browser,
    [TRACE_ADS] = enter_ads,         [TRACE_FINISHING] = enter_finishing, [TRACE_GONE] = enter_gone,
};
