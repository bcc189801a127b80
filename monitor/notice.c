/*
 * notice.c - bodies, the signature, and the list of addresses. See notice.h.
 */
#include "monitor/notice.h"

#include "common/json.h"
#include "common/sha256.h"

#include <string.h>

enum { TEXT_BYTES = 8192, MAX_TARGETS = 8, PAGERDUTY_SUMMARY = 1024 };

static struct str text_of(const json_t *notice, const char *key)
{
    return json_get_str(notice, key, STR(""));
}

static bool is_state(const json_t *notice, const char *state)
{
    return str_equal(text_of(notice, "state"), str_from(state));
}

static json_t *as_json(const json_t *notice)
{
    json_t *body = json_deep_copy(notice);

    json_put_str(body, "source", STR("tracepool"));
    json_put_str(body, "version", STR(TRACEPOOL_VERSION));
    return body;
}

/* ---- PagerDuty: https://developer.pagerduty.com/docs/events-api-v2-overview ---- */

static json_t *pagerduty_payload(const json_t *notice)
{
    struct str message = text_of(notice, "message"), subject = text_of(notice, "subject");
    json_t *payload = json_object();

    json_put_str(payload, "summary", str_slice(message, 0, PAGERDUTY_SUMMARY));
    json_put_str(payload, "source", subject.len ? subject : STR("tracepool"));
    json_put_str(payload, "severity", text_of(notice, "severity"));
    json_put_str(payload, "timestamp", text_of(notice, "fired_at"));
    json_put_str(payload, "component", STR("tracepool"));
    json_put_str(payload, "class", text_of(notice, "rule"));
    json_put(payload, "custom_details", json_deep_copy(notice));
    return payload;
}

static json_t *as_pagerduty(const struct conf *conf, const json_t *notice)
{
    json_t *body = json_object();
    bool is_firing = is_state(notice, "firing");

    json_put_str(body, "routing_key", str_from(conf->alerts_webhook_secret));
    json_put_str(body, "event_action",
                 is_firing                          ? STR("trigger")
                 : is_state(notice, "acknowledged") ? STR("acknowledge")
                                                    : STR("resolve"));
    json_put_str(body, "dedup_key", text_of(notice, "incident"));
    if (is_firing)
        json_put(body, "payload", pagerduty_payload(notice));
    return body;
}

/* ---- Slack ---- */

/* Three characters have to be written as entities: https://api.slack.com/reference/surfaces/formatting */
static void put_slack_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '&':
            buf_append_str(out, STR("&amp;"));
            break;
        case '<':
            buf_append_str(out, STR("&lt;"));
            break;
        case '>':
            buf_append_str(out, STR("&gt;"));
            break;
        default:
            buf_append_char(out, text.ptr[i]);
        }
    }
}

static json_t *as_slack(const json_t *notice)
{
    json_t *body = json_object();
    SCOPED_VALUE(buf) text;

    buf_init(&text, TEXT_BYTES);
    buf_printf(&text, "*%.*s* (%.*s): ", STR_ARG(text_of(notice, "state")),
               STR_ARG(text_of(notice, "severity")));
    put_slack_text(&text, text_of(notice, "message"));
    if (is_state(notice, "firing")) {
        buf_append_char(&text, '\n');
        put_slack_text(&text, text_of(notice, "advice"));
    } else if (is_state(notice, "acknowledged")) {
        buf_append_str(&text, STR("\nby "));
        put_slack_text(&text, text_of(notice, "acknowledged_by"));
    }
    json_put_str(body, "text", buf_str(&text));
    return body;
}

void notice_write(const struct conf *conf, const json_t *notice, struct buf *body)
{
    const char *format = conf->alerts_webhook_format;
    SCOPED(json_t) object = strcmp(format, "pagerduty") == 0 ? as_pagerduty(conf, notice)
                            : strcmp(format, "slack") == 0   ? as_slack(notice)
                                                             : as_json(notice);

    json_write(object, body);
}

void notice_sign(const struct conf *conf, struct str body, struct buf *header)
{
    char hex[2 * SHA256_BYTES + 1];

    if (strcmp(conf->alerts_webhook_format, "json") != 0 || !*conf->alerts_webhook_secret)
        return;
    hmac_sha256_hex(str_from(conf->alerts_webhook_secret), body, hex);
    buf_printf(header, "X-Tracepool-Signature: sha256=%s", hex);
}

/* ---- addresses ---- */

/* The next word of *rest; false at its end. */
static bool next_url(struct str *rest, struct str *url)
{
    while (str_cut(rest, ' ', url)) {
        *url = str_trim(*url);
        if (url->len > 0)
            return true;
    }
    return false;
}

bool notice_check_settings(const struct conf *conf, int *ntargets, struct err *err)
{
    int n = 0;

    for (struct str rest = str_from(conf->alerts_webhook_url), url; next_url(&rest, &url);) {
        n++;
        if (!str_starts_nocase(url, STR("https://")) && !str_starts_nocase(url, STR("http://")))
            return err_set(err, ERR_BAD_SETTING, "alerts.webhook_url: address %d is no http or https URL", n);
    }
    if (n > MAX_TARGETS)
        return err_set(err, ERR_BAD_SETTING, "alerts.webhook_url: %d addresses; %d are the most", n,
                       MAX_TARGETS);
    if (n > 0 && strcmp(conf->alerts_webhook_format, "pagerduty") == 0 && !*conf->alerts_webhook_secret)
        return err_set(err, ERR_BAD_SETTING,
                       "alerts.webhook_format is pagerduty: give the routing key as alerts.webhook_secret");
    *ntargets = n;
    return true;
}

void notice_put_url(const struct conf *conf, int target, struct buf *out)
{
    for (struct str rest = str_from(conf->alerts_webhook_url), url; next_url(&rest, &url);)
        if (--target == 0)
            buf_append_str(out, url);
}
