/*
 * provider_member.h - one member of a provider's JSON: its value is taken, or refused with what would be
 * allowed. Between provider_json.c (the table of members), provider_request.c (those that shape a tag's
 * request) and provider_member.c (values of one kind each).
 */
#ifndef TRACEPOOL_WORKER_VAST_PROVIDER_MEMBER_H
#define TRACEPOOL_WORKER_VAST_PROVIDER_MEMBER_H

#include "worker/vast/provider.h"

struct reading {
    struct arena *arena;
    const char *name; /* of the provider, for errors; NULL: none was given */
    struct vast_provider *p;
    struct err *err;
};

/* --- provider_member.c: each returns false with r->err set; a full arena is told by the arena alone --- */

/* Returns false. The error shows value, unless it is NULL: not to be shown. */
bool member_refuse(struct reading *r, const char *name, const json_t *value, const char *allowed);
/* A string's copy. */
struct str member_copy(struct reading *r, const json_t *value);
NODISCARD bool member_text(struct reading *r, const char *name, const json_t *value, struct str *out);
NODISCARD bool member_number(struct reading *r, const char *name, const json_t *value, int64_t min,
                             int64_t max, int64_t *out);
/* One of two words; *out: it is the second. */
NODISCARD bool member_choice(struct reading *r, const char *name, const json_t *value, const char *first,
                             const char *second, bool *out);
NODISCARD bool member_names(struct reading *r, const char *name, const json_t *value, struct vast_names *out);

/* --- provider_request.c: into r->p --- */

NODISCARD bool member_base_url(struct reading *r, const char *name, const json_t *value);
NODISCARD bool member_params(struct reading *r, const char *name, const json_t *members);
/* Marks parameters, so it comes behind them. */
NODISCARD bool member_encoding(struct reading *r, const char *name, const json_t *members);
NODISCARD bool member_headers(struct reading *r, const char *name, const json_t *members);

#endif
