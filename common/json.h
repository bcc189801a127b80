/*
 * json.h - the few helpers that jansson lacks.
 */
#ifndef TRACEPOOL_COMMON_JSON_H
#define TRACEPOOL_COMMON_JSON_H

#include "common/buf.h"
#include "common/scope.h"
#include "common/str.h"

#include <jansson.h>

DEFINE_SCOPED_PTR(json_t, json_t, json_decref)

/*
 * A JSON string of any bytes: NUL, invalid UTF-8 and surrogates become U+FFFD, because PostgreSQL's
 * jsonb refuses them and one bad row must not fail its batch. Never NULL.
 */
NODISCARD json_t *json_from_str(struct str s);
/* The same, written into out as valid UTF-8 without NUL. */
void json_clean_utf8(struct str s, struct buf *out);

/* json_pack(), but never NULL: an object that lacks what it was to say would say something else. */
NODISCARD json_t *json_packed(const char *format, ...);
/* Sets object[key] = value and takes the reference over. */
void json_put(json_t *object, const char *key, json_t *value);
void json_put_str(json_t *object, const char *key, struct str value);
void json_put_int(json_t *object, const char *key, int64_t value);

/* Appends value to an array and takes the reference over. */
void json_add(json_t *array, json_t *value);

/* Reads; a missing key or another type gives the fallback. Views live as long as the object. */
struct str json_get_str(const json_t *object, const char *key, struct str otherwise);
int64_t json_get_int(const json_t *object, const char *key, int64_t otherwise);
bool json_get_bool(const json_t *object, const char *key, bool otherwise);

/* json_loadb(), whose NULL always means here that it is not JSON, never that there was no memory. */
NODISCARD json_t *json_load(struct str text, size_t flags, json_error_t *where);
/* Parses; NULL when it is not JSON (any value at the top), with the place in *err as ERR_BAD_INPUT. */
struct err;
NODISCARD json_t *json_parse(struct str text, struct err *err);
/* Compact text of value at the end of out; a piece of it where out is full. */
void json_write(const json_t *value, struct buf *out);

#endif
