/*
 * browser_evidence.c - what is asked of a tab whose trace has ended, before its context goes: cookies, and a
 * picture of what a visitor would see.
 *
 * The result stands already and nothing here changes it: what does not come in time, or is too large, is
 * left out with a note on the last hop. Time stands still in the page meanwhile.
 */
#include "worker/browser/browser_internal.h"

#include "common/json.h"
#include "common/loop.h"

enum {
    JPEG_QUALITY = 75,
    COOKIES = 1 << EVIDENCE_COOKIES,
    SCREENSHOT = 1 << EVIDENCE_SCREENSHOT,
};

/* The last one to arrive ends the wait. */
void evidence_arrived(struct browser_job *job, unsigned bit)
{
    job->awaited &= ~bit;
    job_arm(job);
}

/* --- cookies --------------------------------------------------------------------------------------- */

static void keep_cookie(struct page *p, const json_t *told)
{
    struct str domain = json_get_str(told, "domain", STR(""));
    double expires = json_number_value(json_object_get(told, "expires"));
    bool is_wide = str_starts(domain, STR("."));
    struct kept_cookie cookie = {
        .name = json_get_str(told, "name", STR("")),
        .value = json_get_str(told, "value", STR("")),
        .domain = str_slice(domain, is_wide, domain.len),
        .path = json_get_str(told, "path", STR("")),
        .same_site = json_get_str(told, "sameSite", STR("")),
        .expires_s = expires > 0 && expires < 1e12 ? (int64_t)expires : 0,
        .is_host_only = !is_wide,
        .is_secure = json_get_bool(told, "secure", false),
        .is_http_only = json_get_bool(told, "httpOnly", false),
    };

    kept_add_cookie(p->options.arena, &p->result->kept, &cookie);
}

static void on_cookies(struct browser_job *job, const json_t *result, const struct err *err)
{
    const json_t *cookie;
    size_t i;

    if (job->phase != JOB_KEEPING)
        return;
    json_array_foreach(json_object_get(result, "cookies"), i, cookie) keep_cookie(&job->page, cookie);
    if (err->code != ERR_OK)
        page_note(&job->page, "cookies left out: %s", err->detail);
    evidence_arrived(job, COOKIES);
}

static void ask_for_cookies(struct browser_job *job)
{
    json_t *params = json_object();

    json_put_str(params, "browserContextId", page_id_str(&job->context));
    job_ask(job, STR(""), "Storage.getCookies", params, on_cookies);
}

/* --- the picture ----------------------------------------------------------------------------------- */

static void on_jpeg(struct browser_job *job, const json_t *result, const struct err *err);
static void on_png(struct browser_job *job, const json_t *result, const struct err *err);

static void ask_for_png(struct browser_job *job)
{
    json_t *params = json_packed("{s:s}", "format", "png");

    job_ask(job, page_id_str(&job->page.session), "Page.captureScreenshot", params, on_png);
}

static void ask_for_jpeg(struct browser_job *job)
{
    json_t *params = json_packed("{s:s, s:i}", "format", "jpeg", "quality", JPEG_QUALITY);

    job_ask(job, page_id_str(&job->page.session), "Page.captureScreenshot", params, on_jpeg);
}

/* False when it is too large, in its own bytes. */
static bool keep_picture(struct browser_job *job, struct str base64, struct str type)
{
    struct arena *a = job->page.options.arena;
    struct kept *kept = &job->page.result->kept;

    if (base64.len / 4 * 3 > (size_t)job->browser->settings.screenshot_max || !kept_has_room(a, base64.len))
        return false;
    kept->screenshot = arena_copy(a, base64);
    kept->screenshot_type = type;
    return true;
}

static void on_jpeg(struct browser_job *job, const json_t *result, const struct err *err)
{
    struct str data = json_get_str(result, "data", STR(""));

    if (job->phase != JOB_KEEPING)
        return;
    if (!data.len)
        page_note(&job->page, "screenshot left out: %s", err->detail);
    else if (!keep_picture(job, data, STR("image/jpeg")))
        page_note(&job->page, "screenshot left out: %zu bytes are more than there is room for",
                  data.len / 4 * 3);
    evidence_arrived(job, SCREENSHOT);
}

/* A picture full of photographs is small as JPEG, and one of text is clear as PNG. */
static void on_png(struct browser_job *job, const json_t *result, const struct err *err)
{
    struct str data = json_get_str(result, "data", STR(""));

    if (job->phase != JOB_KEEPING)
        return;
    if (!data.len)
        page_note(&job->page, "screenshot left out: %s", err->detail);
    else if (!keep_picture(job, data, STR("image/png")))
        return ask_for_jpeg(job);
    evidence_arrived(job, SCREENSHOT);
}

/* --- when ------------------------------------------------------------------------------------------- */

static bool is_tab_alive(const struct browser_job *job)
{
    enum err_code code = job->page.result->err.code;

    return job->phase == JOB_RUNNING && job_is_alive(job) && code != ERR_BROWSER_DIED &&
           code != ERR_PAGE_CRASHED;
}

static void begin(struct browser_job *job, unsigned wanted, int64_t left_ms)
{
    int64_t most_ms = job->browser->settings.screenshot_ms;

    job->phase = JOB_KEEPING;
    job->awaited = wanted;
    job->kept_by_ms = loop_now_ms() + (left_ms < most_ms ? left_ms : most_ms);
    if (wanted & COOKIES)
        ask_for_cookies(job);
    if (wanted & SCREENSHOT)
        ask_for_png(job);
    if (wanted & EVIDENCE_BODY)
        body_ask(job);
}

static void note_missing(struct browser_job *job, unsigned missing, const char *why)
{
    for (int kind = 0; kind < EVIDENCE_COUNT; kind++)
        if (evidence_has(missing, (enum evidence)kind))
            page_note(&job->page, "%s left out: %s", evidence_name((enum evidence)kind), why);
    if (missing & EVIDENCE_BODY)
        page_note(&job->page, "the last answer could not be read: %s", why);
}

bool evidence_is_awaited(const struct browser_job *job)
{
    return job->phase == JOB_KEEPING && job->awaited && job_is_alive(job) && loop_now_ms() < job->kept_by_ms;
}

bool evidence_gather(struct browser_job *job)
{
    unsigned wanted = job->page.options.request.evidence & (COOKIES | SCREENSHOT);
    int64_t left_ms = job->page.deadline_ms - loop_now_ms();

    if (job->phase == JOB_KEEPING) {
        if (!evidence_is_awaited(job))
            note_missing(job, job->awaited, "it did not come in time");
        return evidence_is_awaited(job);
    }
    if (body_is_wanted(job))
        wanted |= EVIDENCE_BODY;
    if (!wanted)
        return false;
    if (!is_tab_alive(job) || left_ms <= 0) {
        note_missing(job, wanted, left_ms <= 0 ? "no time was left for it" : "there was no page");
        return false;
    }
    begin(job, wanted, left_ms);
    return true;
}
