/*
 * fuzz_cookies.c - lines as Set-Cookie headers, into libcurl's jar and out of it again; and as what libcurl
 * says of a TLS handshake.
 *
 * Expected: what is kept of a cookie is a name, a value and a host that stand for no other line; the state of
 * the jar is the same each time it is asked for, and another one when a cookie came.
 */
#include "tests/fuzz/fuzz.h"
#include "worker/tracer/internal.h"

enum { ARENA_BYTES = 1024 * 1024, LINES_MAX = 20 };

static void add_cookie(CURL *easy, struct str line)
{
    char text[4096];

    snprintf(text, sizeof(text), "Set-Cookie: %.*s", (int)(line.len < 4000 ? line.len : 4000), line.ptr);
    curl_easy_setopt(easy, CURLOPT_COOKIELIST, text);
}

static void expect_cookies(const struct kept *kept)
{
    for (int i = 0; i < kept->ncookies; i++) {
        const struct kept_cookie *c = &kept->cookies[i];

        EXPECT(c->domain.ptr && c->path.ptr && c->name.ptr && c->value.ptr && c->expires_s >= 0);
        EXPECT(!memchr(c->name.ptr, '\t', c->name.len) && !memchr(c->name.ptr, '\n', c->name.len));
    }
}

static void fuzz_jar(struct transfer *t, struct str lines)
{
    uint64_t empty = transfer_cookie_state(t), full;
    struct kept kept = {0};

    curl_easy_setopt(t->easy, CURLOPT_COOKIELIST, "Set-Cookie: first=1; domain=shop.test; path=/");
    EXPECT(transfer_cookie_state(t) != empty);
    for (int i = 0; i < LINES_MAX && lines.ptr && lines.len; i++)
        add_cookie(t->easy, fuzz_line(&lines));
    full = transfer_cookie_state(t);
    EXPECT(full == transfer_cookie_state(t));
    transfer_keep_cookies(t, &kept);
    expect_cookies(&kept);
}

static void fuzz_handshake(struct transfer *t, struct str line)
{
    char text[256];
    int len = snprintf(text, sizeof(text), "%.*s", (int)(line.len < 250 ? line.len : 250), line.ptr);

    transfer_on_debug(t->easy, CURLINFO_TEXT, text, (size_t)len, t);
    EXPECT(t->alpn.len <= line.len && t->tls_version.len <= line.len);
    EXPECT(!t->tls_version.ptr || !memchr(t->tls_version.ptr, ' ', t->tls_version.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct str lines = {(const char *)data, size};
    struct transfer t = {.arena = &a, .easy = curl_easy_init()};

    EXPECT(t.easy);
    curl_easy_setopt(t.easy, CURLOPT_COOKIEFILE, "");
    fuzz_jar(&t, lines);
    fuzz_handshake(&t, lines);
    curl_easy_cleanup(t.easy);
    return 0;
}
