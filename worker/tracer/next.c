/*
 * next.c - what an answer says about the next hop: Location, Refresh header, meta refresh.
 */
#include "worker/tracer/internal.h"

#include "common/refresh.h"
#include "worker/tracer/html.h"

#include <stdio.h>

enum { REFRESH_MAX_S = 10 };

static const char *const blocked_schemes[] = {"about",      "blob",       "chrome",      "data", "file",
                                              "filesystem", "javascript", "view-source", "ws",   "wss"};

/* A refresh of either kind, with what its URL is relative to. */
struct wish {
    bool is_there;
    enum via via;
    int delay_s;
    struct str url; /* ptr NULL: the page again */
    struct str base;
};

bool next_is_blocked_scheme(struct str scheme)
{
    for (size_t i = 0; i < ARRAY_LEN(blocked_schemes); i++)
        if (str_equal(scheme, str_from(blocked_schemes[i])))
            return true;
    return false;
}

static void read_refresh_header(const struct tracer_job *job, struct wish *wish)
{
    struct refresh found;

    if (!job->transfer.head.refresh.len || !refresh_parse(job->transfer.head.refresh, &found))
        return;
    *wish = (struct wish){
        .is_there = true, .via = VIA_REFRESH_HEADER, .delay_s = found.delay_s, .url = found.url};
}

/* Of two, the one with the shorter delay counts; of two alike the later one, which is the page's. */
static bool read_page(struct tracer_job *job, struct wish *wish)
{
    struct transfer *t = &job->transfer;
    struct page page;

    job->result->page = (struct page_signs){0};
    if (t->plan != BODY_KEEP || !t->body.len || !head_may_be_page(&t->head) ||
        (!t->head.content_type.len && !page_is_html(buf_str(&t->body))))
        return true;
    if (!page_read(job->arena, buf_str(&t->body), t->head.content_type, &page))
        return false;
    job->result->page = page.signs;
    if (page.has_refresh && (!wish->is_there || page.refresh.delay_s <= wish->delay_s))
        *wish = (struct wish){.is_there = true,
                              .via = VIA_META_REFRESH,
                              .delay_s = page.refresh.delay_s,
                              .url = page.refresh.url,
                              .base = page.refresh.base};
    return true;
}

static bool resolve(struct tracer_job *job, struct str target, struct str base, struct url *out,
                    struct err *err)
{
    struct url page_base;
    struct err ignored;

    if (base.ptr && url_parse(job->arena, base, &job->url, &page_base, &ignored))
        return url_parse(job->arena, target, &page_base, out, err);
    return url_parse(job->arena, target, &job->url, out, err);
}

static enum step_kind follow_redirect(struct tracer_job *job, struct step *out, struct err *err)
{
    struct head *head = &job->transfer.head;
    struct step step = {.via = head_via(head), .is_redirect = true};

    if (!resolve(job, head->location, (struct str){0}, &step.url, err))
        return STEP_FAILED;
    if (!step.url.fragment.ptr && job->url.fragment.ptr &&
        !url_with_fragment(job->arena, &step.url, job->url.fragment, &step.url, err))
        return STEP_FAILED;
    *out = step;
    return STEP_FOLLOW;
}

/* A page that shows itself again and again every few seconds has been reached; at once, it is a loop. */
static bool only_reloads(struct tracer_job *job, const struct step *step)
{
    struct visit *visit = &job->visits[job->result->chain.nhops - 1];

    return step->delay_s > 0 && str_equal(url_without_fragment(&step->url), visit->url) &&
           transfer_cookie_state(&job->transfer) == visit->cookies;
}

static enum step_kind pass_over(struct tracer_job *job, const char *why, int delay_s)
{
    char note[96];

    snprintf(note, sizeof(note), "refresh after %d s not followed: %s", delay_s, why);
    hop_add_note(job->arena, hop_last(job), note);
    return STEP_NONE;
}

static enum step_kind follow_refresh(struct tracer_job *job, const struct wish *wish, struct step *out)
{
    struct step step = {.via = wish->via, .delay_s = wish->delay_s, .url = job->url};
    struct err ignored;

    if (wish->delay_s > REFRESH_MAX_S)
        return pass_over(job, "a browser would be on the page for longer than 10 s", wish->delay_s);
    if (wish->url.ptr && !resolve(job, wish->url, wish->base, &step.url, &ignored))
        return pass_over(job, "what it names is no URL", wish->delay_s);
    if (str_equal(step.url.scheme, STR("javascript")))
        return pass_over(job, "browsers ignore javascript: there", wish->delay_s);
    if (only_reloads(job, &step))
        return pass_over(job, "the page only shows itself again", wish->delay_s);
    *out = step;
    return STEP_FOLLOW;
}

enum step_kind next_step(struct tracer_job *job, struct step *out, struct err *err)
{
    struct wish wish = {0};

    if (head_is_redirect(&job->transfer.head))
        return follow_redirect(job, out, err);
    read_refresh_header(job, &wish);
    if (!read_page(job, &wish)) {
        err_set(err, ERR_TOO_BIG, "a trace's memory is used up");
        return STEP_FAILED;
    }
    return wish.is_there ? follow_refresh(job, &wish, out) : STEP_NONE;
}

/*
 * Referrer Policy, "strict-origin-when-cross-origin": what browsers do unless a page asks for other things.
 */
static const char *page_as_referrer(struct tracer_job *job, const struct url *to)
{
    const struct url *page = &job->page;
    struct str origin = url_origin(job->arena, page), target = url_origin(job->arena, to);

    if (str_equal(page->scheme, STR("https")) && str_equal(to->scheme, STR("http")))
        return NULL;
    if (!str_equal(origin, target))
        return arena_printf(job->arena, "%.*s/", STR_ARG(origin));
    return arena_printf(job->arena, "%.*s%.*s%s%.*s", STR_ARG(origin), STR_ARG(page->path),
                        page->query.ptr ? "?" : "", STR_ARG(page->query));
}

const char *next_referrer(struct tracer_job *job, const struct url *to)
{
    bool is_first = job->result->chain.nhops == 1;

    if (job->is_sent_by_page)
        return page_as_referrer(job, to);
    if (!job->referrer.len)
        return NULL;
    if (!is_first && str_starts_nocase(job->referrer, STR("https:")) && str_equal(to->scheme, STR("http")))
        return NULL;
    return arena_cstr(job->arena, job->referrer);
}
