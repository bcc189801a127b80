/*
 * notify.c - from a look's levels to a message that was taken. See notify.h.
 */
#include "monitor/notify.h"

#include "common/curl_loop.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pg/row.h"
#include "monitor/db.h"
#include "monitor/monitor.h"
#include "monitor/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_POSTS = 8,
    LEVELS_BYTES = 1 << 20,
    BODY_BYTES = 1 << 18,
    URL_BYTES = 8192,
    LEASE_MORE_MS = 5000,
    ID_BYTES = 24
};

struct post {
    struct notifier *notifier;
    struct post *next;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    char id[ID_BYTES];
    int target;
    char error[CURL_ERROR_SIZE];
};

static void look(struct notifier *n);

/* ---- one post ---- */

static void free_post(struct post *post)
{
    struct post **place = &post->notifier->posts;

    while (*place != post)
        place = &(*place)->next;
    *place = post->next;
    curl_easy_cleanup(post->easy);
    curl_slist_free_all(post->headers);
    buf_finish(&post->body);
    free(post);
}

static void on_finished(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct notifier *n = arg;

    (void)res;
    (void)sqlstate;
    if (err->code != ERR_OK) /* its lease runs out, and it is posted again */
        log_warn("alert.notice_unmarked", kv_err(err));
    else
        look(n); /* the next one of the same alert may go now */
}

/* error "": it was taken. */
static void finish(struct post *post, const char *error, int64_t retry_after_s)
{
    struct notifier *n = post->notifier;
    char pause[ID_BYTES], after[ID_BYTES];

    snprintf(pause, sizeof(pause), "%" PRId64, n->monitor->conf->alerts_webhook_retry_s);
    snprintf(after, sizeof(after), "%" PRId64, retry_after_s);
    metrics_add(*error ? METRIC_NOTICES_REFUSED : METRIC_NOTICES_TAKEN, 1);
    if (*error)
        log_warn("alert.notice_refused", kv("notice", post->id), kv("target", post->target),
                 kv("error", error));
    else
        log_info("alert.notice_taken", kv("notice", post->id), kv("target", post->target));
    pg_send(n->monitor->db, Q_FINISH_ALERT_NOTICE,
            (const char *[]){post->id, db_incarnation(), *error ? error : NULL, pause,
                             retry_after_s > 0 ? after : NULL},
            0, on_finished, n);
}

/* libcurl's words name hosts and addresses, never a path, where some receivers have their secret. */
static void on_posted(void *arg, CURL *easy, CURLcode code)
{
    struct post *post = arg;
    char text[CURL_ERROR_SIZE + 40] = "";
    curl_off_t retry_after = 0;
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    if (code != CURLE_OK)
        snprintf(text, sizeof(text), "%s", *post->error ? post->error : curl_easy_strerror(code));
    else if (status / 100 != 2)
        snprintf(text, sizeof(text), "the receiver answered %ld", status);
    finish(post, text, retry_after);
    curl_loop_remove(post->notifier->wire, easy);
    free_post(post);
}

/* What a receiver says beyond its status is read and forgotten. */
static size_t on_answer(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

static void set_request(struct post *post)
{
    const struct conf *conf = post->notifier->monitor->conf;
    SCOPED_VALUE(buf) url;

    buf_init(&url, URL_BYTES);
    notice_put_url(conf, post->target, &url);
    curl_set(post->easy, CURLOPT_URL, buf_cstr(&url));
    curl_set(post->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_set(post->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_set(post->easy, CURLOPT_NOSIGNAL, 1L);
    curl_set(post->easy, CURLOPT_TIMEOUT_MS, (long)conf->alerts_webhook_timeout_ms);
    curl_set(post->easy, CURLOPT_USERAGENT, "tracepool/" TRACEPOOL_VERSION);
    curl_set(post->easy, CURLOPT_HTTPHEADER, post->headers);
    curl_set(post->easy, CURLOPT_POSTFIELDS, post->body.data);
    curl_set(post->easy, CURLOPT_POSTFIELDSIZE, (long)post->body.len);
    curl_set(post->easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_set(post->easy, CURLOPT_ERRORBUFFER, post->error);
    if (*conf->http_ca_file)
        curl_set(post->easy, CURLOPT_CAINFO, conf->http_ca_file);
}

static void add_header(struct post *post, const char *line)
{
    struct curl_slist *longer = *line ? curl_slist_append(post->headers, line) : post->headers;

    if (*line && !longer)
        abort();
    post->headers = longer;
}

static void set_headers(struct post *post, const json_t *notice)
{
    SCOPED_VALUE(buf) delivery;
    SCOPED_VALUE(buf) signature;
    struct str id = json_get_str(notice, "id", STR(""));

    buf_init(&delivery, 200);
    buf_init(&signature, 200);
    buf_printf(&delivery, "X-Tracepool-Delivery: %.*s", STR_ARG(id));
    notice_sign(post->notifier->monitor->conf, buf_str(&post->body), &signature);
    add_header(post, "Content-Type: application/json");
    add_header(post, "Expect:"); /* no waiting for a 100 */
    add_header(post, buf_cstr(&delivery));
    add_header(post, buf_cstr(&signature));
}

static void start_post(struct notifier *n, struct str id, int target, const json_t *notice)
{
    struct post *post = calloc(1, sizeof(*post));

    if (!post || !(post->easy = curl_easy_init()))
        abort();
    post->notifier = n;
    post->target = target;
    snprintf(post->id, sizeof(post->id), "%.*s", STR_ARG(id));
    post->next = n->posts;
    n->posts = post;
    buf_init(&post->body, BODY_BYTES);
    notice_write(n->monitor->conf, notice, &post->body);
    set_headers(post, notice);
    set_request(post);
    if (curl_loop_add(n->wire, post->easy, post))
        return;
    finish(post, "libcurl did not take the request", 0);
    free_post(post);
}

/* ---- what is to be posted ---- */

static void on_claimed(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    struct notifier *n = arg;
    static struct log_gate gate;

    (void)sqlstate;
    n->is_asking = false;
    if (err->code != ERR_OK) {
        if (log_gate_opens(&gate))
            log_warn("alert.claim_failed", kv_err(err), kv("held_back", gate.held_back));
        return;
    }
    int id = row_column(res, "notice_id"), target = row_column(res, "target"),
        notice = row_column(res, "notice");
    for (int i = 0; i < PQntuples(res) && !n->monitor->is_ending; i++) {
        struct err why;
        SCOPED(json_t) object = json_parse(row_str(res, i, notice), &why);

        if (object)
            start_post(n, row_str(res, i, id), (int)row_int(res, i, target, 0), object);
    }
}

static int count_posts(const struct notifier *n)
{
    int count = 0;

    for (const struct post *post = n->posts; post; post = post->next)
        count++;
    return count;
}

static void look(struct notifier *n)
{
    const struct monitor *m = n->monitor;
    char room[ID_BYTES], lease[ID_BYTES], targets[ID_BYTES];
    int free_posts = MAX_POSTS - count_posts(n);

    if (n->ntargets == 0 || n->is_asking || free_posts <= 0 || m->is_ending || !pg_is_up(m->db))
        return;
    snprintf(room, sizeof(room), "%d", free_posts);
    snprintf(lease, sizeof(lease), "%" PRId64, m->conf->alerts_webhook_timeout_ms + LEASE_MORE_MS);
    snprintf(targets, sizeof(targets), "%d", n->ntargets);
    n->is_asking = true;
    pg_send(m->db, Q_CLAIM_ALERT_NOTICES, (const char *[]){db_incarnation(), room, lease, targets}, 0,
            on_claimed, n);
}

static void on_timer(uv_timer_t *timer)
{
    look(container_of(timer, struct notifier, timer));
}

/* ---- judging ---- */

static void log_move(PGresult *res, int row)
{
    bool is_firing = str_equal(row_str(res, row, row_column(res, "state")), STR("firing"));
    int64_t id = row_int(res, row, row_column(res, "alert_id"), 0);
    const char *rule = row_cstr(res, row, row_column(res, "rule")),
               *subject = row_cstr(res, row, row_column(res, "subject"));
    const char *severity = row_cstr(res, row, row_column(res, "severity"));
    const char *message = row_cstr(res, row, row_column(res, "message"));

    if (is_firing) {
        metrics_add(METRIC_ALERTS_FIRED, 1);
        log_warn("alert.firing", kv("alert", id), kv("rule", rule), kv("subject", subject),
                 kv("severity", severity), kv("message", message));
    } else {
        log_info("alert.resolved", kv("alert", id), kv("rule", rule), kv("subject", subject));
    }
}

static void on_judged(void *arg, PGresult *res, const char *sqlstate, const struct err *err)
{
    static struct log_gate gate;

    (void)sqlstate;
    if (err->code != ERR_OK) {
        if (log_gate_opens(&gate))
            log_warn("alert.judge_failed", kv_err(err), kv("held_back", gate.held_back));
        return;
    }
    for (int i = 0; i < PQntuples(res); i++)
        log_move(res, i);
    look(arg);
}

void notify_judge(struct notifier *n, const json_t *levels)
{
    struct monitor *m = n->monitor;
    char keep[ID_BYTES], targets[ID_BYTES];
    SCOPED_VALUE(buf) text;

    buf_init(&text, LEVELS_BYTES);
    json_write(levels, &text);
    snprintf(keep, sizeof(keep), "%" PRId64, m->conf->alerts_keep_s);
    snprintf(targets, sizeof(targets), "%d", n->ntargets);
    pg_send(m->db, Q_JUDGE_ALERTS, (const char *[]){buf_cstr(&m->rules), buf_cstr(&text), keep, targets}, 0,
            on_judged, n);
}

void notify_init(struct notifier *n, struct monitor *m, int ntargets)
{
    uint64_t every_ms = (uint64_t)m->conf->alerts_webhook_retry_s * 1000;

    *n = (struct notifier){.monitor = m, .ntargets = ntargets, .wire = curl_loop_create(m->loop, on_posted)};
    uv_timer_init(m->loop, &n->timer);
    uv_timer_start(&n->timer, on_timer, every_ms, every_ms);
}

void notify_stop(struct notifier *n)
{
    while (n->posts) {
        curl_loop_remove(n->wire, n->posts->easy);
        free_post(n->posts);
    }
    curl_loop_destroy(n->wire, NULL, NULL);
    n->wire = NULL;
    uv_close((uv_handle_t *)&n->timer, NULL);
}
