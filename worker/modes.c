/*
 * modes.c - see modes.h. The verdict on a page is tracer/verdict.c's.
 */
#include "worker/modes.h"

#include "common/log.h"
#include "worker/tracer/verdict.h"

void modes_fork(const struct conf *conf, struct launcher **out)
{
    struct err err;

    *out = NULL;
    if (conf->browser_enabled && !launcher_fork(conf->browser_user, conf->http_ca_file, out, &err))
        log_error("browser.unavailable", kv_err(&err));
    if (*out && conf->browser_no_sandbox)
        log_warn("browser.no_sandbox",
                 kv("advice", "pages run without Chromium's sandbox: set browser.no_sandbox = "
                              "false and start as an unprivileged user"));
}

void modes_init(struct modes *m, uv_loop_t *loop, const struct conf *conf, struct launcher *launcher)
{
    *m = (struct modes){.loop = loop, .conf = conf, .launcher = launcher, .tracer = tracer_create(loop)};
}

void modes_close(struct modes *m)
{
    tracer_destroy(m->tracer, NULL, NULL);
    if (m->browser)
        browser_destroy(m->browser, NULL, NULL);
    launcher_destroy(m->launcher);
    *m = (struct modes){0};
}

struct browser *modes_browser(struct modes *m)
{
    struct browser_settings settings = {
        .program = m->conf->browser_program,
        .is_sandbox_off = m->conf->browser_no_sandbox,
        .max_contexts = (int)m->conf->browser_contexts,
        .max_traces = (int)m->conf->browser_max_traces,
        .max_memory_kb = m->conf->browser_max_memory_bytes / 1024,
        .idle_ms = m->conf->browser_idle_s * 1000,
        .settle_ms = m->conf->browser_settle_ms,
        .hang_ms = m->conf->browser_hang_ms,
        .screenshot_ms = m->conf->browser_screenshot_ms,
        .screenshot_max = m->conf->browser_screenshot_max_bytes,
    };

    if (!m->browser && m->launcher) {
        m->browser = browser_create(m->loop, m->launcher, &settings);
        m->launcher = NULL;
    }
    return m->browser;
}

bool modes_has_browser(const struct modes *m)
{
    return m->browser || m->launcher;
}

struct browser_counts modes_browser_counts(const struct modes *m)
{
    return m->browser ? browser_counts(m->browser) : (struct browser_counts){0};
}

bool modes_has_lost_browser(const struct modes *m)
{
    return m->browser && browser_is_lost(m->browser);
}

bool modes_has_room(const struct modes *m)
{
    struct browser_counts counts;

    if (!m->browser)
        return m->launcher;
    counts = browser_counts(m->browser);
    return counts.waiting == 0 && counts.contexts < m->conf->browser_contexts;
}

bool modes_may_miss(const struct trace_result *http)
{
    return http->outcome == OUTCOME_OK &&
           str_equal(http->detection_reason, str_from(verdict_name(VERDICT_HTTP_SUFFICIENT)));
}

void modes_limit_http(const struct modes *m, struct trace_request *request)
{
    int64_t first_ms = m->conf->browser_http_first_s * 1000;

    if (request->mode == MODE_AUTO && modes_has_browser(m) && request->hop_timeout_ms > first_ms)
        request->hop_timeout_ms = first_ms;
}

bool modes_wants_browser(const struct modes *m, const struct trace_request *request,
                         struct trace_result *http)
{
    enum verdict verdict;

    if (request->mode != MODE_AUTO)
        return false;
    verdict = verdict_on(http, request);
    http->detection_reason = str_from(verdict_name(verdict));
    return verdict_needs_browser(verdict) && modes_has_browser(m);
}

struct trace_result *modes_choose(struct trace_result *http, struct trace_result *browser)
{
    if (!http)
        return browser;
    if (browser->err.code == ERR_MODE_UNAVAILABLE && http->outcome == OUTCOME_OK)
        return http;
    browser->detection_reason = http->detection_reason;
    return browser;
}
