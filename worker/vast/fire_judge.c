/*
 * fire_judge.c - what an answer to a tracking request means, or that there is none: tracked, failed, worth
 * another attempt, or of unknown fate. Sends nothing.
 */
#include "worker/vast/fire_internal.h"

#include "common/exhausted.h"

enum { PAUSE_MAX_MS = 600 * 1000, EXHAUSTED_PAUSE_MS = 1000 };

static const char *const outcome_names[FIRE_OUTCOME_COUNT] = {
#define NAME(code, name) [FIRE_##code] = name,
    FIRE_OUTCOMES(NAME)
#undef NAME
};

const char *fire_outcome_name(enum fire_outcome outcome)
{
    return outcome_names[outcome];
}

int64_t fire_now_ms(const struct fire *f)
{
    return f->options.now_ms(f->options.arg);
}

static bool is_repeatable(int status)
{
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status <= 599);
}

void fire_judge_answer(struct shot *s)
{
    struct fire_result *r = &s->result;
    curl_off_t pause_s = 0;

    curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &pause_s);
    r->phase = "answered";
    r->response_ms = fire_now_ms(s->fire) - s->started_ms;
    if ((r->status >= 200 && r->status <= 299) || r->status == 304) {
        r->outcome = FIRE_TRACKED;
        return;
    }
    err_set(&r->err, ERR_TARGET_PROTOCOL, "%.*s answered %d", STR_ARG(s->url.host), r->status);
    r->outcome = is_repeatable(r->status) && !s->is_billing ? FIRE_RETRY : FIRE_FAILED;
    if (r->outcome == FIRE_RETRY && pause_s > 0)
        r->pause_ms = pause_s < PAUSE_MAX_MS / 1000 ? pause_s * 1000 : PAUSE_MAX_MS;
}

static const char *phase_of(const struct shot *s)
{
    curl_off_t resolved = 0;
    long port = 0; /* ours: known once the socket is connected, while the connect time waits for TLS */

    if (s->is_sent)
        return "sent";
    curl_easy_getinfo(s->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    curl_easy_getinfo(s->easy, CURLINFO_LOCAL_PORT, &port);
    if (resolved == 0)
        return "resolve";
    return port == 0 ? "connect" : "tls";
}

static enum err_code error_of(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return ERR_TARGET_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return ERR_TARGET_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TARGET_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        return ERR_TARGET_TLS;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return ERR_TARGET_CLOSED;
    default:
        return ERR_TARGET_PROTOCOL;
    }
}

/* A certificate that is wrong now is wrong in two seconds; a URL that libcurl can't read stays one. */
static bool is_final(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_URL_MALFORMAT ||
           code == CURLE_UNSUPPORTED_PROTOCOL;
}

/* With r->err. Our own trouble is no attempt: the request waits for a machine that can send it. */
static void judge_exhausted(struct shot *s)
{
    struct fire_result *r = &s->result;

    if (s->was_sent) { /* up to a redirect */
        r->outcome = s->is_billing ? FIRE_FAILED : FIRE_RETRY;
        return;
    }
    r->outcome = FIRE_HELD;
    r->phase = "held";
    r->pause_ms = EXHAUSTED_PAUSE_MS;
}

void fire_judge_silence(struct shot *s, CURLcode code)
{
    struct fire_result *r = &s->result;
    int exhausted = curl_loop_exhausted(s->easy, code, s->socket_errno);

    r->phase = phase_of(s);
    if (exhausted) {
        exhausted_explain(&r->err, exhausted, "%.*s:%d", STR_ARG(s->url.host), url_effective_port(&s->url));
        return judge_exhausted(s);
    }
    err_set(&r->err, error_of(code), "%.*s: %s", STR_ARG(s->url.host),
            s->error[0] ? s->error : curl_easy_strerror(code));
    if (s->is_billing && s->is_sent)
        r->outcome = FIRE_UNKNOWN;
    else if (is_final(code) || (s->is_billing && s->was_sent))
        r->outcome = FIRE_FAILED;
    else
        r->outcome = FIRE_RETRY;
}

void fire_judge_refusal(struct shot *s)
{
    curl_loop_refuse(&s->result.err, s->url.host);
    if (s->result.err.code == ERR_HOST_EXHAUSTED)
        judge_exhausted(s);
    else
        s->result.outcome = s->was_sent ? FIRE_FAILED : FIRE_RETRY;
}

void fire_judge_stop(struct shot *s)
{
    s->result.outcome = s->was_sent ? FIRE_FAILED : FIRE_HELD;
    s->result.phase = s->was_sent ? "answered" : "held";
    err_set(&s->result.err, ERR_SHUTDOWN, "stopped before %s", s->was_sent ? "a redirect" : "it was sent");
}
