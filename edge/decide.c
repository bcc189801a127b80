/*
 * decide.c - offer, target, fallback: the rules for one query, in their order. See decide.h.
 */
#include "edge/decide.h"

static const struct {
    const char *name;
    int status;
    const char *skip_reason;
    const char *message;
} OUTCOMES[] = {
#define DECIDE_ROW(name, status, reason, message) {#name, status, reason, message},
    DECIDE_OUTCOMES(DECIDE_ROW)
#undef DECIDE_ROW
};

const char *decide_outcome_name(enum decide_outcome outcome)
{
    return OUTCOMES[outcome].name;
}

int decide_status(enum decide_outcome outcome)
{
    return OUTCOMES[outcome].status;
}

const char *decide_skip_reason(enum decide_outcome outcome)
{
    return OUTCOMES[outcome].skip_reason;
}

const char *decide_message(enum decide_outcome outcome)
{
    return OUTCOMES[outcome].message;
}

void decision_init(struct decision *d)
{
    *d = (struct decision){.outcome = DECIDE_NO_OFFER};
    buf_init(&d->location, TARGET_MAX_BYTES);
    buf_init(&d->traced, TARGET_MAX_BYTES);
}

/* Empties it for the next click; keeps its memory. */
static void empty(struct decision *d)
{
    struct buf location = d->location, traced = d->traced;

    buf_clear(&location);
    buf_clear(&traced);
    *d = (struct decision){.outcome = DECIDE_NO_OFFER, .location = location, .traced = traced};
}

void decision_finish(struct decision *d)
{
    buf_finish(&d->location);
    buf_finish(&d->traced);
}

static enum decide_outcome find_offer(const struct decide_env *env, struct decision *d)
{
    if (!d->offer_name.len)
        return DECIDE_NO_OFFER;
    if (!env->offers)
        return DECIDE_NOT_LOADED;
    d->offer = offers_find(env->offers, d->offer_name);
    if (!d->offer)
        return DECIDE_UNKNOWN;
    if (!d->offer->is_active)
        return DECIDE_INACTIVE;
    return d->offer->nurls ? DECIDE_REDIRECT : DECIDE_BROKEN;
}

/* The visible target that came with the click, if it may be followed: once as it is, once to be traced. */
static bool use_visible_target(const struct decide_env *env, struct arena *a, struct decision *d,
                               struct target *seen, struct target *traced)
{
    const struct offer *o = d->offer;
    struct str name = o->redirect_param.ptr ? o->redirect_param : env->redirect_param;
    struct str text = name.len ? inbound_take(&d->inbound, name) : (struct str){NULL, 0};
    struct err ignored;

    if (!text.ptr)
        return false;
    d->visible = DECIDE_VISIBLE_REFUSED;
    if (!target_from_visitor(a, text, o->hosts, o->nhosts, TARGET_CLICK_IDS_INBOUND, seen, &ignored) ||
        !target_from_visitor(a, text, o->hosts, o->nhosts, o->trace_click_ids, traced, &ignored))
        return false;
    d->visible = DECIDE_VISIBLE_FOLLOWED;
    return true;
}

static enum decide_outcome build(const struct decide_env *env, struct arena *a, struct decision *d)
{
    const struct offer *o = d->offer;
    struct target seen, traced;

    if (!use_visible_target(env, a, d, &seen, &traced))
        seen = traced = *offer_pick(o, env->chance);
    target_build(&seen, &d->inbound, o->pass_params, TARGET_CLICK_IDS_INBOUND, &d->location);
    target_build(&traced, &d->inbound, o->pass_params, o->trace_click_ids, &d->traced);
    return d->location.is_full || d->traced.is_full ? DECIDE_TOO_LONG : DECIDE_REDIRECT;
}

/* Where a click goes that its offer can't take; nowhere, if nobody has said where. */
static void fall_back(const struct decide_env *env, struct decision *d)
{
    struct str url = d->offer && d->offer->fallback.len ? d->offer->fallback : env->fallback;

    buf_append_str(&d->location, url);
    buf_append_str(&d->traced, url);
}

static struct str country_of(const struct decide_env *env, const struct offer *offer)
{
    if (!offer)
        return STR("");
    return offer->is_country_from_header && env->header_country.len ? env->header_country : offer->country;
}

void decide(const struct decide_env *env, struct arena *a, struct str query, struct decision *d)
{
    struct err ignored;

    empty(d);
    if (!inbound_read(a, query, &d->inbound, &ignored)) {
        d->outcome = DECIDE_UNREADABLE;
        return;
    }
    d->offer_name = inbound_take(&d->inbound, STR("offer"));
    if (env->is_debug)
        inbound_take(&d->inbound, STR("debug"));
    d->outcome = find_offer(env, d);
    d->country = country_of(env, d->offer);
    if (d->outcome == DECIDE_REDIRECT)
        d->outcome = build(env, a, d);
    if (decide_skip_reason(d->outcome))
        fall_back(env, d);
    if (d->outcome == DECIDE_TOO_LONG)
        buf_clear(&d->location);
}
