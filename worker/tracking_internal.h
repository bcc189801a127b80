/*
 * tracking_internal.h - between tracking.c (when to look for work, and life) and tracking_send.c (from a
 * claimed request to what became of it).
 */
#ifndef TRACEPOOL_WORKER_TRACKING_INTERNAL_H
#define TRACEPOOL_WORKER_TRACKING_INTERNAL_H

#include "worker/beacon.h"

/* tracking.c */

/* Asks kill switch, hosts and outbox, when that is wanted and nothing else is being asked. */
void tracking_look(struct tracking *t);
bool tracking_is_firing(const struct tracking *t);
void tracking_check_idle(struct tracking *t);
/* Once a minute: a query got no answer. */
void tracking_complain(const char *event, const char *sqlstate, const struct err *err);

/* tracking_send.c */

/* What is queued and has room at its host is recorded, then sent. */
void tracking_begin(struct tracking *t);
/* Tells PostgreSQL what has ended. */
void tracking_tell(struct tracking *t);
/* Everything that is queued goes back untouched. */
void tracking_hand_back(struct tracking *t);
/* fire.c's done. */
void tracking_on_fired(void *arg, void *owner, const struct fire_result *result);

#endif
