/*
 * around.c - see around.h.
 */
#include "worker/around.h"

#include <stdio.h>
#include <string.h>

enum { SHARE_TRACES = 20 /* late traces: about so many */ };

static const double least_share = 0.05; /* fewer pages than that hold nobody up */
static const struct str no_offer = {"00000000-0000-0000-0000-000000000000", 36};

static struct around_offer *find(struct around *a, struct str id)
{
    for (int i = 0; i < a->n; i++) {
        if (str_equal(str_from(a->offers[i].id), id))
            return &a->offers[i];
    }
    return NULL;
}

static struct around_offer *place_for_new(struct around *a)
{
    struct around_offer *least = &a->offers[0];

    if (a->n < AROUND_MAX)
        return &a->offers[a->n++];
    for (int i = 1; i < a->n; i++) {
        if (a->offers[i].share < least->share)
            least = &a->offers[i];
    }
    return least;
}

void around_note(struct around *a, struct str offer_id, bool needed_browser)
{
    struct str id = offer_id.len ? offer_id : no_offer;
    struct around_offer *offer = find(a, id);

    if (offer) {
        offer->share += ((needed_browser ? 1 : 0) - offer->share) / SHARE_TRACES;
        if (offer->share < least_share)
            *offer = a->offers[--a->n];
    } else if (needed_browser && id.len < AROUND_ID_MAX) {
        offer = place_for_new(a);
        snprintf(offer->id, sizeof(offer->id), "%.*s", STR_ARG(id));
        offer->share = 1;
    }
}

const char *around_offers(struct around *a)
{
    int used = 0;

    for (int i = 0; i < a->n; i++)
        used +=
            snprintf(a->text + used, sizeof(a->text) - (size_t)used, "%c%s", i ? ',' : '{', a->offers[i].id);
    if (used == 0)
        return NULL;
    snprintf(a->text + used, sizeof(a->text) - (size_t)used, "}");
    return a->text;
}
