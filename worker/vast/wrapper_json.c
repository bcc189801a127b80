/*
 * wrapper_json.c - a resolution as JSON: the format of `vast --json --resolve`.
 */
#include "common/json.h"
#include "worker/vast/wrapper.h"

enum { URL_MAX = 64 * 1024 };

static json_t *impressions_of(const struct vast_ad *ad)
{
    json_t *list = json_array();

    for (int i = 0; i < ad->impressions.n; i++)
        json_add(list, json_from_str(ad->impressions.items[i].url));
    return list;
}

static bool has_number(const json_t *list, int number)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_integer_value(json_array_get(list, i)) == number)
            return true;
    return false;
}

static json_t *codes_of(const struct vast_resolution *result)
{
    json_t *list = json_array();

    for (int i = 0; i < result->nfailures; i++)
        if (!has_number(list, result->failures[i].code))
            json_add(list, json_integer(result->failures[i].code));
    return list;
}

static json_t *hop_json(const struct vast_hop *hop)
{
    json_t *object = json_object();

    json_put_str(object, "url", hop->url);
    if (!str_equal(hop->final_url, hop->url))
        json_put_str(object, "final_url", hop->final_url);
    json_put_int(object, "depth", hop->depth);
    json_put(object, "status", hop->status ? json_integer(hop->status) : json_null());
    json_put_int(object, "ms", hop->ms);
    json_put_int(object, "ads", hop->nads);
    json_put(object, "code", hop->code ? json_integer(hop->code) : json_null());
    json_put_str(object, "problem", hop->problem);
    json_put(object, "repaired", json_boolean(hop->code && hop->is_used));
    return object;
}

static json_t *failure_json(const struct vast_resolver *r, const struct vast_failure *failure)
{
    json_t *object = json_object(), *urls = json_array();

    json_put_int(object, "code", failure->code);
    json_put(object, "hop", failure->hop < 0 ? json_null() : json_integer(failure->hop));
    json_put_str(object, "ad", failure->ad);
    json_put_str(object, "problem", failure->problem);
    for (int i = 0; i < failure->errors.n; i++) {
        SCOPED_VALUE(buf) url = {.max = URL_MAX};

        if (vast_resolver_error_url(r, failure->errors.items[i].url, failure->code, &url))
            json_add(urls, json_from_str(buf_str(&url)));
    }
    json_put(object, "urls", urls);
    return object;
}

void vast_resolution_put(const struct vast_resolver *r, json_t *object)
{
    const struct vast_resolution *result = &r->result;
    json_t *ads = json_array(), *impressions = json_array(), *hops = json_array(), *errors = json_array();

    for (int i = 0; i < result->nads; i++) {
        json_t *ad = vast_ad_json(result->ads[i].ad);

        json_put(ad, "alternative", json_boolean(result->ads[i].is_alternative));
        json_add(ads, ad);
        json_add(impressions, impressions_of(result->ads[i].ad));
    }
    for (int i = 0; i < result->nhops; i++)
        json_add(hops, hop_json(&result->hops[i]));
    for (int i = 0; i < result->nfailures; i++)
        json_add(errors, failure_json(r, &result->failures[i]));
    json_put(object, "ads", ads);
    json_put(object, "impressions", impressions);
    json_put(object, "codes", codes_of(result));
    json_put(object, "hops", hops);
    json_put(object, "errors", errors);
}
