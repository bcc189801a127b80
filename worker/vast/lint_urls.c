/*
 * lint_urls.c - the rules for URLs, their macros, and trackers with their events.
 */
#include "worker/vast/lint_add.h"

#include "worker/vast/events.h"
#include "worker/vast/macros.h"

enum { URL_LONG = 2048, NAME_MAX_BYTES = 32 };

bool lint_has_macro(struct str url, struct str name)
{
    size_t at = 0;

    for (struct str found; vast_macro_next(url, &at, &found);)
        if (str_equal(found, name))
            return true;
    return false;
}

/* Whether the name in capitals is a macro of the specification. */
static bool is_known_in_capitals(struct str name)
{
    char upper[NAME_MAX_BYTES];

    if (name.len > sizeof(upper))
        return false;
    for (size_t i = 0; i < name.len; i++)
        upper[i] = name.ptr[i] >= 'a' && name.ptr[i] <= 'z' ? (char)(name.ptr[i] - 'a' + 'A') : name.ptr[i];
    return vast_macro_is_known((struct str){upper, name.len});
}

static void lint_macros(struct lint *l, struct str url, int line)
{
    size_t at = 0;

    for (struct str name; vast_macro_next(url, &at, &name);) {
        if (vast_macro_is_known(name))
            continue;
        lint_add(l, is_known_in_capitals(name) ? VAST_LINT_MACRO_CASE : VAST_LINT_MACRO_UNKNOWN, line, name);
    }
}

static bool has_blank(struct str url)
{
    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.ptr[i] <= ' ')
            return true;
    return false;
}

void lint_url(struct lint *l, struct str url, int line)
{
    bool is_plain = str_starts_nocase(url, STR("http://"));

    if (!is_plain && !str_starts_nocase(url, STR("https://")) && !str_starts(url, STR("//")) &&
        !str_starts(url, STR("[")) && !str_starts(url, STR("${")))
        lint_add(l, VAST_LINT_URL_SCHEME, line, url);
    if (is_plain)
        lint_add(l, VAST_LINT_URL_INSECURE, line, url);
    if (has_blank(url))
        lint_add(l, VAST_LINT_URL_BLANK, line, url);
    if (url.len > URL_LONG)
        lint_add(l, VAST_LINT_URL_LONG, line, str_slice(url, 0, 80));
    lint_macros(l, url, line);
}

void lint_urls(struct lint *l, const struct vast_urls *urls)
{
    for (int i = 0; i < urls->n; i++)
        lint_url(l, urls->items[i].url, urls->items[i].line);
}

static void lint_progress(struct lint *l, const struct vast_tracking *t, int64_t duration_ms)
{
    if (t->offset.kind == VAST_OFFSET_NONE)
        lint_add(l, VAST_LINT_PROGRESS_OFFSET_MISSING, t->line, t->url);
    else if (t->offset.kind == VAST_OFFSET_BAD)
        lint_add(l, VAST_LINT_PROGRESS_OFFSET_INVALID, t->line, t->url);
    else if (duration_ms >= 0 && vast_offset_at(&t->offset, duration_ms) > duration_ms)
        lint_add(l, VAST_LINT_PROGRESS_AFTER_END, t->line, t->url);
}

static void lint_event(struct lint *l, const struct vast_tracking *t)
{
    if (!vast_event_is_known(t->event))
        lint_add(l, VAST_LINT_EVENT_UNKNOWN, t->line, t->event);
    else if (l->version && !vast_event_is_in(t->event, l->version))
        lint_add(l, VAST_LINT_EVENT_VERSION, t->line, t->event);
}

static bool has_twin_before(const struct vast_trackings *trackings, int index)
{
    const struct vast_tracking *t = &trackings->items[index];

    for (int i = 0; i < index; i++) {
        const struct vast_tracking *other = &trackings->items[i];

        if (str_equal(other->event, t->event) && str_equal(other->url, t->url) &&
            other->offset.ms == t->offset.ms && other->offset.percent == t->offset.percent)
            return true;
    }
    return false;
}

static void lint_quartiles(struct lint *l, const struct vast_trackings *trackings)
{
    static const char *const names[] = {"start", "firstQuartile", "midpoint", "thirdQuartile", "complete"};
    int found = 0;

    for (size_t n = 0; n < ARRAY_LEN(names); n++)
        for (int i = 0; i < trackings->n; i++)
            if (str_equal(trackings->items[i].event, str_from(names[n]))) {
                found++;
                break;
            }
    if (found > 0 && found < (int)ARRAY_LEN(names))
        lint_add(l, VAST_LINT_QUARTILES_INCOMPLETE, trackings->items[0].line, (struct str){NULL, 0});
}

void lint_trackings(struct lint *l, const struct vast_trackings *trackings, int64_t duration_ms,
                    bool wants_quartiles)
{
    for (int i = 0; i < trackings->n; i++) {
        const struct vast_tracking *t = &trackings->items[i];

        lint_url(l, t->url, t->line);
        lint_event(l, t);
        if (str_equal(t->event, STR("progress")))
            lint_progress(l, t, duration_ms);
        if (has_twin_before(trackings, i))
            lint_add(l, VAST_LINT_TRACKER_TWICE, t->line, t->url);
    }
    if (wants_quartiles)
        lint_quartiles(l, trackings);
}
