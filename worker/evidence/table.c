/*
 * table.c - the table of hops. Columns are as wide as their widest cell; the URL takes the rest.
 */
#include "worker/evidence/table.h"

#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { URL_MIN = 30, VALUE_MAX = 60, INDENT = 4, CERTIFICATE_DAYS = 14 };

enum color { PLAIN, BOLD, DIM, GREEN, YELLOW, RED, CYAN };

static const char *const codes[] = {"\033[0m",  "\033[1m",  "\033[2m", "\033[32m",
                                    "\033[33m", "\033[31m", "\033[36m"};

struct table {
    struct buf *out;
    const struct table_style *style;
    int why_width, time_width, url_width;
};

struct table_style table_style_of_stdout(void)
{
    struct table_style style = {0};
    struct winsize size;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    if (!isatty(STDOUT_FILENO))
        return style;
    style.has_color = !(no_color && no_color[0]) && !(term && strcmp(term, "dumb") == 0);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        style.width = size.ws_col;
    return style;
}

static void color(struct table *t, enum color c)
{
    if (t->style->has_color)
        buf_append_str(t->out, str_from(codes[c]));
}

/* At most max bytes (0: all of them), as UTF-8; what a terminal would obey becomes '?'. */
static void text(struct table *t, struct str bytes, size_t max)
{
    SCOPED_VALUE(buf) clean = {.max = 3 * bytes.len};
    struct str s;
    bool is_cut;

    json_clean_utf8(bytes, &clean);
    s = buf_str(&clean);
    is_cut = max && s.len > max;
    if (is_cut)
        s.len = max - 1;
    while (is_cut && s.len && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
        s.len--; /* not in the middle of a character */
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool is_c1 = c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0;

        buf_append_char(t->out, c < 0x20 || c == 0x7f || is_c1 ? '?' : s.ptr[i]);
        i += is_c1;
    }
    if (is_cut)
        buf_append_str(t->out, STR("…"));
}

static enum color color_of_status(int status)
{
    if (status == 0 || status >= 500)
        return RED;
    if (status >= 400)
        return YELLOW;
    return status >= 300 ? CYAN : GREEN;
}

static enum color color_of_outcome(enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        return GREEN;
    return outcome == OUTCOME_EXTERNAL_SCHEME ? CYAN : RED;
}

/* "302", "meta refresh", "start": the via, with the words that say no more taken out. */
static struct str why_of(enum via via, char *room, size_t size)
{
    struct str name = str_from(via_name(via));
    size_t len = 0;

    if (str_starts(name, STR("http_")))
        name = str_slice(name, 5, name.len);
    for (; len < name.len && len < size; len++)
        room[len] = name.ptr[len] == '_' ? ' ' : name.ptr[len];
    return (struct str){room, len};
}

/* Host and path; the query is told by its parameters, in the lines below. */
static struct str place_of(struct str url)
{
    size_t query = str_find(url, 0, '?'), fragment = str_find(url, 0, '#');

    if (str_starts(url, STR("http://")))
        return str_slice(url, 7, query < fragment ? query : fragment);
    if (str_starts(url, STR("https://")))
        return str_slice(url, 0, query < fragment ? query : fragment);
    return url;
}

static int digits(int64_t n)
{
    int count = 1;

    for (; n >= 10; n /= 10)
        count++;
    return count;
}

static void measure(struct table *t, const struct chain *chain)
{
    char room[32];
    int rest;

    t->why_width = (int)strlen("why");
    t->time_width = (int)strlen("time");
    for (int i = 0; i < chain->nhops; i++) {
        int why = (int)why_of(chain->hops[i].via, room, sizeof(room)).len;
        int time = chain->hops[i].timing.total < 0 ? 1 : digits(chain->hops[i].timing.total) + 3;

        t->why_width = why > t->why_width ? why : t->why_width;
        t->time_width = time > t->time_width ? time : t->time_width;
    }
    rest = t->style->width - (4 + 8 + t->why_width + 2 + t->time_width + 2);
    t->url_width = t->style->width == 0 ? 0 : rest < URL_MIN ? URL_MIN : rest;
}

static void header_line(struct table *t)
{
    color(t, BOLD);
    buf_printf(t->out, "%3s  %-6s  %-*s  %*s  %s", "hop", "status", t->why_width, "why", t->time_width,
               "time", "where");
    color(t, PLAIN);
    buf_append_char(t->out, '\n');
}

static void hop_line(struct table *t, const struct hop *hop, int number)
{
    char room[32], status[16] = "-", time[24] = "-";
    struct str why = why_of(hop->via, room, sizeof(room));

    if (hop->status)
        snprintf(status, sizeof(status), "%d", hop->status);
    if (hop->timing.total >= 0)
        snprintf(time, sizeof(time), "%d ms", hop->timing.total);
    buf_printf(t->out, "%3d  ", number);
    color(t, color_of_status(hop->status));
    buf_printf(t->out, "%-6s", status);
    color(t, PLAIN);
    buf_printf(t->out, "  %-*.*s  %*s  ", t->why_width, STR_ARG(why), t->time_width, time);
    text(t, place_of(hop->url), (size_t)t->url_width);
    buf_append_char(t->out, '\n');
}

static void indent(struct table *t)
{
    buf_printf(t->out, "%*s", INDENT + 8 + t->why_width + 2 + t->time_width + 3, "");
}

/* The parameters that this hop brought, or changed to what they were in the end. */
static void param_lines(struct table *t, const struct trace_result *r, int hop)
{
    for (int i = 0; i < r->nparams; i++) {
        const struct chain_param *p = &r->params[i];

        if (p->since != hop)
            continue;
        indent(t);
        color(t, GREEN);
        buf_append_str(t->out, STR("+ "));
        text(t, p->name, VALUE_MAX);
        color(t, PLAIN);
        buf_append_str(t->out, STR(" = "));
        text(t, p->value, VALUE_MAX);
        buf_append_char(t->out, '\n');
    }
}

static void note_lines(struct table *t, const struct hop *hop)
{
    for (int i = 0; i < hop->nnotes; i++) {
        indent(t);
        color(t, YELLOW);
        buf_append_str(t->out, STR("! "));
        text(t, hop->notes[i], 0);
        color(t, PLAIN);
        buf_append_char(t->out, '\n');
    }
}

/* A certificate that ends soon is worth a word: the chain will break then. */
static void certificate_line(struct table *t, const struct hop *hop, const struct hop *before)
{
    const struct hop_certificate *c = &hop->certificate;
    struct tm tm = {0};
    char end[32];
    double days;

    if (!c->not_after.len || c->error.len ||
        (before && str_equal(before->certificate.not_after, c->not_after)))
        return;
    snprintf(end, sizeof(end), "%.*s", STR_ARG(c->not_after));
    if (!strptime(end, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return;
    days = difftime(timegm(&tm), time(NULL)) / 86400;
    if (days < 0 || days > CERTIFICATE_DAYS)
        return;
    indent(t);
    color(t, YELLOW);
    buf_printf(t->out, "! the certificate ends in %d days, on %.10s", (int)days, end);
    color(t, PLAIN);
    buf_append_char(t->out, '\n');
}

static bool is_found(const struct trace_result *r, struct str name)
{
    return trace_result_has_params(r, &name, 1);
}

static void missing_line(struct table *t, const struct trace_result *r, const struct str *expected, int n)
{
    bool is_first = true;

    for (int i = 0; i < n; i++) {
        if (is_found(r, expected[i]))
            continue;
        color(t, YELLOW);
        buf_append_str(t->out, is_first ? STR("missing: ") : STR(", "));
        text(t, expected[i], 0);
        is_first = false;
    }
    if (is_first)
        return;
    color(t, PLAIN);
    buf_append_char(t->out, '\n');
}

static void verdict(struct table *t, const struct trace_result *r)
{
    color(t, color_of_outcome(r->outcome));
    buf_append_str(t->out, str_from(outcome_name(r->outcome)));
    color(t, PLAIN);
    buf_printf(t->out, ": %d hop%s in %lld ms, %lld bytes, %s", r->chain.nhops,
               r->chain.nhops == 1 ? "" : "s", (long long)r->total_ms, (long long)r->bytes,
               trace_mode_name(r->mode_used));
    if (r->detection_reason.len)
        buf_printf(t->out, " (%.*s)", STR_ARG(r->detection_reason));
    buf_append_char(t->out, '\n');
    if (r->err.code != ERR_OK) {
        color(t, RED);
        buf_append_str(t->out, str_from(err_name(r->err.code)));
        color(t, PLAIN);
        buf_append_str(t->out, STR(": "));
        text(t, str_from(r->err.detail), 0);
        buf_append_char(t->out, '\n');
    }
    if (!r->final_url.len)
        return;
    buf_append_str(t->out, STR("final: "));
    text(t, r->final_url, 0);
    buf_append_char(t->out, '\n');
}

bool table_write(struct buf *out, const struct trace_result *r, const struct str *expected, int nexpected,
                 const struct table_style *style)
{
    struct table t = {.out = out, .style = style};

    measure(&t, &r->chain);
    if (r->chain.nhops)
        header_line(&t);
    for (int i = 0; i < r->chain.nhops; i++) {
        hop_line(&t, &r->chain.hops[i], i + 1);
        param_lines(&t, r, i);
        note_lines(&t, &r->chain.hops[i]);
        certificate_line(&t, &r->chain.hops[i], i ? &r->chain.hops[i - 1] : NULL);
    }
    if (r->chain.nhops)
        buf_append_char(out, '\n');
    missing_line(&t, r, expected, nexpected);
    verdict(&t, r);
    return !out->is_full;
}

/* --- what was kept beyond the chain --------------------------------------------------------------- */

static void heading(struct table *t, const char *what, int n, int left_out)
{
    buf_append_char(t->out, '\n');
    color(t, BOLD);
    buf_printf(t->out, "%s: %d", what, n);
    color(t, PLAIN);
    if (left_out)
        buf_printf(t->out, ", and %d more", left_out);
    buf_append_char(t->out, '\n');
}

static void cookie_line(struct table *t, const struct kept_cookie *c)
{
    buf_append_str(t->out, STR("  "));
    text(t, c->domain, VALUE_MAX);
    text(t, c->path, VALUE_MAX);
    buf_append_str(t->out, STR("  "));
    color(t, GREEN);
    text(t, c->name, VALUE_MAX);
    color(t, PLAIN);
    buf_append_str(t->out, STR(" = "));
    text(t, c->value, VALUE_MAX);
    color(t, DIM);
    if (!c->is_host_only)
        buf_append_str(t->out, STR("  with its subdomains"));
    if (c->is_secure)
        buf_append_str(t->out, STR("  secure"));
    if (c->is_http_only)
        buf_append_str(t->out, STR("  http only"));
    if (c->same_site.len)
        buf_append_str(t->out, STR("  SameSite="));
    text(t, c->same_site, VALUE_MAX);
    color(t, PLAIN);
    buf_append_char(t->out, '\n');
}

static void message_line(struct table *t, const struct kept_message *m)
{
    buf_printf(t->out, "  hop %-2d ", m->hop + 1);
    color(t, str_equal(m->kind, STR("warning")) ? YELLOW : RED);
    text(t, m->kind, VALUE_MAX);
    color(t, PLAIN);
    buf_append_str(t->out, STR("  "));
    text(t, m->text, 0);
    if (m->source.len) {
        color(t, DIM);
        buf_append_str(t->out, STR("  "));
        text(t, m->source, 0);
        if (m->line)
            buf_printf(t->out, ":%lld", (long long)m->line);
        color(t, PLAIN);
    }
    buf_append_char(t->out, '\n');
}

bool table_write_kept(struct buf *out, const struct trace_result *r, unsigned wanted,
                      const struct table_style *style)
{
    struct table t = {.out = out, .style = style};
    const struct kept *kept = &r->kept;

    if (evidence_has(wanted, EVIDENCE_COOKIES))
        heading(&t, "cookies", kept->ncookies, kept->cookies_left_out);
    for (int i = 0; evidence_has(wanted, EVIDENCE_COOKIES) && i < kept->ncookies; i++)
        cookie_line(&t, &kept->cookies[i]);
    if (evidence_has(wanted, EVIDENCE_CONSOLE))
        heading(&t, "console", kept->nmessages, kept->messages_left_out);
    for (int i = 0; evidence_has(wanted, EVIDENCE_CONSOLE) && i < kept->nmessages; i++)
        message_line(&t, &kept->messages[i]);
    return !out->is_full;
}
