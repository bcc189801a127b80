/*
 * events.c - the event table, and the schedule of one view.
 */
#include "worker/vast/events.h"

#include "worker/vast/dom.h"
#include "worker/vast/relative.h"

#include <inttypes.h>
#include <stdlib.h>

/* Versions that have the event: from first to last, and again from `back` (0: never). */
static const struct known_event {
    const char *name;
    int first, last, back;
} known_events[] = {
    {"creativeView", 200, 999, 0},
    {"start", 200, 999, 0},
    {"firstQuartile", 200, 999, 0},
    {"midpoint", 200, 999, 0},
    {"thirdQuartile", 200, 999, 0},
    {"complete", 200, 999, 0},
    {"mute", 200, 999, 0},
    {"unmute", 200, 999, 0},
    {"pause", 200, 999, 0},
    {"rewind", 200, 999, 0},
    {"resume", 200, 999, 0},
    {"fullscreen", 200, 300, 0},
    {"expand", 200, 300, 0},
    {"collapse", 200, 300, 0},
    {"acceptInvitation", 200, 999, 0},
    {"close", 200, 999, 0},
    {"progress", 300, 999, 0},
    {"skip", 300, 999, 0},
    {"exitFullscreen", 300, 300, 0},
    {"closeLinear", 300, 300, 401},
    {"acceptInvitationLinear", 300, 400, 0},
    {"timeSpentViewing", 400, 400, 0},
    {"otherAdInteraction", 400, 999, 0},
    {"adExpand", 400, 999, 0},
    {"adCollapse", 400, 999, 0},
    {"playerExpand", 400, 999, 0},
    {"playerCollapse", 400, 999, 0},
    {"minimize", 400, 999, 0},
    {"overlayViewDuration", 400, 999, 0},
    {"notUsed", 401, 999, 0},
    {"loaded", 401, 999, 0},
    {"interactiveStart", 402, 999, 0},
    {"verificationNotExecuted", 401, 999, 0},
};

static const struct known_event *find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(known_events); i++)
        if (str_equal(name, str_from(known_events[i].name)))
            return &known_events[i];
    return NULL;
}

bool vast_event_is_known(struct str name)
{
    return find(name) != NULL;
}

bool vast_event_is_in(struct str name, int version)
{
    const struct known_event *event = find(name);

    return event &&
           ((version >= event->first && version <= event->last) || (event->back && version >= event->back));
}

/* When an event of a playing creative is due; false for what no schedule sends. */
static bool place(const struct vast_tracking *t, int64_t duration_ms, int64_t *at_ms, enum vast_stage *stage)
{
    static const struct {
        const char *name;
        int quarters;
        enum vast_stage stage;
    } places[] = {
        {"start", 0, VAST_STAGE_START},           {"creativeView", 0, VAST_STAGE_VIEW},
        {"firstQuartile", 1, VAST_STAGE_PLAYING}, {"midpoint", 2, VAST_STAGE_PLAYING},
        {"thirdQuartile", 3, VAST_STAGE_PLAYING}, {"complete", 4, VAST_STAGE_END},
    };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (!str_equal(t->event, str_from(places[i].name)))
            continue;
        *at_ms = duration_ms > 0 ? duration_ms * places[i].quarters / 4 : 0;
        *stage = places[i].stage;
        return duration_ms > 0 || *stage == VAST_STAGE_START;
    }
    *stage = VAST_STAGE_PLAYING;
    *at_ms = vast_offset_at(&t->offset, duration_ms);
    return str_equal(t->event, STR("progress")) && duration_ms > 0 && *at_ms >= 0 && *at_ms <= duration_ms;
}

static void add(struct arena *a, struct vast_schedule *s, struct vast_event event)
{
    struct vast_event *slot = DOM_APPEND(a, s->items, s->n, s->cap);

    if (!slot)
        return;
    *slot = event;
    slot->order = s->n;
}

static void add_tracking(struct arena *a, struct vast_schedule *s, const struct vast_tracking *t,
                         int64_t duration_ms)
{
    struct vast_event event = {
        .name = t->event, .url = vast_absolute(a, t->url, t->base), .line = t->line, .of = t};

    if (!place(t, duration_ms, &event.at_ms, &event.stage))
        return;
    if (str_equal(t->event, STR("progress"))) {
        char *name = arena_printf(a, "progress-%" PRId64, event.at_ms);

        event.name = str_from(name);
    }
    add(a, s, event);
}

static int in_order(const void *left, const void *right)
{
    const struct vast_event *a = left, *b = right;

    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    return a->stage != b->stage ? (int)a->stage - (int)b->stage : a->order - b->order;
}

bool vast_schedule(struct arena *a, const struct vast_ad *ad, const struct vast_creative *creative,
                   struct vast_schedule *out, struct err *err)
{
    struct vast_schedule s = {0};

    for (int i = 0; i < ad->impressions.n; i++)
        add(a, &s,
            (struct vast_event){
                .name = STR("impression"),
                .url = vast_absolute(a, ad->impressions.items[i].url, ad->impressions.items[i].base),
                .stage = VAST_STAGE_IMPRESSION,
                .is_billing = true,
                .line = ad->impressions.items[i].line});
    for (int i = 0; i < creative->tracking.n; i++)
        add_tracking(a, &s, &creative->tracking.items[i], creative->duration_ms);
    if (a->is_full)
        return err_set(err, ERR_TOO_BIG, "the ad's schedule needs more than %zu bytes", a->ceiling);
    if (s.n)
        qsort(s.items, (size_t)s.n, sizeof(*s.items), in_order);
    *out = s;
    return true;
}
