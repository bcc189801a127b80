/*
 * fuzz_connection.c - any bytes as the connection string of a database.
 *
 * Expected: an error never quotes the string, which may hold a password; what libpq is given names each host
 * and address once, and what it says is one line without the password.
 */
#include "common/pg/resolve.h"
#include "common/pg/tls.h"
#include "tests/fuzz/fuzz.h"

static void expect_params(const struct pg_target *t)
{
    struct pg_extras extras = {
        .application_name = "fuzz", .connect_timeout_ms = 2000, .statement_timeout_ms = 4000};
    struct pg_address addresses[PG_MAX_ADDRESSES];
    struct pg_params p;
    int n = 0;

    if (!pg_resolve_literals(t, addresses, &n))
        n = 0;
    EXPECT(n <= PG_MAX_ADDRESSES && t->nhosts <= PG_MAX_HOSTS);
    pg_params_init(&p, t, addresses, n, 1, &extras);
    EXPECT(p.n < PG_MAX_PARAMS && !p.keywords[p.n]);
    for (int i = 0; i < p.n; i++)
        for (int k = 0; k < i; k++)
            EXPECT(strcmp(p.keywords[i], p.keywords[k]) != 0);
    pg_params_finish(&p);
}

static bool is_option(const struct pg_target *t, const char *keyword, const char *value)
{
    for (const PQconninfoOption *o = t->options; o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val && strcmp(o->val, value) == 0;
    return false;
}

/* A password that is the user's or the database's name is in every message anyway. */
static void expect_clean(const struct pg_target *t, const char *url)
{
    char out[300];

    pg_target_clean_text(t, url, out, sizeof(out));
    EXPECT(!strchr(out, '\n') && strlen(out) < sizeof(out));
    pg_target_clean_text(t, "said: " FUZZ_SECRET "!\nagain\n", out, sizeof(out));
    EXPECT(!strchr(out, '\n'));
    if (is_option(t, "password", FUZZ_SECRET) && !is_option(t, "user", FUZZ_SECRET) &&
        !is_option(t, "dbname", FUZZ_SECRET))
        EXPECT(!strstr(out, FUZZ_SECRET));
}

static void fuzz_url(const char *url)
{
    struct pg_target t = {0};
    struct err err = {.code = ERR_OK};

    if (!pg_target_init(&t, url, &err)) {
        EXPECT(err.code == ERR_BAD_SETTING && !strstr(err.detail, FUZZ_SECRET));
        return;
    }
    (void)pg_tls_is_optional(&t);
    expect_params(&t);
    expect_clean(&t, url);
    pg_target_finish(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    struct str bytes = {(const char *)data, size};

    bytes.len = size ? strnlen(bytes.ptr, size) : 0;
    buf_append_str(&text, bytes);
    fuzz_url(buf_cstr(&text));
    buf_clear(&text);
    buf_append_str(&text, STR("postgresql://ann:" FUZZ_SECRET));
    buf_append_str(&text, bytes);
    fuzz_url(buf_cstr(&text));
    return 0;
}
