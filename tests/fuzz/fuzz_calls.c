/*
 * fuzz_calls.c - what the operator's API takes: any bytes as the body of each call, as a query string of the
 * dashboard, and as an Authorization header.
 *
 * Expected: what is accepted is within its limits and has its types; a refusal is a sentence, and leaves the
 * defaults; nobody gets in with a token that is not one of the two.
 */
#include "common/url.h"
#include "common/uuid.h"
#include "monitor/api.h"
#include "monitor/ask.h"
#include "monitor/body.h"
#include "monitor/dashboard.h"
#include "tests/fuzz/fuzz.h"

static void expect_refused(const struct err *err)
{
    EXPECT(err->code == ERR_BAD_INPUT && err->detail[0]);
}

static void fuzz_numbers(struct str body)
{
    int64_t size = 10, at_once = 5;
    const struct body_field fields[] = {{"batch_size", 1, 100, &size}, {"max_concurrent", 1, 50, &at_once}};
    struct err err = {.code = ERR_OK};

    if (!body_read(body, fields, ARRAY_LEN(fields), &err)) {
        expect_refused(&err);
        EXPECT(size == 10 && at_once == 5);
    }
    EXPECT(size >= 1 && size <= 100 && at_once >= 1 && at_once <= 50);
}

static struct str member(const json_t *ask, const char *key)
{
    return json_get_str(ask, key, STR(""));
}

static void expect_url(struct str text)
{
    SCOPED_VALUE(arena) a = {.ceiling = 1024 * 1024};
    struct url url;
    struct err err;

    if (text.len)
        EXPECT(url_parse(&a, text, NULL, &url, &err) && url_is_http(&url));
}

static void expect_ask(const json_t *ask)
{
    const json_t *options = json_object_get(ask, "options");
    int64_t hops = json_get_int(options, "max_hops", 1),
            timeout_ms = json_get_int(options, "timeout_ms", 100);

    EXPECT(json_is_object(options));
    expect_url(member(ask, "tracking_url"));
    expect_url(member(options, "referrer"));
    EXPECT(hops >= 1 && hops <= 100 && timeout_ms >= 100 && timeout_ms <= 600000);
    EXPECT(!member(ask, "request_id").len || uuid_is_valid(member(ask, "request_id")));
    EXPECT(!member(ask, "target_country").len || member(ask, "target_country").len == 2);
}

static void fuzz_asks(struct str body)
{
    for (int i = 0; i < 2; i++) {
        struct err err = {.code = ERR_OK};
        SCOPED(json_t) ask = i ? ask_read_process(body, &err) : ask_read_intelligent(body, &err);

        if (ask)
            expect_ask(ask);
        else
            expect_refused(&err);
    }
}

static void fuzz_query(struct str query)
{
    static const char *const names[] = {"search", "status", "before_id", "limit", NULL};
    struct err err = {.code = ERR_OK};
    SCOPED(json_t) arguments = dashboard_arguments(query, names, &err);

    if (!arguments) {
        expect_refused(&err);
        return;
    }
    EXPECT(json_object_size(arguments) < ARRAY_LEN(names));
    for (size_t i = 0; names[i]; i++)
        fuzz_expect_utf8(member(arguments, names[i]));
}

static void fuzz_token(struct str header)
{
    bool is_in = api_token_matches(header, STR("now"), STR("before"));
    struct str token = str_trim(str_slice(header, str_find(header, 0, ' '), header.len));

    EXPECT(!is_in || str_equal(token, STR("now")) || str_equal(token, STR("before")));
    EXPECT(!api_token_matches(header, STR(""), STR("")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};

    fuzz_numbers(bytes);
    fuzz_asks(bytes);
    fuzz_query(bytes);
    fuzz_token(bytes);
    return 0;
}
