/*
 * hit.c - the way of a click: parameters, offer, spool, 302.
 *
 * decide.c says what to answer. Here it gets its id, goes to the spool, and the answer waits until it is
 * durable; a click that can't be kept is answered 503, never redirected.
 */
#include "edge/hit.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/url.h"
#include "edge/click.h"
#include "edge/decide.h"
#include "edge/trust.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { CLICK_ARENA = 8 * 1024 * 1024, HEADERS_MAX = TARGET_MAX_BYTES + 256, POLICY_MAX = 80 };

struct hits {
    const struct conf *conf;
    struct offers_feed *feed;
    struct spool *spool;
    struct trust trust;
    struct arena arena; /* holds the fallback */
    struct str fallback;
    char policy[POLICY_MAX]; /* a header line, or empty */
    uint64_t chance;
    struct decision decision; /* of the click at hand; reused */
    struct buf payload;
    struct buf headers;
};

/* A click between its decision and its answer. */
struct waiting {
    struct spool_entry entry;
    struct httpd_conn *conn;
    int64_t started_us;
    size_t len;
    char headers[];
};

/* ---- answers ---- */

static enum metric metric_of(int status)
{
    if (status == 302)
        return METRIC_EDGE_REDIRECTS;
    if (status == 400)
        return METRIC_EDGE_BAD_REQUESTS;
    if (status == 404)
        return METRIC_EDGE_NOT_FOUND;
    return status == 500 ? METRIC_EDGE_BROKEN_OFFERS : METRIC_EDGE_UNAVAILABLE;
}

static void count(int status, int64_t started_us)
{
    metrics_add(metric_of(status), 1);
    metrics_observe_us(METRIC_EDGE_ANSWER_SECONDS, loop_now_us() - started_us);
}

static void refuse(struct httpd_conn *conn, int status, const char *message, int64_t started_us)
{
    count(status, started_us);
    httpd_respond_error(conn, status,
                        status == 503 ? STR("Cache-Control: no-store\r\nRetry-After: 1\r\n")
                                      : STR("Cache-Control: no-store\r\n"),
                        message);
}

static void redirect(struct httpd_conn *conn, struct str headers, int64_t started_us)
{
    count(302, started_us);
    httpd_respond(conn, 302, headers, STR(""));
}

static void on_durable(struct spool_entry *entry, bool is_durable)
{
    SCOPED(char) memory = (char *)container_of(entry, struct waiting, entry);
    struct waiting *w = (struct waiting *)memory;

    if (is_durable)
        redirect(w->conn, (struct str){w->headers, w->len}, w->started_us);
    else
        refuse(w->conn, 503, "the click could not be stored; try again", w->started_us);
}

static struct waiting *wait_for(struct httpd_conn *conn, struct str headers, int64_t started_us)
{
    struct waiting *w = malloc(sizeof(*w) + headers.len);

    if (!w)
        abort();
    *w = (struct waiting){
        .entry.done = on_durable, .conn = conn, .started_us = started_us, .len = headers.len};
    memcpy(w->headers, headers.ptr, headers.len);
    return w;
}

/* ---- the click ---- */

static bool contains_nocase(struct str value, const char *word)
{
    struct str needle = str_from(word);

    for (size_t i = 0; i + needle.len <= value.len; i++)
        if (str_equal_nocase(str_slice(value, i, i + needle.len), needle))
            return true;
    return false;
}

bool hit_is_prefetch(const struct httpd_head *head)
{
    static const char *const headers[] = {"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"};
    static const char *const words[] = {"prefetch", "preview", "prerender"};

    for (size_t h = 0; h < ARRAY_LEN(headers); h++)
        for (size_t w = 0; w < ARRAY_LEN(words); w++)
            if (contains_nocase(httpd_header(head, str_from(headers[h])), words[w]))
                return true;
    return false;
}

/* splitmix64: which of an offer's URLs comes next need not be secret, only fair. */
static uint32_t next_chance(struct hits *h)
{
    uint64_t z = h->chance += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The visitor's country, when a proxy that we trust says one: two letters, and not "unknown" (XX). */
static struct str header_country(const struct hits *h, const struct httpd_request *request)
{
    struct str country;

    if (!h->conf->edge_country_header[0] || !trust_has(&h->trust, request->peer))
        return STR("");
    country = httpd_header(request->head, str_from(h->conf->edge_country_header));
    if (country.len != 2 || !is_letter(country.ptr[0]) || !is_letter(country.ptr[1]) ||
        str_equal_nocase(country, STR("xx")))
        return STR("");
    return country;
}

static struct decide_env surroundings(struct hits *h, const struct httpd_request *request)
{
    return (struct decide_env){
        .offers = offers_feed_get(h->feed),
        .redirect_param = str_from(h->conf->edge_redirect_param),
        .fallback = h->fallback,
        .header_country = header_country(h, request),
        .chance = next_chance(h),
    };
}

static void count_decision(enum hit_path path, const struct decision *d)
{
    metrics_add(path == HIT_INSTANT ? METRIC_EDGE_CLICKS_INSTANT : METRIC_EDGE_CLICKS_OLD, 1);
    if (d->visible != DECIDE_VISIBLE_NONE)
        metrics_add(d->visible == DECIDE_VISIBLE_FOLLOWED ? METRIC_EDGE_VISIBLE_FOLLOWED
                                                          : METRIC_EDGE_VISIBLE_REFUSED,
                    1);
    if (d->location.len && d->outcome != DECIDE_REDIRECT)
        metrics_add(METRIC_EDGE_FALLBACKS, 1);
}

static void write_click(struct hits *h, enum hit_path path, struct str query, int64_t now_ms)
{
    const struct decision *d = &h->decision;
    struct click click = {
        .id = uuid7_next(now_ms),
        .offer_id = d->offer ? d->offer->id : STR(""),
        .offer = d->offer_name,
        .url = buf_str(&d->traced),
        .country = d->country,
        .inbound = &d->inbound,
        .raw_query = query,
        .at_ms = now_ms,
        .skip_reason = decide_skip_reason(d->outcome),
        .path = path == HIT_INSTANT ? "track-hit-instant" : "track-hit",
    };

    buf_clear(&h->payload);
    click_write(&click, &h->payload);
}

static void keep(struct hits *h, enum hit_path path, struct httpd_conn *conn,
                 const struct httpd_request *request)
{
    int64_t now_ms = loop_wall_ms();
    struct waiting *w = wait_for(conn, buf_str(&h->headers), request->started_us);

    write_click(h, path, request->head->query, now_ms);
    if (!h->payload.is_full && spool_append(h->spool, now_ms, buf_str(&h->payload), &w->entry))
        return;
    free(w);
    refuse(conn, 503, "the click could not be stored; try again", request->started_us);
}

static void write_headers(struct hits *h)
{
    buf_clear(&h->headers);
    buf_append_str(&h->headers, STR("Location: "));
    buf_append_str(&h->headers, buf_str(&h->decision.location));
    buf_append_str(&h->headers, STR("\r\nCache-Control: no-store\r\n"));
    buf_append_str(&h->headers, str_from(h->policy));
}

static void answer(struct hits *h, enum hit_path path, struct httpd_conn *conn,
                   const struct httpd_request *request)
{
    const struct decision *d = &h->decision;
    bool is_head = request->head->method == HTTPD_HEAD;
    bool is_click = !is_head && !hit_is_prefetch(request->head);

    if (is_click)
        count_decision(path, d);
    if (d->location.len == 0) {
        refuse(conn, decide_status(d->outcome), decide_message(d->outcome), request->started_us);
        return;
    }
    write_headers(h);
    if (is_click) {
        keep(h, path, conn, request);
        return;
    }
    metrics_add(is_head ? METRIC_EDGE_HEADS : METRIC_EDGE_PREFETCHES, 1);
    httpd_respond(conn, 302, buf_str(&h->headers), STR(""));
}

void hit_handle(struct hits *h, enum hit_path path, struct httpd_conn *conn,
                const struct httpd_request *request)
{
    SCOPED_VALUE(arena) arena = {.ceiling = CLICK_ARENA};
    struct decide_env env = surroundings(h, request);

    decide(&env, &arena, request->head->query, &h->decision);
    answer(h, path, conn, request);
}

/* ---- beginning and end ---- */

static bool read_fallback(struct hits *h, struct err *err)
{
    struct str text = str_from(h->conf->edge_fallback_url);
    struct url url;
    struct err why;

    if (text.len == 0)
        return true;
    if (!url_parse(&h->arena, text, NULL, &url, &why))
        return err_set(err, ERR_BAD_SETTING, "edge.fallback_url: %s", why.detail);
    if (!url_is_http(&url) || url.href.len > TARGET_MAX_BYTES)
        return err_set(err, ERR_BAD_SETTING, "edge.fallback_url: no http or https URL of at most %d bytes",
                       TARGET_MAX_BYTES);
    h->fallback = url.href;
    return true;
}

bool hits_create(const struct conf *conf, struct offers_feed *feed, struct spool *spool, struct hits **out,
                 struct err *err)
{
    struct hits *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    h->conf = conf;
    h->feed = feed;
    h->spool = spool;
    arena_init(&h->arena, URL_MAX_BYTES * 4);
    decision_init(&h->decision);
    buf_init(&h->payload, SEGMENT_MAX_PAYLOAD);
    buf_init(&h->headers, HEADERS_MAX);
    if (getrandom(&h->chance, sizeof(h->chance), 0) != sizeof(h->chance))
        abort();
    if (strcmp(conf->edge_referrer_policy, "off") != 0)
        snprintf(h->policy, sizeof(h->policy), "Referrer-Policy: %s\r\n", conf->edge_referrer_policy);
    if (!read_fallback(h, err) || !trust_parse(str_from(conf->edge_trusted_proxies), &h->trust, err)) {
        hits_destroy(h);
        return false;
    }
    *out = h;
    return true;
}

void hits_destroy(struct hits *h)
{
    if (!h)
        return;
    arena_finish(&h->arena);
    decision_finish(&h->decision);
    buf_finish(&h->payload);
    buf_finish(&h->headers);
    free(h);
}
