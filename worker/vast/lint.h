/*
 * lint.h - what is wrong, doubtful or worth knowing in a VAST document, with the line it stands on.
 *
 * The rules are one table; a rule's name is stable, so that it can be searched for and filtered.
 */
#ifndef TRACEPOOL_WORKER_VAST_LINT_H
#define TRACEPOOL_WORKER_VAST_LINT_H

#include "worker/vast/vast.h"

/* clang-format off */
/*    rule                     severity name                        what it says */
#define VAST_LINT_MAP(X)                                                                                                   \
    X(XML_MALFORMED,           ERROR,   "xml-malformed",            "not well-formed XML: players answer error 100")       \
    X(XML_REPAIRED,            WARNING, "xml-repaired",             "read all the same after a repair of its bytes")       \
    X(DOCTYPE,                 ERROR,   "doctype",                  "has a DOCTYPE; VAST has none, and it is refused")     \
    X(ROOT_NOT_VAST,           ERROR,   "root-not-vast",            "the root element is not VAST")                        \
    X(VERSION_UNSUPPORTED,     ERROR,   "version-unsupported",      "VAST 1 (VideoAdServingTemplate) is not read any more") \
    X(VERSION_MISSING,         WARNING, "version-missing",          "VAST without a version attribute")                    \
    X(VERSION_UNKNOWN,         WARNING, "version-unknown",          "no version of VAST that was published")               \
    X(NO_AD,                   NOTE,    "no-ad",                    "no Ad: nothing to show")                              \
    X(NO_AD_SILENT,            NOTE,    "no-ad-silent",             "no Ad and no Error URL: nobody learns of it")         \
    X(AD_EMPTY,                ERROR,   "ad-empty",                 "Ad with neither InLine nor Wrapper")                  \
    X(ELEMENT_CASE,            WARNING, "element-case",             "InLine or Wrapper in another case: strict players refuse it") \
    X(AD_ID_DUPLICATE,         WARNING, "ad-id-duplicate",          "two Ads with one id")                                 \
    X(AD_SEQUENCE_INVALID,     WARNING, "ad-sequence-invalid",      "sequence is no whole number above 0")                 \
    X(AD_SEQUENCE_DUPLICATE,   WARNING, "ad-sequence-duplicate",    "two Ads of the pod with one sequence")                \
    X(AD_SYSTEM_MISSING,       ERROR,   "ad-system-missing",        "AdSystem is required")                                \
    X(TITLE_MISSING,           ERROR,   "title-missing",            "InLine needs an AdTitle")                             \
    X(IMPRESSION_MISSING,      ERROR,   "impression-missing",       "Impression is required: the view is not counted")     \
    X(ERROR_URL_MISSING,       NOTE,    "error-url-missing",        "no Error URL: failures stay unknown to the ad server") \
    X(ERROR_MACRO_MISSING,     NOTE,    "error-macro-missing",      "Error URL without [ERRORCODE]")                       \
    X(AD_SERVING_ID_MISSING,   WARNING, "ad-serving-id-missing",    "InLine needs an AdServingId since VAST 4.1")          \
    X(CREATIVES_MISSING,       ERROR,   "creatives-missing",        "InLine without a creative")                           \
    X(CONDITIONAL_AD,          NOTE,    "conditional-ad",           "conditionalAd is deprecated since VAST 4.1")          \
    X(SURVEY,                  NOTE,    "survey",                   "Survey is deprecated since VAST 4.1")                 \
    X(TAG_URI_MISSING,         ERROR,   "tag-uri-missing",          "Wrapper without a VASTAdTagURI: it leads nowhere")    \
    X(TAG_URI_RELATIVE,        NOTE,    "tag-uri-relative",         "VASTAdTagURI is relative: some players refuse it")    \
    X(FLAG_TOO_NEW,            NOTE,    "flag-too-new",             "wrapper attributes of VAST 3 in an older document")   \
    X(DURATION_MISSING,        ERROR,   "duration-missing",         "Linear needs a Duration")                             \
    X(DURATION_INVALID,        ERROR,   "duration-invalid",         "Duration is not HH:MM:SS or HH:MM:SS.mmm")            \
    X(DURATION_LENIENT,        WARNING, "duration-lenient",         "Duration is a bare number, read as seconds")          \
    X(DURATION_ZERO,           WARNING, "duration-zero",            "Duration is zero: quartiles have no place")           \
    X(MEDIA_MISSING,           ERROR,   "media-missing",            "Linear without a media file: error 401")              \
    X(MEDIA_URL_MISSING,       ERROR,   "media-url-missing",        "MediaFile without a URL")                             \
    X(MEDIA_TYPE_MISSING,      ERROR,   "media-type-missing",       "MediaFile needs a type")                              \
    X(MEDIA_DELIVERY_INVALID,  WARNING, "media-delivery-invalid",   "delivery is neither progressive nor streaming")       \
    X(MEDIA_SIZE_MISSING,      ERROR,   "media-size-missing",       "MediaFile needs width and height")                    \
    X(MEDIA_SIZE_INVALID,      ERROR,   "media-size-invalid",       "width or height is no whole number")                  \
    X(MEDIA_BITRATE_INVALID,   WARNING, "media-bitrate-invalid",    "bitrate is no whole number of kbit/s")                \
    X(MEDIA_VPAID,             WARNING, "media-vpaid",              "VPAID was retired: many players refuse it (error 901)") \
    X(SKIP_INVALID,            ERROR,   "skip-invalid",             "skipoffset is neither a time nor a percentage")       \
    X(SKIP_AFTER_END,          WARNING, "skip-after-end",           "skipoffset lies behind the end")                      \
    X(UNIVERSAL_AD_ID_MISSING, WARNING, "universal-ad-id-missing",  "a creative needs a UniversalAdId since VAST 4.0")     \
    X(CREATIVE_SEQUENCE,       WARNING, "creative-sequence-invalid", "Creative's sequence is no whole number above 0")     \
    X(EVENT_UNKNOWN,           NOTE,    "event-unknown",            "no event of the specification: kept, never scheduled") \
    X(EVENT_VERSION,           WARNING, "event-version",            "event that the declared version does not have")       \
    X(PROGRESS_OFFSET_MISSING, ERROR,   "progress-offset-missing",  "progress without an offset is never sent")            \
    X(PROGRESS_OFFSET_INVALID, ERROR,   "progress-offset-invalid",  "offset is neither a time nor a percentage")           \
    X(PROGRESS_AFTER_END,      WARNING, "progress-after-end",       "offset lies behind the end")                          \
    X(QUARTILES_INCOMPLETE,    NOTE,    "quartiles-incomplete",     "some of start, quartiles and complete have no tracker") \
    X(TRACKER_TWICE,           WARNING, "tracker-twice",            "the same URL twice for one event: counted twice")     \
    X(URL_SCHEME,              ERROR,   "url-scheme",               "neither http nor https")                              \
    X(URL_INSECURE,            NOTE,    "url-insecure",             "plain http: blocked where the page is https")         \
    X(URL_BLANK,               WARNING, "url-blank",                "white space inside the URL")                          \
    X(URL_LONG,                NOTE,    "url-long",                 "longer than 2048 bytes: some servers cut it")         \
    X(MACRO_CASE,              WARNING, "macro-case",               "a macro in the wrong case is never filled")           \
    X(MACRO_UNKNOWN,           NOTE,    "macro-unknown",            "no macro of the specification: left as it stands")    \
    X(RESOURCE_MISSING,        ERROR,   "resource-missing",         "NonLinear or Companion without a resource")           \
    X(VARIATION_SIZE_MISSING,  ERROR,   "variation-size-missing",   "NonLinear or Companion needs width and height")       \
    X(COMPANION_REQUIRED,      WARNING, "companion-required",       "required is neither all, any nor none")               \
    X(VERIFICATION_VENDOR,     WARNING, "verification-vendor",      "Verification without a vendor")                       \
    X(VERIFICATION_RESOURCE,   WARNING, "verification-resource",    "Verification without a resource")                     \
    X(ICON_PROGRAM,            NOTE,    "icon-program",             "Icon without a program")                              \
    X(XSD,                     NOTE,    "xsd",                      "IAB's schema of that version says otherwise")
/* clang-format on */

enum vast_severity { VAST_ERROR, VAST_WARNING, VAST_NOTE };

enum vast_rule {
#define VAST_LINT_ENUM(code, severity, name, about) VAST_LINT_##code,
    VAST_LINT_MAP(VAST_LINT_ENUM)
#undef VAST_LINT_ENUM
        VAST_LINT_COUNT
};

struct vast_finding {
    enum vast_rule rule;
    int line;        /* 0: the document as a whole */
    struct str what; /* the value found fault with; ptr NULL when there is none */
    int order;       /* as found */
};

struct vast_findings {
    struct vast_finding *items; /* by line */
    int n, cap;
};

/* Looks at the document (at what a repair made of it, when it needed one). Findings live in the arena. */
NODISCARD bool vast_lint(struct arena *a, const struct vast_doc *doc, struct vast_findings *out,
                         struct err *err);

const char *vast_rule_name(enum vast_rule rule);
const char *vast_rule_about(enum vast_rule rule);
enum vast_severity vast_rule_severity(enum vast_rule rule);
/* "error", "warning", "note" */
const char *vast_severity_name(enum vast_severity severity);

/* [{"rule","severity","line","about","what"}]; caller owns it. */
json_t *vast_findings_json(const struct vast_findings *findings);

#endif
