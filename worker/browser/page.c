/*
 * page.c - the transition table of page.h at work. No other line of code assigns p->state.
 *
 * What a state starts is in `enter` below; why a state is left is known by whoever calls page_step.
 */
#include "worker/browser/page.h"

#include "common/log.h"

#include <assert.h>
#include <string.h>

enum {
    LOAD_HANG_TIMES = 5, /* a slow proxy is no reason to look away from a page that still loads */
};

static const char *const state_names[PAGE_STATE_COUNT] = {
#define NAME(name, text) [PAGE_##name] = #name,
    PAGE_STATES(NAME)
#undef NAME
};

static const char *const event_names[PAGE_EVENT_COUNT] = {
#define NAME(name, text) [PAGE_EV_##name] = #name,
    PAGE_EVENTS(NAME)
#undef NAME
};

static const struct transition {
    enum page_state from;
    enum page_event on;
    enum page_state to;
} transitions[] = {
#define ROW(from, on, to) {PAGE_##from, PAGE_EV_##on, PAGE_##to},
    PAGE_TRANSITIONS(ROW)
#undef ROW
};

bool page_next(enum page_state from, enum page_event ev, enum page_state *to)
{
    for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
        if (transitions[i].from != from || transitions[i].on != ev)
            continue;
        *to = transitions[i].to;
        return true;
    }
    return false;
}

/* --- small things that all files of the page need ------------------------------------------------- */

struct page_id page_id_from(struct str text)
{
    struct page_id id = {.len = 0};

    if (text.len <= sizeof(id.text)) {
        memcpy(id.text, text.ptr, text.len);
        id.len = text.len;
    }
    return id;
}

bool page_id_is(const struct page_id *id, struct str text)
{
    return id->len && str_equal(page_id_str(id), text);
}

struct str page_id_str(const struct page_id *id)
{
    return (struct str){id->text, id->len};
}

void page_command(struct page *p, struct str session, const char *method, json_t *params,
                  page_answer_fn answer)
{
    if (p->state == PAGE_ENDED)
        json_decref(params); /* its tab is on its way out */
    else
        p->options.ops.send(p->options.ops.arg, session, method, params, answer);
}

struct page_wish page_take_wish(struct page *p)
{
    struct page_wish wish = p->wish;

    p->wish = (struct page_wish){.via = VIA_JS_LOCATION};
    return wish;
}

/* --- the end --------------------------------------------------------------------------------------- */

static void sum_up(struct page *p)
{
    struct trace_result *r = p->result;

    r->mode_used = MODE_BROWSER;
    r->total_ms = p->now_ms - p->started_ms;
    for (int i = 0; i < r->chain.nhops; i++)
        r->bytes += r->chain.hops[i].header_bytes + r->chain.hops[i].body_bytes;
    if (!trace_result_extract(p->options.arena, r) && r->err.code == ERR_OK) {
        err_set(&r->err, ERR_TOO_BIG, "a trace's memory is used up");
        r->outcome = OUTCOME_ERROR;
    }
}

void page_end(struct page *p, enum outcome outcome)
{
    if (p->state == PAGE_ENDED)
        return;
    p->result->outcome = outcome;
    page_step(p, PAGE_EV_END);
}

void page_end_with_error(struct page *p)
{
    page_end(p, page_outcome(p->result->err.code));
}

/* The page has come to rest. What it asked for last and took back is no part of the chain. */
static void come_to_rest(struct page *p)
{
    struct trace_result *r = p->result;

    if (r->chain.nhops > 1 && !page_hop(p)->status)
        page_drop_hop(p);
    if (r->outcome == OUTCOME_OK && r->chain.nhops == 1 && !page_hop(p)->status) {
        err_set(&r->err, ERR_TARGET_CLOSED, "%.*s: no answer became a page", STR_ARG(p->url.host));
        r->outcome = OUTCOME_ERROR;
    }
}

static void enter_ended(struct page *p, enum page_event ev)
{
    if (ev != PAGE_EV_END)
        come_to_rest(p);
    sum_up(p);
    p->options.ops.ended(p->options.ops.arg);
}

/* --- what the states start ------------------------------------------------------------------------- */

static void enter_opening(struct page *p, enum page_event ev)
{
    (void)p;
    (void)ev;
}

static void enter_asking(struct page *p, enum page_event ev)
{
    if (ev == PAGE_EV_OPENED)
        page_prepare_tab(p);
}

static void enter_loading(struct page *p, enum page_event ev)
{
    (void)ev;
    p->active_ms = p->now_ms;
    if (p->is_time_up)
        page_let_time_pass(p);
}

static void enter_settling(struct page *p, enum page_event ev)
{
    if (ev == PAGE_EV_HUNG)
        page_note(p, "still loading when it was looked at");
    p->state_due_ms = p->now_ms + p->options.hang_ms;
    page_settle(p, "pauseIfNetworkFetchesPending");
}

static void enter_pushing(struct page *p, enum page_event ev)
{
    (void)ev;
    page_note(p, "requests of the page had not ended");
    p->state_due_ms = p->now_ms + p->options.hang_ms;
    p->is_time_up = true;
    page_settle(p, "advance");
}

static void enter_leaving(struct page *p, enum page_event ev)
{
    (void)ev;
    p->state_due_ms = p->now_ms + p->options.hang_ms;
}

typedef void (*page_enter_fn)(struct page *p, enum page_event ev);

static const page_enter_fn enter[PAGE_STATE_COUNT] = {
    [PAGE_OPENING] = enter_opening,   [PAGE_ASKING] = enter_asking,   [PAGE_LOADING] = enter_loading,
    [PAGE_SETTLING] = enter_settling, [PAGE_PUSHING] = enter_pushing, [PAGE_LEAVING] = enter_leaving,
    [PAGE_ENDED] = enter_ended,
};

void page_step(struct page *p, enum page_event ev)
{
    enum page_state to;

    if (!page_next(p->state, ev, &to))
        return;
    log_debug("page.step", kv("from", state_names[p->state]), kv("on", event_names[ev]),
              kv("to", state_names[to]));
    p->state = to;
    p->state_due_ms = 0;
    enter[to](p, ev);
}

/* --- time ------------------------------------------------------------------------------------------ */

/* A document that has come as a whole may still wait for something else for ever. */
static int64_t load_due(const struct page *p)
{
    if (p->state != PAGE_LOADING || !p->is_document_whole)
        return INT64_MAX;
    return p->active_ms + p->options.hang_ms * LOAD_HANG_TIMES;
}

int64_t page_due(const struct page *p)
{
    int64_t due = p->deadline_ms, load = load_due(p);

    if (p->state_due_ms && p->state_due_ms < due)
        due = p->state_due_ms;
    return load < due ? load : due;
}

void page_timer(struct page *p)
{
    if (p->state == PAGE_ENDED)
        return;
    if (p->now_ms >= p->deadline_ms) {
        page_explain_deadline(p);
        page_end_with_error(p);
    } else if (p->now_ms >= page_due(p)) {
        page_step(p, PAGE_EV_HUNG);
    }
}

/* --- the beginning --------------------------------------------------------------------------------- */

bool page_begin(struct page *p, const struct page_options *options, int64_t now_ms)
{
    *p = (struct page){.options = *options, .now_ms = now_ms, .started_ms = now_ms};
    p->wish.via = VIA_JS_LOCATION;
    p->deadline_ms = now_ms + options->request.total_timeout_ms;
    p->result = arena_alloc(options->arena, sizeof(*p->result));
    assert(p->result);
    p->result->proxy_ms = -1;
    p->visits = arena_alloc(options->arena, (size_t)options->request.max_hops * sizeof(*p->visits));
    if (!p->visits)
        err_set(&p->result->err, ERR_TOO_BIG, "a trace's memory is used up");
    if (p->visits && page_check_request(p))
        return true;
    page_end_with_error(p);
    return false;
}

void page_opened(struct page *p, struct str context, struct str target, struct str session)
{
    p->context = page_id_from(context);
    p->frame = page_id_from(target);
    p->session = page_id_from(session);
    page_step(p, PAGE_EV_OPENED);
}

void page_fail(struct page *p, const struct err *err)
{
    if (p->state == PAGE_ENDED)
        return;
    p->result->err = *err;
    if (p->result->chain.nhops)
        page_note(p, "%s", err->detail);
    page_end_with_error(p);
}
