/*
 * click_ids.h - the parameters with which ad networks recognise one visitor's one click.
 *
 * A trace that repeated them would be counted as that visitor's second click. So the edge leaves them
 * out of what is traced, and nobody may call one of them missing afterwards.
 */
#ifndef TRACEPOOL_COMMON_CLICK_IDS_H
#define TRACEPOOL_COMMON_CLICK_IDS_H

#include "common/str.h"

/* Whether a parameter of this (decoded) name is a click id. ASCII case does not matter. */
bool click_id_is(struct str name);

#endif
