/*
 * offers.h - the offers in memory: found by name, ready to redirect.
 *
 * Made from the JSON text that the database gives and the snapshot file keeps (one array of objects, as
 * active_offers() names their members), so that both ways in are one. An offer that can't be used stays
 * known, with the reason: a click for it is answered as such, and never with a broken Location.
 */
#ifndef TRACEPOOL_EDGE_OFFERS_H
#define TRACEPOOL_EDGE_OFFERS_H

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "edge/target.h"

#include <stdint.h>

struct offer_url {
    struct target target;
    uint32_t weight;
};

struct offer {
    struct str name;
    struct str id;
    struct offer_url *urls;
    size_t nurls; /* 0: broken, see problem */
    uint64_t total_weight;
    struct str *hosts; /* allowed_hosts */
    size_t nhosts;
    struct str country;        /* lower case */
    struct str fallback;       /* serialised URL, or empty */
    struct str redirect_param; /* ptr NULL: the edge's default; empty: none */
    enum target_click_ids trace_click_ids;
    bool is_country_from_header;
    bool pass_params;
    bool is_active;
    const char *problem; /* NULL, or why one of its URLs was refused */
};

struct offers;

/*
 * Reads the text. Everything the offers point to belongs to them. ERR_BAD_INPUT when it is no array of
 * objects; an offer whose URLs are refused does not fail the load, it has a problem.
 */
NODISCARD bool offers_parse(struct str json, struct offers **out, struct err *err);
/* Accepts NULL. */
void offers_destroy(struct offers *offers);

/* NULL when there is none of that name (bytes must be equal). */
const struct offer *offers_find(const struct offers *offers, struct str name);
size_t offers_count(const struct offers *offers);
/* In the order of the text; for saying which have a problem. */
const struct offer *offers_at(const struct offers *offers, size_t i);

/* One of the offer's URLs by weight; chance is a random number. NULL when it has none. */
const struct target *offer_pick(const struct offer *offer, uint32_t chance);

#endif
