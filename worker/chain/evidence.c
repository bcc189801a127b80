/*
 * evidence.c - see evidence.h.
 */
#include "worker/chain/evidence.h"

#include <assert.h>

enum {
    COOKIES_MAX = 300,
    MESSAGES_MAX = 100,
    TEXT_MAX = 1000,
    SOURCE_MAX = 500,
    RESERVE = 128 * 1024, /* of the trace's memory, for its own end */
};

static const struct {
    const char *name;
    bool needs_browser;
} kinds[] = {
#define EVIDENCE_ROW(code, name, browser) {name, browser},
    EVIDENCE_MAP(EVIDENCE_ROW)
#undef EVIDENCE_ROW
};

const char *evidence_name(enum evidence kind)
{
    assert(kind < EVIDENCE_COUNT);
    return kinds[kind].name;
}

bool evidence_needs_browser(unsigned set)
{
    for (int kind = 0; kind < EVIDENCE_COUNT; kind++)
        if (evidence_has(set, (enum evidence)kind) && kinds[kind].needs_browser)
            return true;
    return false;
}

bool kept_has_room(const struct arena *a, size_t bytes)
{
    return !a->is_full && a->ceiling - a->used > RESERVE && bytes < a->ceiling - a->used - RESERVE;
}

static struct str copy(struct arena *a, struct str s, size_t max)
{
    return arena_copy(a, str_slice(s, 0, max));
}

void kept_add_cookie(struct arena *a, struct kept *k, const struct kept_cookie *cookie)
{
    size_t bytes = cookie->name.len + cookie->value.len + cookie->domain.len + cookie->path.len;

    if (!k->cookies && kept_has_room(a, COOKIES_MAX * sizeof(*cookie)))
        k->cookies = arena_alloc(a, COOKIES_MAX * sizeof(*cookie));
    if (!k->cookies || k->ncookies == COOKIES_MAX || !kept_has_room(a, bytes)) {
        k->cookies_left_out++;
        return;
    }
    k->cookies[k->ncookies] = *cookie;
    k->cookies[k->ncookies].name = copy(a, cookie->name, SIZE_MAX);
    k->cookies[k->ncookies].value = copy(a, cookie->value, SIZE_MAX);
    k->cookies[k->ncookies].domain = copy(a, cookie->domain, SIZE_MAX);
    k->cookies[k->ncookies].path = copy(a, cookie->path, SIZE_MAX);
    k->cookies[k->ncookies++].same_site = copy(a, cookie->same_site, TEXT_MAX);
}

void kept_add_message(struct arena *a, struct kept *k, const struct kept_message *message)
{
    if (!k->messages && kept_has_room(a, MESSAGES_MAX * sizeof(*message)))
        k->messages = arena_alloc(a, MESSAGES_MAX * sizeof(*message));
    if (!k->messages || k->nmessages == MESSAGES_MAX || !kept_has_room(a, TEXT_MAX + SOURCE_MAX)) {
        k->messages_left_out++;
        return;
    }
    k->messages[k->nmessages] = *message;
    k->messages[k->nmessages].kind = copy(a, message->kind, TEXT_MAX);
    k->messages[k->nmessages].text = copy(a, message->text, TEXT_MAX);
    k->messages[k->nmessages++].source = copy(a, message->source, SOURCE_MAX);
}
