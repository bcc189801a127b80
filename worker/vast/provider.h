/*
 * provider.h - an ad server with ways of its own, as data: how its tags are requested, which macros they
 * know, which of its events are worth a line in the log, and what else its documents hold.
 *
 * As JSON: a file for the verb, a row of vast_providers, or what vast_rules.h makes of a section of the
 * ini; the names are the same everywhere, and so is the judge, vast_provider_read:
 *
 *     {"provider": "acme", "base_url": "https://ads.acme.test/vast?v=4", "is_active": true,
 *      "params": {"zone": "12", "size": ["640", "480"], "cb": "[CACHEBUSTING]"},
 *      "encoding": {"space": "percent|plus", "unicode": "encode|keep", "raw": ["NAME of a parameter"]},
 *      "headers": {"X-Zone": "12"}, "hosts": [".acme.test"], "requests_per_minute": 60,
 *      "timeout_ms": 5000, "retries": 0, "max_wrappers": 5, "cache_ttl_s": 60,
 *      "macro_mode": "leave|iab", "macro_formats": ["[]", "${}"], "macros": {"DOMAIN": "a.test"},
 *      "events": {"include": ["*"], "exclude": ["progress-*"]},
 *      "extras": {"price": "//Extension[@type='acme']/Price"}}
 */
#ifndef TRACEPOOL_WORKER_VAST_PROVIDER_H
#define TRACEPOOL_WORKER_VAST_PROVIDER_H

#include "worker/vast/wrapper.h"

#include <jansson.h>

enum { VAST_WRAPPERS_MAX = 20, VAST_EXTRAS_MAX = 32, VAST_TIMEOUT_DEFAULT_MS = 5000 };

struct vast_param {
    struct str name, value; /* as they are meant: nothing is encoded */
    bool is_raw;            /* goes into the URL as it stands */
};

struct vast_extra {
    struct str name, xpath;
};

struct vast_names {
    struct str *items;
    int n;
};

/* Views and arrays live in the arena that it was read into. */
struct vast_provider {
    struct str name, base_url;
    struct vast_param *params;
    int nparams;
    bool is_space_plus, is_unicode_kept;
    struct str *headers; /* "Name: value" */
    int nheaders;
    struct vast_names hosts; /* that get the headers; empty: the first one that is asked */
    bool is_active;
    int requests_per_minute; /* 0: it has no cap of its own */
    int64_t timeout_ms;
    int retries, max_wrappers;
    int64_t cache_ttl_ms; /* 0: answers are not kept */
    enum vast_macro_mode macro_mode;
    enum vast_macro_formats macro_formats;
    struct vast_macro *macros;
    int nmacros;
    struct vast_names include, exclude; /* globs of event names; include empty: all */
    struct vast_extra *extras;
    int nextras;
};

/* What holds for an ad server that nobody described, where settings say nothing else. */
struct vast_provider vast_provider_default(void);

/*
 * What is not said is as in `defaults`. ERR_BAD_INPUT names provider, member, value (never a header's) and
 * what would be allowed; a member that is not known is an error, too.
 */
NODISCARD bool vast_provider_read(struct arena *a, struct str json, const struct vast_provider *defaults,
                                  struct vast_provider *out, struct err *err);
/* The same, already parsed. */
NODISCARD bool vast_provider_from(struct arena *a, const json_t *object, const struct vast_provider *defaults,
                                  struct vast_provider *out, struct err *err);

/*
 * Its tag's URL: tag (empty: base_url) with its parameters and more, before any fragment. Macros in values
 * stay macros; everything else is encoded as the provider says. A further parameter replaces its own of the
 * same name, and so does one that the tag has already. False when out is full.
 */
NODISCARD bool vast_provider_url(const struct vast_provider *p, struct str tag, const struct vast_param *more,
                                 int nmore, struct buf *out);

/* Whether an event of that name (progress-5000) is to be logged. */
bool vast_provider_logs(const struct vast_provider *p, struct str event);

#endif
