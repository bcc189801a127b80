/*
 * fuzz_proxy.c - any bytes as a proxy, as --proxy takes it.
 *
 * Expected: what is accepted has a scheme, a host and a port that make a URL of visible ASCII, without
 * credentials, that is read as the same proxy; no error repeats user or password.
 */
#include "tests/fuzz/fuzz.h"
#include "worker/tracer/proxy.h"
#include "worker/tracer/tracer.h"

enum { ARENA_BYTES = 1024 * 1024 };

static void expect_same_without_credentials(struct arena *a, const struct trace_proxy *p)
{
    const char *url = tracer_proxy_url(a, p);
    struct trace_proxy again;
    struct err err;

    EXPECT(url);
    fuzz_expect_visible_ascii(str_from(url));
    EXPECT(tracer_proxy_parse(a, str_from(url), &again, &err));
    EXPECT(str_equal(again.scheme, p->scheme) && str_equal(again.host, p->host) && again.port == p->port);
    EXPECT(!again.user.len && !again.password.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    struct sockaddr_storage address;
    struct trace_proxy p;
    struct err err = {.code = ERR_OK};
    struct str bytes = {(const char *)data, size};

    buf_append_str(&text, STR("http://ann:" FUZZ_SECRET));
    buf_append_str(&text, bytes);
    if (!tracer_proxy_parse(&a, buf_str(&text), &p, &err) || !tracer_proxy_check(&p, &err))
        EXPECT(!fuzz_has(str_from(err.detail), STR(FUZZ_SECRET)) || fuzz_has(bytes, STR(FUZZ_SECRET)));
    if (!tracer_proxy_parse(&a, bytes, &p, &err))
        return 0;
    if (!tracer_proxy_check(&p, &err))
        return 0;
    EXPECT(p.host.len && p.port >= 1 && p.port <= 65535);
    (void)tracer_proxy_address(&p, &address);
    expect_same_without_credentials(&a, &p);
    return 0;
}
