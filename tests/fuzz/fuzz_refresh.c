/*
 * fuzz_refresh.c - any bytes as a refresh value. What comes out lies inside of the value, and blanks around
 * it change nothing.
 */
#include "common/buf.h"
#include "common/refresh.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES = 4 * 1024 * 1024 };

static void expect(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(buf) padded = {.max = TEXT_BYTES};
    struct str value = {(const char *)data, size};
    struct refresh r = {.delay_s = -1}, again = {.delay_s = -1};
    bool ok;

    if (size == 0)
        return 0;
    ok = refresh_parse(value, &r);
    expect(ok ? r.delay_s >= 0 : r.delay_s == -1);
    if (ok && r.url.ptr)
        expect(r.url.ptr >= value.ptr && r.url.ptr + r.url.len <= value.ptr + value.len);
    buf_append(&padded, " \t\r\n\f", 5);
    buf_append_str(&padded, value);
    expect(refresh_parse(buf_str(&padded), &again) == ok);
    expect(again.delay_s == r.delay_s && str_equal(again.url, r.url));
    return 0;
}
