/*
 * hit.c - the way of a click: parameters, offer, kept, 302.
 *
 * decide.c says what to answer, visit.c whether to trace it. Here it gets its id, keep.c keeps it, and the
 * answer waits until it is kept; a click that can't be is answered 503, never redirected, unless the operator
 * has said so (edge.on_total_loss).
 */
#include "edge/hit.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/url.h"
#include "edge/click.h"
#include "edge/clock.h"
#include "edge/explain.h"
#include "edge/purpose.h"
#include "edge/visit.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    CLICK_ARENA = 8 * 1024 * 1024,
    HEADERS_MAX = TARGET_MAX_BYTES + 256,
    POLICY_MAX = 80,
    EXPLANATION_MAX = 1024 * 1024,
};

static const char *const PATHS[] = {[HIT_INSTANT] = "track-hit-instant", [HIT_OLD] = "track-hit"};

struct hits {
    const struct conf *conf;
    struct hits_parts parts;
    struct visits visits;
    struct arena arena; /* holds the fallback */
    struct str fallback;
    char policy[POLICY_MAX]; /* a header line, or empty */
    bool redirects_unkept;   /* edge.on_total_loss = redirect */
    uint64_t chance;
    struct decision decision; /* of the click at hand; reused, as the three below */
    struct arena scratch;
    struct buf payload;
    struct buf headers;
};

/* A click between its decision and its answer; one piece of memory. */
struct waiting {
    struct keep_click keep;
    struct hits *hits;
    struct httpd_conn *conn;
    struct uuid id;
    const char *skip_reason;
    enum hit_path path;
    uint64_t key; /* of visit.h */
    size_t nheaders;
    struct str offer; /* as asked for */
    char bytes[];     /* the answer's headers, the click as JSON, the offer's name */
};

/* A request on its way through here. */
struct hit {
    struct hits *hits;
    struct httpd_conn *conn;
    const struct httpd_request *request;
    enum hit_path path;
    struct visit visit;
    const char *not_a_click; /* of purpose.h */
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

static void note_access(struct hits *h, const struct httpd_request *request, struct access_line line)
{
    if (!h->parts.access)
        return;
    line.method = request->head->method == HTTPD_HEAD   ? "HEAD"
                  : request->head->method == HTTPD_POST ? "POST"
                                                        : "GET";
    line.us = loop_now_us() - request->started_us;
    access_write(h->parts.access, &line);
}

static void count(int status, int64_t started_us)
{
    metrics_add(metric_of(status), 1);
    metrics_observe_us(METRIC_EDGE_ANSWER_SECONDS, loop_now_us() - started_us);
}

static void refuse(struct httpd_conn *conn, int status, const char *message)
{
    count(status, httpd_request(conn)->started_us);
    httpd_respond_error(conn, status,
                        status == 503 ? STR("Cache-Control: no-store\r\nRetry-After: 1\r\n")
                                      : STR("Cache-Control: no-store\r\n"),
                        message);
}

static void redirect(struct httpd_conn *conn, struct str headers)
{
    count(302, httpd_request(conn)->started_us);
    httpd_respond(conn, 302, headers, STR(""));
}

/* ---- a click that is kept, or is not ---- */

/* The operator prefers a lost click to a lost visitor: each is counted and named. */
static void redirect_unkept(struct waiting *w)
{
    metrics_add(METRIC_EDGE_UNKEPT_REDIRECTS, 1);
    log_error("click.unkept", kv("trace", (const char *)w->id.text),
              kv("advice", "redirected without a row, as edge.on_total_loss says"));
    redirect(w->conn, (struct str){w->bytes, w->nheaders});
}

static void on_kept(struct keep_click *click, bool is_kept)
{
    struct waiting *w = container_of(click, struct waiting, keep);
    bool redirects = is_kept || w->hits->redirects_unkept;
    const struct httpd_request *request = httpd_request(w->conn);

    visit_end(&w->hits->visits, w->key, &w->id, is_kept);
    note_access(w->hits, request,
                (struct access_line){.status = redirects ? 302 : 503,
                                     .id = &w->id,
                                     .offer = w->offer,
                                     .path = PATHS[w->path],
                                     .reason = is_kept ? w->skip_reason : "not_kept"});
    if (is_kept)
        redirect(w->conn, (struct str){w->bytes, w->nheaders});
    else if (redirects)
        redirect_unkept(w);
    else
        refuse(w->conn, 503, "the click could not be stored; try again");
}

static void on_release(struct keep_click *click)
{
    free(container_of(click, struct waiting, keep));
}

static char *put(char *at, struct str s)
{
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static struct waiting *wait_for(const struct hit *hit, const struct uuid *id, const char *skip_reason)
{
    struct hits *h = hit->hits;
    struct str headers = buf_str(&h->headers), payload = buf_str(&h->payload), offer = h->decision.offer_name;
    struct waiting *w = malloc(sizeof(*w) + headers.len + payload.len + offer.len);
    char *at;

    if (!w)
        abort();
    w->keep = (struct keep_click){.done = on_kept, .release = on_release};
    w->hits = h;
    w->conn = hit->conn;
    w->id = *id;
    w->skip_reason = skip_reason;
    w->path = hit->path;
    w->key = hit->visit.key;
    w->nheaders = headers.len;
    at = put(w->bytes, headers);
    w->keep.payload = (struct str){at, payload.len};
    at = put(at, payload);
    w->offer = (struct str){at, offer.len};
    put(at, offer);
    return w;
}

/* ---- the request ---- */

/* splitmix64: which of an offer's URLs comes next need not be secret, only fair. */
static uint32_t next_chance(struct hits *h)
{
    uint64_t z = h->chance += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

static void count_decision(const struct hit *hit, const struct decision *d)
{
    metrics_add(hit->path == HIT_INSTANT ? METRIC_EDGE_CLICKS_INSTANT : METRIC_EDGE_CLICKS_OLD, 1);
    if (d->visible != DECIDE_VISIBLE_NONE)
        metrics_add(d->visible == DECIDE_VISIBLE_FOLLOWED ? METRIC_EDGE_VISIBLE_FOLLOWED
                                                          : METRIC_EDGE_VISIBLE_REFUSED,
                    1);
    if (d->location.len && d->outcome != DECIDE_REDIRECT)
        metrics_add(METRIC_EDGE_FALLBACKS, 1);
}

static enum metric skip_metric(const char *reason)
{
    if (strcmp(reason, "duplicate") == 0)
        return METRIC_EDGE_SKIPPED_DUPLICATE;
    return strcmp(reason, "rate") == 0 ? METRIC_EDGE_SKIPPED_RATE : METRIC_EDGE_SKIPPED_BOT;
}

static void write_click(const struct hit *hit, const struct uuid *id, int64_t now_ms, const char *skip_reason)
{
    struct hits *h = hit->hits;
    const struct decision *d = &h->decision;
    struct click click = {
        .id = *id,
        .offer_id = d->offer ? d->offer->id : STR(""),
        .offer = d->offer_name,
        .url = buf_str(&d->traced),
        .country = d->country,
        .inbound = &d->inbound,
        .raw_query = hit->request->head->query,
        .at_ms = now_ms,
        .skip_reason = skip_reason,
        .duplicate_of = str_from(hit->visit.duplicate_of.text),
        .path = PATHS[hit->path],
    };

    buf_clear(&h->payload);
    click_write(&click, &h->payload);
}

static void keep(struct hit *hit)
{
    struct hits *h = hit->hits;
    const char *skip_reason = decide_skip_reason(h->decision.outcome);
    int64_t now_ms = clock_ms();
    struct uuid id = uuid7_next(now_ms);
    struct waiting *w;

    if (!skip_reason) {
        visit_judge(&h->visits, hit->request->head, &h->decision, &id, &hit->visit);
        skip_reason = hit->visit.skip_reason;
        if (skip_reason)
            metrics_add(skip_metric(skip_reason), 1);
    }
    write_click(hit, &id, now_ms, skip_reason);
    if (h->payload.is_full) {
        visit_end(&h->visits, hit->visit.key, &id, false);
        refuse(hit->conn, 400, "the click is larger than a row may be");
        return;
    }
    w = wait_for(hit, &id, skip_reason);
    w->keep.at_ms = now_ms;
    keep_add(h->parts.keep, &w->keep);
}

static void write_headers(struct hits *h)
{
    buf_clear(&h->headers);
    buf_append_str(&h->headers, STR("Location: "));
    buf_append_str(&h->headers, buf_str(&h->decision.location));
    buf_append_str(&h->headers, STR("\r\nCache-Control: no-store\r\n"));
    buf_append_str(&h->headers, str_from(h->policy));
}

static void answer(struct hit *hit)
{
    struct hits *h = hit->hits;
    const struct decision *d = &h->decision;
    int status = d->location.len ? 302 : decide_status(d->outcome);

    if (!hit->not_a_click)
        count_decision(hit, d);
    if (status == 302)
        write_headers(h);
    if (status == 302 && !hit->not_a_click) {
        keep(hit);
        return;
    }
    note_access(
        h, hit->request,
        (struct access_line){.status = status,
                             .offer = d->offer_name,
                             .path = PATHS[hit->path],
                             .reason = status == 302 ? hit->not_a_click : decide_outcome_name(d->outcome)});
    if (status != 302) {
        refuse(hit->conn, status, decide_message(d->outcome));
        return;
    }
    metrics_add(hit->request->head->method == HTTPD_HEAD ? METRIC_EDGE_HEADS : METRIC_EDGE_PREFETCHES, 1);
    httpd_respond(hit->conn, 302, buf_str(&h->headers), STR(""));
}

/* ---- the operator asks ---- */

static void explain(struct hit *hit)
{
    struct hits *h = hit->hits;
    SCOPED_VALUE(buf) text = {.max = EXPLANATION_MAX};

    if (h->decision.outcome == DECIDE_REDIRECT)
        visit_judge(&h->visits, hit->request->head, &h->decision, NULL, &hit->visit);
    explain_write(&h->decision, &hit->visit, hit->not_a_click, &text);
    buf_append_char(&text, '\n');
    httpd_respond(hit->conn, 200, STR("Content-Type: application/json\r\nCache-Control: no-store\r\n"),
                  buf_str(&text));
}

/* ---- in ---- */

static struct decide_env surroundings(struct hits *h, const struct visit *visit)
{
    return (struct decide_env){
        .offers = offers_feed_get(h->parts.feed),
        .redirect_param = str_from(h->conf->edge_redirect_param),
        .fallback = h->fallback,
        .header_country = visit->country,
        .chance = next_chance(h),
    };
}

void hit_handle(struct hits *h, enum hit_path path, struct httpd_conn *conn,
                const struct httpd_request *request)
{
    struct hit hit = {.hits = h, .conn = conn, .request = request, .path = path};
    struct decide_env env;

    hit.not_a_click = purpose_not_a_click(request->head);
    visit_read(&h->visits, request, &hit.visit);
    env = surroundings(h, &hit.visit);
    env.is_debug = explain_is_asked(request->head, str_from(h->conf->edge_debug_token));
    decide(&env, &h->scratch, request->head->query, &h->decision);
    if (env.is_debug)
        explain(&hit);
    else
        answer(&hit);
    arena_clear(&h->scratch);
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

bool hits_create(const struct conf *conf, const struct hits_parts *parts, struct hits **out, struct err *err)
{
    struct hits *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    h->conf = conf;
    h->parts = *parts;
    arena_init(&h->arena, URL_MAX_BYTES * 4);
    arena_init(&h->scratch, CLICK_ARENA);
    decision_init(&h->decision);
    buf_init(&h->payload, SEGMENT_MAX_PAYLOAD);
    buf_init(&h->headers, HEADERS_MAX);
    if (getrandom(&h->chance, sizeof(h->chance), 0) != sizeof(h->chance))
        abort();
    h->redirects_unkept = strcmp(conf->edge_on_total_loss, "redirect") == 0;
    if (strcmp(conf->edge_referrer_policy, "off") != 0)
        snprintf(h->policy, sizeof(h->policy), "Referrer-Policy: %s\r\n", conf->edge_referrer_policy);
    if (!read_fallback(h, err) || !visits_init(&h->visits, conf, parts->seen, err)) {
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
    arena_finish(&h->scratch);
    decision_finish(&h->decision);
    buf_finish(&h->payload);
    buf_finish(&h->headers);
    free(h);
}
