/*
 * beacon.h - one tracking request in hand, its lists, and what is told of it to PostgreSQL. Plain functions;
 * when things happen is tracking.c's.
 */
#ifndef TRACEPOOL_WORKER_BEACON_H
#define TRACEPOOL_WORKER_BEACON_H

#include "worker/tracking.h"

struct beacon {
    struct beacon *next;
    struct arena arena; /* all text below */
    int64_t id;
    int attempts; /* recorded ones: begun when it has just grown */
    struct str request_id, event, creative_id;
    bool is_billing;
    bool is_logged; /* the provider's filter lets it into the log */
    struct url url; /* expanded */
    bool has_url, is_refused;
    bool has_place;       /* of its host, in fire.c */
    bool is_unsure;       /* no answer from begin_tracking_events: it may have recorded an attempt */
    int64_t give_back_ms; /* loop clock: not begun by then, it is handed back */
    struct err refusal;
    struct fire_result result;
};

void beacons_push(struct beacons *list, struct beacon *b);
struct beacon *beacons_pop(struct beacons *list);
struct beacon *beacons_take(struct beacons *list, int64_t id); /* NULL when it is not there */
void beacons_free(struct beacons *list);

/* A row of claim_tracking_events: its URL is expanded (or read, when an earlier attempt has fixed it). */
struct beacon *beacon_read(const PGresult *res, int row, const struct vast_sender *sender);
void beacon_free(struct beacon *b);

/* Items of begin_tracking_events and of finish_tracking_events. Caller owns the array. */
json_t *beacons_begin_json(const struct beacons *list);
json_t *beacons_finish_json(const struct beacons *list);

/* Nothing was sent: it goes back, to be claimed again after pause_ms. */
void beacon_hold(struct beacon *b, int64_t pause_ms);

#endif
