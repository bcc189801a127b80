/*
 * fuzz_claim.c - any bytes as the texts of a claimed row: each line is one column, as PostgreSQL would hand
 * it over, the first the request's options.
 *
 * Expected: who it is survives, whatever the rest says; numbers are within the settings' limits; a bad row is
 * an error and no end of the process. Positions in the queue come out as literals of PostgreSQL's arrays.
 */
#include "common/pg/row.h"
#include "tests/fuzz/fuzz.h"
#include "worker/claim_row.h"
#include "worker/cursors.h"

enum { ARENA_BYTES = 256 * 1024, FILLED = 8 };

/* The first are filled from the input; numbers are the database's own. */
static const char *const names[] = {
    "options",        "proxy_port",  "proxy_host",   "proxy_scheme",   "tracking_url", "offer_name",
    "target_country", "proxy_user",  "proxy_secret", "request_id",     "ip_address",   "attempt",
    "retry_count",    "max_retries", "wait_ms",      "request_cursor", "ip_cursor",    "offer_id"};
static const char *const fixed[] = {
    [8] = "acme", "0190a0e4-0000-7000-8000-000000000001", "user-1", "2", "1", "2", "40", "",
    "",           "0190a0e4-0000-7000-8000-000000000002"};

static PGresult *row_of(struct str text)
{
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[ARRAY_LEN(names)] = {0};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        columns[i] = (PGresAttDesc){.name = (char *)names[i], .typid = 25, .typlen = -1};
    EXPECT(PQsetResultAttrs(res, ARRAY_LEN(names), columns));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value = i < FILLED ? fuzz_line(&text) : str_from(fixed[i]);

        value.len = strnlen(value.ptr, value.len); /* text of PostgreSQL has no NUL */
        EXPECT(PQsetvalue(res, 0, (int)i, (char *)value.ptr, (int)value.len));
    }
    return res;
}

static void expect_claim(const struct trace_claim *c)
{
    EXPECT(c->proxy.port >= 1 && c->proxy.port <= 65535 && c->proxy.host.len);
    EXPECT(c->max_hops >= 1 && c->max_hops <= 100 && c->timeout_ms >= 100 && c->timeout_ms <= 90000);
    EXPECT(c->nexpected_params <= 64 && c->evidence < 1u << EVIDENCE_COUNT && c->user_agent.len);
    EXPECT(c->mode == MODE_AUTO || (!c->is_sampled && !c->learnt.len));
    for (int i = 0; i < c->nexpected_params; i++)
        fuzz_expect_utf8(c->expected_params[i]);
}

static void fuzz_cursors(struct str text)
{
    static struct cursors cursors;
    SCOPED_VALUE(buf) countries = {.max = FUZZ_TEXT_BYTES};
    SCOPED_VALUE(buf) requests = {.max = FUZZ_TEXT_BYTES};
    SCOPED_VALUE(buf) ips = {.max = FUZZ_TEXT_BYTES};

    cursors.n = 0;
    while (text.ptr) {
        struct str country = fuzz_line(&text), request = fuzz_line(&text);

        cursors_put(&cursors, country, request, fuzz_line(&text));
    }
    cursors_write(&cursors, &countries, &requests, &ips);
    /* Between quotes that nothing in an item ends, an array literal's items are JSON's. */
    for (int i = 0; i < 3; i++) {
        struct buf *list = i == 0 ? &countries : i == 1 ? &requests : &ips;
        struct err err;

        SCOPED_VALUE(buf) clean = {.max = FUZZ_TEXT_BYTES};

        EXPECT(list->len >= 2 && list->data[0] == '{' && list->data[list->len - 1] == '}');
        list->data[0] = '[';
        list->data[list->len - 1] = ']';
        json_clean_utf8(buf_str(list), &clean);
        SCOPED(json_t) items = json_parse(buf_str(&clean), &err);
        EXPECT(items && json_array_size(items) == (size_t)cursors.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf conf = {.trace_timeout_s = 90,
                        .trace_max_hops = 20,
                        .auto_sample_percent = 1,
                        .http_user_agent = "",
                        .http_contact = ""};
    struct str text = {(const char *)data, size};
    SCOPED(PGresult) res = row_of(text);
    struct claim_columns at = claim_columns_of(res);
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct trace_claim claim;
    struct err err = {.code = ERR_OK};

    if (claim_read(res, 0, &at, &conf, &a, &claim, &err))
        expect_claim(&claim);
    else
        EXPECT(err.code == ERR_PROXY_UNKNOWN || err.code == ERR_BAD_INPUT || err.code == ERR_TOO_BIG);
    EXPECT(a.is_full ||
           (str_equal(claim.ip, STR("user-1")) && claim.attempt == 2 && claim.request_id.len == 36));
    EXPECT(claim.timeout_ms >= 100);
    fuzz_cursors(text);
    return 0;
}
