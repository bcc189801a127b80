/*
 * events.h - the tracking events of an ad view: which there are, and when each is due.
 *
 * Names and versions from the enumerations of IAB's XSDs (2.0 to 4.2). A schedule is data: nothing here
 * sends anything.
 */
#ifndef TRACEPOOL_WORKER_VAST_EVENTS_H
#define TRACEPOOL_WORKER_VAST_EVENTS_H

#include "worker/vast/vast.h"

/* Whether any version has an event of that name. */
bool vast_event_is_known(struct str name);
/* Whether that version (402 for 4.2) has it. */
bool vast_event_is_in(struct str name, int version);

/* Order within one moment of a view: the impression goes before everything that depends on it. */
enum vast_stage {
    VAST_STAGE_IMPRESSION,
    VAST_STAGE_START,
    VAST_STAGE_VIEW,
    VAST_STAGE_PLAYING,
    VAST_STAGE_END
};

struct vast_event {
    struct str name; /* impression, start, creativeView, progress-5000, firstQuartile, ... */
    struct str url;  /* absolute where its document has a URL; macros not yet expanded */
    int64_t at_ms;   /* since the view began */
    enum vast_stage stage;
    bool is_billing; /* sent at most once */
    int line;
    const struct vast_tracking *of; /* NULL: an impression */
    int order;                      /* place in the document, for events of one moment */
};

struct vast_schedule {
    struct vast_event *items; /* in the order in which they are sent */
    int n, cap;
};

/*
 * What one whole view of the ad's linear creative sends: impressions, start, creativeView, quartiles by its
 * real duration, progress at its offsets, complete. With an unknown or zero duration: impression and start
 * (and creativeView) only. Clicks, skips and errors are never part of a schedule.
 */
NODISCARD bool vast_schedule(struct arena *a, const struct vast_ad *ad, const struct vast_creative *creative,
                             struct vast_schedule *out, struct err *err);

#endif
