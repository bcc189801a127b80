/*
 * vast.h - read a VAST document (2.0 to 4.3) into plain data.
 *
 * A library: no SQL, no settings, no network. Sources: IAB VAST 2.0 to 4.3; field names follow the
 * specification's elements. Text is trimmed; an optional text that is empty is absent (ptr NULL); an
 * empty URL is no URL and is dropped. Everything lives in the arena given to vast_parse.
 *
 * Reading is strict. What is not well-formed is repaired once at the level of bytes (repair.h) and read
 * strictly again, because libxml2's own recovery drops pieces of URLs without saying so; such a document
 * still counts as error 100 and is marked. Any DOCTYPE is refused; entities and the network stay off.
 */
#ifndef TRACEPOOL_WORKER_VAST_VAST_H
#define TRACEPOOL_WORKER_VAST_VAST_H

#include "common/arena.h"
#include "common/err.h"

#include <jansson.h>
#include <stdint.h>

/* clang-format off */
/*    result               name                   VAST error code */
#define VAST_RESULT_MAP(X)                                                           \
    X(OK,                  "ok",                  0)                                 \
    X(NO_AD,               "no-ad",               0)   /* well-formed, no Ad */      \
    X(MALFORMED,           "malformed",           100) /* not well-formed XML */     \
    X(DOCTYPE,             "doctype-refused",     100)                               \
    X(NOT_VAST,            "not-vast",            101) /* another root element */    \
    X(UNSUPPORTED_VERSION, "unsupported-version", 102) /* VAST 1 */
/* clang-format on */

enum vast_result {
#define VAST_RESULT_ENUM(code, name, number) VAST_##code,
    VAST_RESULT_MAP(VAST_RESULT_ENUM)
#undef VAST_RESULT_ENUM
        VAST_RESULT_COUNT
};

enum vast_ad_kind { VAST_AD_EMPTY, VAST_AD_INLINE, VAST_AD_WRAPPER };
enum vast_creative_kind { VAST_LINEAR, VAST_NONLINEAR, VAST_COMPANION };
enum vast_offset_kind { VAST_OFFSET_NONE, VAST_OFFSET_MS, VAST_OFFSET_PERCENT, VAST_OFFSET_BAD };
enum vast_flag { VAST_UNSAID, VAST_NO, VAST_YES };

struct url;

struct vast_url {
    struct str url;
    struct str id; /* Impression, ClickTracking and CustomClick have one; a category's authority */
    int line;
    const struct url *base; /* of its document, for one that is relative (relative.h); NULL: not known */
};

struct vast_urls {
    struct vast_url *items;
    int n, cap;
};

/* "HH:MM:SS[.mmm]" or "n%". */
struct vast_offset {
    enum vast_offset_kind kind;
    int64_t ms;
    double percent;
};

struct vast_tracking {
    struct str event;
    struct str url;
    struct vast_offset offset; /* of a progress event; NONE for the others */
    int line;
    const struct url *base; /* as in struct vast_url */
};

struct vast_trackings {
    struct vast_tracking *items;
    int n, cap;
};

struct vast_media {
    struct str url, type, delivery, width, height, bitrate, api;
    int line;
};

struct vast_icon {
    struct str program, click_through;
    struct vast_urls view_tracking, click_tracking;
};

struct vast_universal_id {
    struct str registry, value, value_attr;
};

/* One NonLinear or Companion. */
struct vast_variation {
    struct str id, width, height, click_through;
    struct vast_urls statics, iframes, htmls, click_tracking;
    struct vast_trackings tracking; /* companions have their own */
    int line;
};

struct vast_creative {
    enum vast_creative_kind kind;
    struct str id, sequence, ad_id;
    struct vast_universal_id *universal_ids;
    int nuniversal_ids, universal_ids_cap;
    struct vast_trackings tracking;
    int line;
    /* linear */
    struct str duration_raw;
    int64_t duration_ms; /* -1: missing or no duration */
    struct str skip_raw;
    struct vast_offset skip;
    struct vast_media *media;
    int nmedia, media_cap;
    struct vast_urls mezzanines, interactive, captions;
    struct str click_through;
    struct vast_urls click_tracking, custom_click;
    struct vast_icon *icons;
    int nicons, icons_cap;
    /* non-linear, companion */
    struct vast_variation *variations;
    int nvariations, variations_cap;
    struct str required; /* CompanionAds */
};

struct vast_verification {
    struct str vendor;
    struct vast_urls js, exec;
    struct vast_trackings tracking;
};

struct vast_ad {
    enum vast_ad_kind kind;
    bool odd_case; /* the element was not written InLine or Wrapper */
    struct str id, sequence, ad_type, conditional;
    struct str ad_system, title, ad_serving_id, survey;
    struct vast_urls errors, impressions;
    struct vast_urls viewable, not_viewable, view_undetermined;
    struct vast_urls categories, blocked_categories; /* texts, in `url`; authority, in `id` */
    struct vast_urls extensions;                     /* their types, in `url`; ptr NULL without one */
    struct vast_verification *verifications;
    int nverifications, verifications_cap;
    struct vast_creative *creatives;
    int ncreatives, creatives_cap;
    /* wrapper */
    struct str tag_uri;
    enum vast_flag follow_additional_wrappers, allow_multiple_ads, fallback_on_no_ad;
    int line;
};

struct vast_doc {
    enum vast_result result;
    struct str version;
    struct vast_urls root_errors;
    struct vast_ad *ads;
    int nads, ads_cap;
    char problem[160];         /* MALFORMED: what the XML parser said, with the line */
    struct vast_doc *repaired; /* MALFORMED: the document as repaired, or NULL when it cannot be */
};

/*
 * Reads a document. Every input gives a result; false (ERR_TOO_BIG) only when it passes the arena's
 * ceiling. The bytes may go afterwards.
 */
NODISCARD bool vast_parse(struct arena *a, struct str bytes, struct vast_doc **out, struct err *err);

const char *vast_result_name(enum vast_result result);
/* The VAST error code of a result; 0 when it is none. */
int vast_result_code(enum vast_result result);

/* "HH:MM:SS[.mmm]", or a bare number of seconds, in milliseconds; -1 when it is neither. */
int64_t vast_duration_ms(struct str text);
/* A duration or a percentage; NONE when empty, BAD when it is neither. */
struct vast_offset vast_read_offset(struct str text);
/* Where in a creative of that duration the offset lies, in milliseconds; -1 when that is not known. */
int64_t vast_offset_at(const struct vast_offset *offset, int64_t duration_ms);

/* The structure as one JSON object; caller owns it. */
json_t *vast_doc_json(const struct vast_doc *doc);
/* One ad of it. */
json_t *vast_ad_json(const struct vast_ad *ad);

#endif
