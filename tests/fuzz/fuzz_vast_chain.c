/*
 * fuzz_vast_chain.c - bytes as several documents, separated by NUL: the source, and the answers to whatever
 * its wrappers ask for, in turn.
 *
 * Holds: it ends; no more requests than allowed, each for an http URL; every ad has an impression list that
 * begins with its wrappers'; a code is one of those there are; the result is JSON.
 */
#include "worker/vast/wrapper.h"

#include <assert.h>

enum { FETCHES_MAX = 12, WRAPPERS_MAX = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_code(int code)
{
    return (code >= 100 && code <= 102) || (code >= 300 && code <= 303);
}

static void check(const struct vast_resolver *r)
{
    json_t *object = json_object();

    assert(r->result.nhops <= FETCHES_MAX);
    for (int i = 0; i < r->result.nfailures; i++)
        assert(is_code(r->result.failures[i].code) && r->result.failures[i].hop < r->result.nhops);
    for (int i = 0; i < r->result.nads; i++)
        assert(r->result.ads[i].ad->kind == VAST_AD_INLINE);
    for (int i = 0; i < r->result.nhops; i++)
        assert(r->result.hops[i].depth <= WRAPPERS_MAX &&
               (!r->result.hops[i].code || is_code(r->result.hops[i].code)));
    vast_resolution_put(r, object);
    json_decref(object);
}

/* An odd first byte is a failed request; what follows is the body. */
static struct vast_answer answer_of(struct str bytes)
{
    struct vast_answer answer = {.status = 200, .body = bytes};

    if (bytes.len && bytes.ptr[0] == '!')
        answer.status = 500;
    if (bytes.len && bytes.ptr[0] == '?')
        err_set(&answer.err, ERR_TARGET_TIMEOUT, "too late");
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vast_resolver_options options = {.max_wrappers = WRAPPERS_MAX, .max_fetches = FETCHES_MAX};
    struct str rest = {(const char *)data, size}, piece = {NULL, 0}, url;
    SCOPED_VALUE(arena) a = {.ceiling = 4 * 1024 * 1024};
    struct vast_resolver r;
    struct err err;

    options.is_first_only = size & 1;
    vast_resolver_begin(&r, &a, &options);
    str_cut(&rest, '\0', &piece);
    if (!vast_resolver_source(&r, piece, STR("http://a.test/x/y?z"), &err))
        return 0;
    while (vast_resolver_next(&r, &url)) {
        struct vast_answer answer;

        assert(str_starts(url, STR("http://")) || str_starts(url, STR("https://")));
        if (!str_cut(&rest, '\0', &piece))
            piece = STR("");
        answer = answer_of(piece);
        if (!vast_resolver_answer(&r, &answer, &err))
            return 0;
    }
    if (!a.is_full)
        check(&r);
    return 0;
}
