/*
 * fuzz_result.c - any bytes as what targets said, in a trace's result, and the result as JSON, as HAR and as
 * a table for a terminal. Each line is the next text: URLs, headers, notes, cookies, messages.
 *
 * Expected: JSON that reads the same again, and text that a terminal shows and does not obey; no credentials
 * of a URL in a HAR.
 */
#include "tests/fuzz/fuzz.h"
#include "worker/evidence/har.h"
#include "worker/evidence/kept.h"
#include "worker/evidence/table.h"

enum { ARENA_BYTES = 8 * 1024 * 1024, HOPS = 3, ALL_KINDS = (1 << EVIDENCE_COUNT) - 1 };

static void fill_certificate(struct arena *a, struct hop *hop, struct str *rest)
{
    hop->certificate = (struct hop_certificate){.subject = fuzz_line(rest),
                                                .issuer = fuzz_line(rest),
                                                .not_after = fuzz_line(rest),
                                                .error = fuzz_line(rest)};
    certificate_add_name(a, &hop->certificate, fuzz_line(rest));
}

static void fill_hop(struct arena *a, struct hop *hop, struct str *rest)
{
    static struct hop_header headers[HOPS];
    static struct str names[HOPS];
    static int next;
    int at = next++ % HOPS;

    hop->url = fuzz_line(rest);
    hop->status = (int)hop->url.len;
    hop->via = hop->url.len % VIA_COUNT;
    hop->http_version = hop->tls_version = fuzz_line(rest);
    hop->content_type = fuzz_line(rest);
    headers[at] = (struct hop_header){fuzz_line(rest), fuzz_line(rest)};
    hop->headers = &headers[at];
    names[at] = fuzz_line(rest);
    hop->cookie_names = &names[at];
    hop->nheaders = hop->ncookie_names = 1;
    fill_certificate(a, hop, rest);
    hop_add_note(a, hop, arena_cstr(a, fuzz_line(rest)));
}

static void fill(struct arena *a, struct trace_result *r, struct str rest)
{
    struct kept_cookie cookie;
    struct kept_message message = {.line = 7, .column = 1};

    for (int i = 0; i < HOPS && rest.ptr; i++)
        fill_hop(a, chain_add_hop(a, &r->chain), &rest);
    cookie = (struct kept_cookie){.name = fuzz_line(&rest),
                                  .value = fuzz_line(&rest),
                                  .domain = fuzz_line(&rest),
                                  .path = fuzz_line(&rest),
                                  .same_site = fuzz_line(&rest)};
    kept_add_cookie(a, &r->kept, &cookie);
    message.kind = STR("error");
    message.text = fuzz_line(&rest);
    message.source = fuzz_line(&rest);
    kept_add_message(a, &r->kept, &message);
    EXPECT(trace_result_extract(a, r));
}

/* Written and read again it is the same. */
static void expect_json(json_t *value, struct buf *text)
{
    struct err err;

    EXPECT(value);
    json_write(value, text);
    SCOPED(json_t) again = json_parse(buf_str(text), &err);
    EXPECT(again && json_equal(value, again));
    json_decref(value);
}

static void write_json(const struct trace_result *r)
{
    json_t *(*const ways[])(const struct trace_result *) = {trace_result_json, kept_cookies_json,
                                                            kept_console_json, har_json};

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};

        expect_json(ways[i](r), &text);
    }
}

static void write_table(const struct trace_result *r, int width)
{
    static const struct str expected[] = {{"order", 5}};
    struct table_style style = {.width = width};
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    struct str rest, line;

    EXPECT(table_write(&text, r, expected, 1, &style) && table_write_kept(&text, r, ALL_KINDS, &style));
    fuzz_expect_utf8(buf_str(&text));
    for (rest = buf_str(&text); str_cut(&rest, '\n', &line);)
        fuzz_expect_one_line(line);
}

/* "http://ann:s3cr3t@HOST...": what is behind the host is the input's. */
static void expect_no_credentials(struct arena *a, struct str bytes)
{
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    struct trace_result r = {.started_at_ms = 1};
    struct hop *hop = chain_add_hop(a, &r.chain);
    struct hop_header header = {STR("location"), STR("")};

    hop->url = str_from(arena_printf(a, "http://ann:" FUZZ_SECRET "@shop.test/%.*s", STR_ARG(bytes)));
    header.value = hop->url;
    hop->headers = &header;
    hop->nheaders = 1;
    expect_json(har_json(&r), &text);
    EXPECT(fuzz_has(bytes, STR(FUZZ_SECRET)) || !fuzz_has(buf_str(&text), STR("ann:" FUZZ_SECRET)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct trace_result r = {.started_at_ms = 1, .proxy_ms = -1, .detection_reason = STR("")};
    struct str bytes = {(const char *)data, size};

    if (size > 65536)
        return 0;
    fill(&a, &r, bytes);
    err_set(&r.err, ERR_TARGET_PROTOCOL, "%.*s", size < 100 ? (int)size : 100, (const char *)data);
    write_json(&r);
    write_table(&r, 0);
    write_table(&r, 60);
    expect_no_credentials(&a, bytes);
    return 0;
}
