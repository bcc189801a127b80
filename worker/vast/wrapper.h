/*
 * wrapper.h - follow wrappers to the ads that they stand for.
 *
 * Without a network: a resolver says which URL it wants next and is told what came of it. Whoever drives it
 * decides how to fetch, so tests need no server and a loop need not block:
 *
 *     vast_resolver_begin(&r, arena, &options);
 *     if (!vast_resolver_source(&r, bytes, document_url, &err)) ...   or vast_resolver_url(&r, url, &err)
 *     while (vast_resolver_next(&r, &url))
 *         if (!vast_resolver_answer(&r, fetch(url), &err)) ...
 *
 * Rules are VAST 4.2's (sections 2.3.6, 3.2 and 3.19), with the defaults of VAST 2 for wrappers of VAST 2:
 *   - relative URLs are resolved against the URL of the document that they stand in;
 *   - at most max_wrappers wrappers lead to an ad; more of them, or a URL that leads back to itself, are 302;
 *   - followAdditionalWrappers="false": wrappers in the answer are ignored;
 *   - allowMultipleAds: without it only the first stand-alone ad of the answer counts, and so on downwards;
 *     a wrapper of VAST 2 allows all;
 *   - ads with a sequence are a pod, in that order; the stand-alone ads beside it only stand in for a wrapper
 *     with fallbackOnNoAd="true" that gave nothing. Without a pod the stand-alone ads are a buffet;
 *   - an ad of a category that a wrapper above it blocks is 205 (4.2, 3.19.2): same code, and same authority
 *     where both name one;
 *   - a document that had to be repaired is used. Its hop has code 100 all the same, and nobody is told.
 *
 * Each failure is counted once, where it happened, with the Error URLs of the ad and of every wrapper above.
 */
#ifndef TRACEPOOL_WORKER_VAST_WRAPPER_H
#define TRACEPOOL_WORKER_VAST_WRAPPER_H

#include "common/url.h"
#include "worker/vast/macros.h"
#include "worker/vast/vast.h"

enum { VAST_WRAPPERS_DEFAULT = 5, VAST_FETCHES_DEFAULT = 50 };

/* The codes that a resolver gives, beside those of a document (vast_result_code). */
enum vast_code {
    VAST_CODE_BLOCKED = 205,       /* the ad's category is one that a wrapper above it blocks */
    VAST_CODE_WRAPPER = 300,       /* a wrapper without a URL that can be requested */
    VAST_CODE_UNAVAILABLE = 301,   /* no answer in time, or none that says 2xx */
    VAST_CODE_WRAPPER_LIMIT = 302, /* too many wrappers, or a loop */
    VAST_CODE_NO_ADS = 303,        /* an answer without an ad that may be shown */
};

struct vast_resolver_options {
    int max_wrappers; /* in one chain */
    int max_fetches;  /* in all: pods of wrappers multiply */
    /*
     * Leave the rest of a buffet alone when one of its ads was found: each fetch may count as an ad request.
     */
    bool is_first_only;
    bool keep_source; /* the first document's bytes stay in the arena, as result.source_bytes */
    enum vast_macro_mode mode;
    const struct vast_macros
        *macros; /* for the URLs that are requested, expanded anew each time; may be NULL */
};

struct vast_answer {
    int status;           /* 0: there is none */
    struct str body;      /* decompressed; may go after the call */
    struct str final_url; /* after redirects; empty: as it was asked for */
    int64_t ms;
    struct err err; /* ERR_OK, or why there is no whole answer */
};

/* One request, as a report. */
struct vast_hop {
    struct str url; /* macros expanded */
    struct str final_url;
    int depth; /* wrappers above: 0 for the source */
    int status;
    int64_t ms;
    int nads;     /* in the document */
    int code;     /* 0: nothing wrong with this answer */
    bool is_used; /* its ads were looked at, although it may have needed a repair */
    struct str problem;
    struct err err; /* ERR_OK, or why there was no whole answer */
};

struct vast_failure {
    int code;
    int hop;       /* the request that failed, or whose answer did; -1: the source, which was not requested */
    struct str ad; /* id of the ad that was lost; ptr NULL when it has none */
    struct str problem;
    struct vast_urls errors; /* whom to tell, outermost first; macros not expanded */
};

struct vast_found {
    struct vast_ad *ad;  /* merged with the wrappers above it */
    int hop;             /* whose answer it is in; -1: the source */
    bool is_alternative; /* of a buffet that has offered another one before */
};

/* Views and arrays live in the arena. */
struct vast_resolution {
    const struct vast_doc *source; /* NULL until there is one */
    struct str source_bytes;
    struct vast_found *ads;
    int nads, ads_cap;
    struct vast_hop *hops;
    int nhops, hops_cap;
    struct vast_failure *failures;
    int nfailures, failures_cap;
};

struct vast_frame;

struct vast_resolver {
    struct arena *arena;
    struct vast_resolver_options options;
    struct vast_resolution result; /* complete when vast_resolver_next says false */
    struct vast_frame *top;        /* the document being read */
    const struct vast_ad *wrapper; /* that waits for an answer; NULL for the source */
    struct str wanted;             /* what it waits for; ptr NULL: for nothing */
    struct str wanted_name;        /* the same before its macros were expanded: what a loop repeats */
};

void vast_resolver_begin(struct vast_resolver *r, struct arena *a,
                         const struct vast_resolver_options *options);
/*
 * What to start with: the bytes of a document, with the URL that it came from (empty: none, and relative URLs
 * cannot be resolved); or a URL to request, whose macros are expanded. ERR_BAD_URL, ERR_TOO_BIG.
 */
NODISCARD bool vast_resolver_source(struct vast_resolver *r, struct str bytes, struct str document_url,
                                    struct err *err);
NODISCARD bool vast_resolver_url(struct vast_resolver *r, struct str url, struct err *err);

/* The next URL to request, http or https. False when there is none: the result is complete, unless the arena
   is full. */
bool vast_resolver_next(struct vast_resolver *r, struct str *url);
/* What came of it. False only when the arena is full (ERR_TOO_BIG): the result is not to be used. */
NODISCARD bool vast_resolver_answer(struct vast_resolver *r, const struct vast_answer *answer,
                                    struct err *err);

/* An Error URL with that code, macros expanded. False when out is full. */
NODISCARD bool vast_resolver_error_url(const struct vast_resolver *r, struct str url_template, int code,
                                       struct buf *out);

/*
 * The resolution as members of object: `ads` (merged), `impressions` (their URLs, one list an ad), `codes`
 * (each once), `hops` and `errors`.
 */
void vast_resolution_put(const struct vast_resolver *r, json_t *object);

/*
 * merge.c: a copy of the ad with what the wrappers around it (outermost first) add, in the order of the
 * chain: impressions, errors, viewability, verifications, blocked categories, extensions, trackers and clicks
 * of linears and non-linears, and interactive files. Icons and companions of the closest win. NULL when the
 * arena is full.
 */
NODISCARD struct vast_ad *vast_merge(struct arena *a, const struct vast_ad *const *wrappers, int nwrappers,
                                     const struct vast_ad *ad);

#endif
