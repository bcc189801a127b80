/*
 * view.h - one view of an ad as data: every tracking URL that it has, when each is due, and the URL that an
 * event comes to when it is sent.
 *
 * The JSON is what the SQL function plan_ad_view() reads. Nothing here sends anything.
 */
#ifndef TRACEPOOL_WORKER_VAST_VIEW_H
#define TRACEPOOL_WORKER_VAST_VIEW_H

#include "common/url.h"
#include "worker/vast/provider.h"

#include <jansson.h>

/* How macros become values, for all URLs of a process. */
struct vast_sender {
    struct str user_agent; /* what SERVERUA says */
    enum vast_macro_mode mode;
    enum vast_macro_formats formats;
    int64_t (*wall_ms)(void *arg);
    uint32_t (*random)(void *arg);
    void *arg;
};

/* Which creative a view of the ad plays: the first linear one, else the first; -1 when it has none. */
int vast_view_creative(const struct vast_ad *ad);

/*
 * The view of the ad's creative (vast_view_creative; it must have one), with the macros of its provider and
 * what that wants to see in the log. Scheduled events have `at_ms`; clicks, errors, viewability and what a
 * viewer does (pause, skip, ...) have none and are sent on request only. Steps (`ord`): 0 for impressions and
 * errors, which depend on nothing, then one for each moment of the schedule. ERR_TOO_BIG when the arena is
 * full. Caller owns the object.
 */
NODISCARD bool vast_view_json(struct arena *a, const struct vast_ad *ad, int ad_index,
                              const struct vast_sender *sender, const struct vast_provider *provider,
                              json_t **out, struct err *err);

/*
 * An ad that was lost, as a view of nothing but `error` events, due at once: the Error URLs of the ad and of
 * the wrappers above it, with its code as ERRORCODE and in `error_code`. Fails as vast_view_json.
 */
NODISCARD bool vast_lost_json(struct arena *a, const struct vast_failure *failure, int ad_index,
                              const struct vast_sender *sender, const struct vast_provider *provider,
                              json_t **out, struct err *err);

/*
 * The URL of an event: macros filled with `macros` (object of texts or lists of texts), with what the sender
 * says of itself (SERVERSIDE is 2: by its own decision) and with what is made anew for each use; then
 * `params` appended to its query. Both objects may be NULL. ERR_BAD_URL or ERR_TOO_BIG.
 */
NODISCARD bool vast_event_url(struct arena *a, struct str url_template, const json_t *macros,
                              const json_t *params, const struct vast_sender *sender, struct url *out,
                              struct err *err);

#endif
