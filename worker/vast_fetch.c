/*
 * vast_fetch.c - one request after the other on one easy handle; redirects and retries by hand.
 *
 * A session waits for exactly one thing: the transfer, or its timer (a refusal that is told on the loop's
 * next turn, a pause before another attempt, or its turn under the cap of its ad server).
 */
#include "worker/vast_fetch_internal.h"

#include "common/exhausted.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "worker/chain/classify.h"
#include "worker/tracer/proxy.h"

enum { PAUSE_MS = 250 };

static void fetcher_handle_closed(struct vast_fetcher *f)
{
    if (--f->open_handles > 0 || !f->is_closing)
        return;
    if (f->on_closed)
        f->on_closed(f->arg);
    free(f);
}

/* --- the end of a request --------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

/* On the loop's next turn, when that is asked for with 0. */
static void wait_for(struct vast_session *s, int64_t ms)
{
    uv_update_time(s->fetcher->loop);
    uv_timer_start(&s->timer, on_timer, (uint64_t)ms, 0);
}

static void tell(struct vast_session *s)
{
    struct vast_answer answer = {.status = s->err.code == ERR_OK || s->head.is_complete ? s->head.status : 0,
                                 .final_url = s->url.href,
                                 .ms = loop_now_ms() - s->started_ms,
                                 .err = s->err};
    void (*done)(void *arg, const struct vast_answer *answer) = s->done;

    if (s->err.code == ERR_OK)
        answer.body = buf_str(&s->body);
    s->done = NULL;
    done(s->arg, &answer);
}

/* --- a transfer begins ------------------------------------------------------------------------------ */

static int64_t time_left(const struct vast_session *s)
{
    return s->deadline_ms - loop_now_ms();
}

static void forget_transfer(struct vast_session *s)
{
    s->head = (struct head){.content_length = -1};
    s->header_bytes = 0;
    s->is_head_too_big = s->is_body_too_big = s->is_guarded = false;
    s->error[0] = 0;
    s->socket_errno = 0;
    s->err.code = ERR_OK;
    buf_clear(&s->body);
}

static bool put_on_wire(struct vast_session *s)
{
    const char *href = arena_cstr(s->arena, url_without_fragment(&s->url));
    int64_t left = time_left(s);

    if (!guard_allows_hop(&s->url, &s->policy, &s->err))
        return false;
    if (!href)
        return err_set(&s->err, ERR_TOO_BIG, "the trace's memory is used up");
    if (left <= 0)
        return err_set(&s->err, ERR_TARGET_TIMEOUT, "%.*s: no time left", STR_ARG(s->url.host));
    curl_set(s->easy, CURLOPT_URL, href);
    curl_set(s->easy, CURLOPT_TIMEOUT_MS, (long)left);
    vast_session_set_headers(s);
    if (!curl_loop_add(s->fetcher->wire, s->easy, s))
        return curl_loop_refuse(&s->err, s->url.host);
    return s->is_on_wire = true;
}

static void begin(struct vast_session *s)
{
    forget_transfer(s);
    if (!put_on_wire(s))
        wait_for(s, 0);
}

/* Milliseconds until the cap lets the request go; 0: it may go now. */
static int64_t take_turn(struct vast_session *s)
{
    const struct vast_fetch_options *o = &s->options;

    return o->rate ? vast_rate_take(o->rate, o->rate_name.len ? o->rate_name : s->first.host, o->per_minute,
                                    loop_now_ms())
                   : 0;
}

static void ask(struct vast_session *s)
{
    int64_t wait_ms = take_turn(s), left = time_left(s);

    s->is_waiting = wait_ms > 0;
    if (wait_ms >= left && wait_ms > 0) {
        err_set(&s->err, ERR_AD_RATE, "%.*s: its cap of %g requests a minute", STR_ARG(s->first.host),
                s->options.per_minute);
        wait_ms = 0;
    }
    metrics_add(s->is_waiting ? METRIC_VAST_HELD : METRIC_VAST_SENT, 1);
    if (s->is_waiting)
        return wait_for(s, wait_ms);
    if (left > s->options.timeout_ms)
        s->deadline_ms = loop_now_ms() + s->options.timeout_ms;
    begin(s);
}

/* --- a transfer has ended --------------------------------------------------------------------------- */

static bool is_worth_another(const struct vast_session *s)
{
    int status = s->head.status;

    if (s->attempts >= s->options.retries || time_left(s) <= PAUSE_MS << s->attempts)
        return false;
    if (s->err.code != ERR_OK)
        return !s->head.is_complete && err_is_retryable(s->err.code);
    return status == 429 || (status >= 502 && status <= 504);
}

static void explain_exhausted(struct vast_session *s, int error)
{
    const struct trace_proxy *proxy = &s->options.proxy;

    exhausted_explain(&s->err, error, "%.*s:%d", STR_ARG(s->policy.has_proxy ? proxy->host : s->url.host),
                      s->policy.has_proxy ? proxy->port : url_effective_port(&s->url));
}

static void note_failure(struct vast_session *s, CURLcode code)
{
    long connect_status = 0, proxy_error = 0;
    curl_off_t connect_us = 0;
    struct transfer_facts facts = {.code = code,
                                   .exhausted = curl_loop_exhausted(s->easy, code, s->socket_errno),
                                   .has_proxy = s->policy.has_proxy,
                                   .is_proxy_tls = str_equal(s->options.proxy.scheme, STR("https")),
                                   .is_socks = str_equal(s->options.proxy.scheme, STR("socks5h")),
                                   .is_target_tls = str_equal(s->url.scheme, STR("https")),
                                   .is_proxy_alive = s->has_answered,
                                   .is_guarded = s->is_guarded,
                                   .is_head_too_big = s->is_head_too_big};

    curl_easy_getinfo(s->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    curl_easy_getinfo(s->easy, CURLINFO_PROXY_ERROR, &proxy_error);
    curl_easy_getinfo(s->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
    facts.connect_status = (int)connect_status;
    facts.proxy_error = proxy_error;
    facts.is_connected = connect_us > 0;
    /* Nobody asks it whether it lives, as the tracer does: a proxy that took the connection has the benefit
       of the doubt, or a slow ad server would cost it its health. */
    facts.is_proxy_alive |= facts.is_connected && !facts.is_socks;
    if (s->is_guarded)
        s->err = s->guard_err;
    else if (s->is_body_too_big)
        err_set(&s->err, ERR_TOO_BIG, "%.*s: more than %zu bytes", STR_ARG(s->url.host), s->options.max_body);
    else if (classify_transfer(&facts) == ERR_HOST_EXHAUSTED)
        explain_exhausted(s, facts.exhausted);
    else
        err_set(&s->err, classify_transfer(&facts), "%.*s: %s", STR_ARG(s->url.host),
                s->error[0] ? s->error : curl_easy_strerror(code));
}

/* Where the answer redirects to; false with an error when that cannot be followed. */
static bool follow(struct vast_session *s)
{
    struct url next;

    if (s->redirects == s->options.max_redirects)
        return err_set(&s->err, ERR_TOO_MANY_HOPS, "more than %d redirects", s->options.max_redirects);
    if (!url_parse(s->arena, s->head.location, &s->url, &next, &s->err))
        return false;
    s->redirects++;
    s->via = head_via(&s->head);
    s->url = next;
    return true;
}

/*
 * Over plain HTTP the proxy's own 407 looks like an answer of the ad server. It is the proxy's unless that
 * has let an answer through with these credentials before; an ad server that plays proxy is told the same.
 */
static bool is_refused_by_proxy(const struct vast_session *s)
{
    return s->head.status == 407 && s->head.has_proxy_authenticate && s->policy.has_proxy &&
           !s->has_answered && str_equal(s->url.scheme, STR("http"));
}

static void end_transfer(struct vast_session *s, CURLcode code)
{
    bool is_refused = is_refused_by_proxy(s);

    s->has_answered |= s->head.status > 0;
    if (is_refused)
        err_set(&s->err, ERR_PROXY_AUTH, "%.*s: the proxy asks for other credentials (407)",
                STR_ARG(s->url.host));
    else if (code != CURLE_OK)
        note_failure(s, code);
    vast_session_note_hop(s);
    if (is_worth_another(s)) {
        wait_for(s, PAUSE_MS << s->attempts++);
        s->err.code = ERR_OK;
        s->url = s->first;
        s->redirects = 0;
        s->via = VIA_START;
        s->is_waiting = true;
    } else if (s->err.code == ERR_OK && head_is_redirect(&s->head) && follow(s)) {
        begin(s);
    } else {
        tell(s);
    }
}

static void on_transfer_done(void *arg, CURL *easy, CURLcode code)
{
    struct vast_session *s = arg;

    curl_loop_remove(s->fetcher->wire, easy);
    s->is_on_wire = false;
    end_transfer(s, code);
}

static void on_timer(uv_timer_t *timer)
{
    struct vast_session *s = container_of(timer, struct vast_session, timer);

    if (s->err.code != ERR_OK)
        tell(s);
    else if (s->is_waiting)
        ask(s);
    else
        begin(s);
}

/* --- the session ------------------------------------------------------------------------------------ */

struct vast_session *vast_session_start(struct vast_fetcher *f, struct arena *a,
                                        const struct vast_fetch_options *options, struct err *err)
{
    struct vast_session *s;

    if (!tracer_proxy_check(&options->proxy, err))
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    *s = (struct vast_session){.fetcher = f, .arena = a, .options = *options};
    buf_init(&s->body, options->max_body);
    uv_timer_init(f->loop, &s->timer);
    f->open_handles++;
    if (vast_session_set_up(s))
        return s;
    vast_session_end(s);
    err_set(err, ERR_TOO_BIG, "the trace's memory is used up");
    return NULL;
}

void vast_session_get(struct vast_session *s, struct str url, int64_t timeout_ms,
                      void (*done)(void *arg, const struct vast_answer *answer), void *arg)
{
    s->done = done;
    s->arg = arg;
    s->started_ms = loop_now_ms();
    s->deadline_ms = s->started_ms + timeout_ms;
    s->redirects = s->attempts = 0;
    s->via = VIA_START;
    s->requests++;
    forget_transfer(s);
    if (url_parse(s->arena, url, NULL, &s->first, &s->err)) {
        s->url = s->first;
        if (!s->first_host.len)
            s->first_host = s->first.host;
        ask(s);
    } else {
        s->url = (struct url){.href = url};
        wait_for(s, 0);
    }
}

static void on_session_closed(uv_handle_t *handle)
{
    struct vast_session *s = container_of((uv_timer_t *)handle, struct vast_session, timer);
    struct vast_fetcher *f = s->fetcher;

    free(s);
    fetcher_handle_closed(f);
}

void vast_session_end(struct vast_session *s)
{
    if (!s)
        return;
    if (s->is_on_wire)
        curl_loop_remove(s->fetcher->wire, s->easy);
    curl_easy_cleanup(s->easy);
    curl_share_cleanup(s->share);
    curl_slist_free_all(s->headers);
    curl_slist_free_all(s->plain);
    buf_finish(&s->body);
    uv_close((uv_handle_t *)&s->timer, on_session_closed);
}

/* --- the fetcher ------------------------------------------------------------------------------------ */

struct vast_fetcher *vast_fetcher_create(uv_loop_t *loop)
{
    struct vast_fetcher *f = calloc(1, sizeof(*f));

    if (!f)
        abort();
    f->loop = loop;
    f->wire = curl_loop_create(loop, on_transfer_done);
    f->open_handles = 1;
    return f;
}

static void on_wire_closed(void *arg)
{
    fetcher_handle_closed(arg);
}

void vast_fetcher_destroy(struct vast_fetcher *f, void (*on_closed)(void *arg), void *arg)
{
    if (!f)
        return;
    f->is_closing = true;
    f->on_closed = on_closed;
    f->arg = arg;
    curl_loop_destroy(f->wire, on_wire_closed, f);
}
