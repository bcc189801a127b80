/*
 * limit.c - see limit.h.
 */
#include "worker/limit.h"

enum {
    CUT_PAUSE_MS = 1000, /* a slow moment is one reason, however many statements it held up */
    RAISE_PAUSE_MS = 250,
    RAISE_STEPS = 20, /* from nothing to all slots */
    STRONGER_LOOKS = 2,
    WEAKER_LOOKS = 6,
    SHARE_TRACES = 20, /* late traces: about so many */
    REST_LOOKS = 2,
};

static const char *const names[LIMIT_COUNT] = {
#define LIMIT_NAME(ident, name, meaning) [LIMIT_##ident] = name,
    LIMITS(LIMIT_NAME)
#undef LIMIT_NAME
};

const char *limit_name(enum limit_by by)
{
    return names[by];
}

void limit_init(struct limit *l, int slots, int64_t slow_ms)
{
    *l = (struct limit){.slots = slots,
                        .slow_us = slow_ms * 1000,
                        .target = slots,
                        .cut_ms = -CUT_PAUSE_MS,
                        .raised_ms = -RAISE_PAUSE_MS};
}

static void cut(struct limit *l, enum limit_by by, int64_t now_ms)
{
    limit_note(l, by);
    if (now_ms - l->cut_ms < CUT_PAUSE_MS)
        return;
    l->cut_ms = now_ms;
    l->cut_by = by;
    l->target = l->target / 2 > 1 ? l->target / 2 : 1;
}

static void raise_target(struct limit *l, int64_t now_ms)
{
    double step = l->slots > RAISE_STEPS ? (double)l->slots / RAISE_STEPS : 1;

    if (now_ms - l->raised_ms < RAISE_PAUSE_MS || now_ms - l->cut_ms < CUT_PAUSE_MS)
        return;
    l->raised_ms = now_ms;
    l->target = l->target + step < l->slots ? l->target + step : l->slots;
}

void limit_database_took(struct limit *l, int64_t us, int64_t now_ms)
{
    if (us <= l->slow_us) {
        raise_target(l, now_ms);
        return;
    }
    cut(l, LIMIT_DATABASE, now_ms);
}

void limit_host_exhausted(struct limit *l, int64_t now_ms)
{
    cut(l, LIMIT_HOST, now_ms);
    l->rest_looks = REST_LOOKS;
}

void limit_trace_ended(struct limit *l, bool needed_browser)
{
    l->browser_share += ((needed_browser ? 1 : 0) - l->browser_share) / SHARE_TRACES;
}

/* At least one, so that a share which is no longer true is found out. */
static int room_for_browser(const struct limit *l, struct limit_browser b)
{
    double room;

    if (b.places == 0 || l->browser_share * l->slots < 1)
        return l->slots;
    room = (2 * b.places - b.open - b.waiting) / l->browser_share;
    return room > 1 ? (int)room : 1;
}

int limit_room(const struct limit *l, int running, struct limit_browser browser, enum limit_by *by)
{
    int room = (int)l->target - running, pages = room_for_browser(l, browser);

    *by = LIMIT_NONE;
    if (l->rest_looks > 0)
        *by = LIMIT_HOST;
    else if (room <= 0)
        *by = running < l->slots ? l->cut_by : LIMIT_SLOTS;
    else if (browser.places > 0 && browser.waiting >= browser.places)
        *by = LIMIT_BROWSER;
    if (*by != LIMIT_NONE)
        return 0;
    return room < pages ? room : pages;
}

int limit_room_around(const struct limit *l, int running, struct limit_browser browser)
{
    int room = (int)l->target - running;

    return room > 0 && browser.waiting <= l->slots / 2 ? room : 0;
}

void limit_note(struct limit *l, enum limit_by by)
{
    l->seen |= 1U << by;
}

static enum limit_by strongest(unsigned seen)
{
    for (int by = LIMIT_COUNT - 1; by > LIMIT_NONE; by--) {
        if (seen & 1U << by)
            return (enum limit_by)by;
    }
    return LIMIT_NONE;
}

bool limit_look(struct limit *l)
{
    enum limit_by seen = strongest(l->seen);

    l->seen = 0;
    l->rest_looks -= l->rest_looks > 0;
    l->stronger = seen > l->by ? l->stronger + 1 : 0;
    l->weaker = seen < l->by ? l->weaker + 1 : 0;
    if (l->stronger < STRONGER_LOOKS && l->weaker < WEAKER_LOOKS)
        return false;
    l->by = seen;
    l->stronger = l->weaker = 0;
    return true;
}
