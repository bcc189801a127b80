/*
 * visit.c - address, country, and the reasons not to trace.
 */
#include "edge/visit.h"

#include "common/loop.h"
#include "edge/agent.h"

enum { NET_BYTES_V6 = 8, MAPPED_BYTES = 12 };

bool visits_init(struct visits *v, const struct conf *conf, struct seen *seen, struct err *err)
{
    v->conf = conf;
    v->seen = seen;
    return trust_parse(str_from(conf->edge_trusted_proxies), &v->trust, err);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The visitor's country, when a proxy that we trust says one: two letters, and not "unknown" (XX). */
static struct str header_country(const struct visits *v, const struct httpd_request *request)
{
    struct str country;

    if (!v->conf->edge_country_header[0] || !trust_has(&v->trust, request->peer))
        return STR("");
    country = httpd_header(request->head, str_from(v->conf->edge_country_header));
    if (country.len != 2 || !is_letter(country.ptr[0]) || !is_letter(country.ptr[1]) ||
        str_equal_nocase(country, STR("xx")))
        return STR("");
    return country;
}

void visit_read(const struct visits *v, const struct httpd_request *request, struct visit *out)
{
    *out = (struct visit){.country = header_country(v, request)};
    if (v->conf->edge_dedup_s || v->conf->edge_rate_per_minute || v->conf->edge_debug_token[0])
        out->is_known = trust_visitor(&v->trust, request, out->address);
}

static const struct inbound_param *click_id(const struct inbound *in)
{
    for (size_t i = 0; i < in->n; i++)
        if (in->params[i].is_click_id && in->params[i].value.len)
            return &in->params[i];
    return NULL;
}

/*
 * What makes two clicks the same: a click id decides alone, because behind one address and one agent may be
 * many visitors, each with an id of their own.
 */
static uint64_t repeat_key(const struct visits *v, const struct httpd_head *head, const struct decision *d,
                           const struct visit *visit)
{
    const struct inbound_param *id = click_id(&d->inbound);
    struct str address = {(const char *)visit->address, TRUST_ADDRESS};

    if (id)
        return seen_key(v->seen, (const struct str[]){STR("id"), d->offer_name, id->name, id->value}, 4);
    if (!visit->is_known)
        return 0;
    return seen_key(
        v->seen,
        (const struct str[]){STR("visitor"), d->offer_name, address, httpd_header(head, STR("User-Agent"))},
        4);
}

/* Whoever has one IPv6 address has the 2^64 beside it. */
static uint64_t bucket_key(const struct visits *v, const struct visit *visit)
{
    static const uint8_t mapped[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};
    struct str address = {(const char *)visit->address, TRUST_ADDRESS};

    if (!str_starts(address, (struct str){(const char *)mapped, MAPPED_BYTES}))
        address.len = NET_BYTES_V6;
    return seen_key(v->seen, (const struct str[]){STR("bucket"), address}, 2);
}

static bool is_repeat(const struct visits *v, const struct httpd_head *head, const struct decision *d,
                      const struct uuid *id, struct visit *visit)
{
    uint64_t key;

    if (!v->seen || !v->conf->edge_dedup_s)
        return false;
    key = repeat_key(v, head, d, visit);
    if (!key)
        return false;
    if (seen_before(v->seen, key, loop_now_ms(), v->conf->edge_dedup_s * 1000, id, &visit->duplicate_of))
        return true;
    visit->key = key;
    return false;
}

static bool is_too_fast(const struct visits *v, const struct visit *visit, bool takes)
{
    int64_t rate = v->conf->edge_rate_per_minute;

    return v->seen && rate && visit->is_known &&
           !seen_allows(v->seen, bucket_key(v, visit), loop_now_us(), 60 * INT64_C(1000000) / rate,
                        v->conf->edge_rate_burst, takes);
}

void visit_judge(const struct visits *v, const struct httpd_head *head, const struct decision *d,
                 const struct uuid *id, struct visit *visit)
{
    if (v->conf->edge_skip_bots)
        visit->skip_reason = agent_skip_reason(httpd_header(head, STR("User-Agent")));
    if (!visit->skip_reason && is_repeat(v, head, d, id, visit))
        visit->skip_reason = "duplicate";
    if (!visit->skip_reason && is_too_fast(v, visit, id != NULL))
        visit->skip_reason = "rate";
}

void visit_end(const struct visits *v, uint64_t key, const struct uuid *id, bool is_kept)
{
    if (key)
        seen_keep(v->seen, key, id, is_kept);
}
