/*
 * fuzz_macros.c - any bytes as a template whose first bytes are also the value of [A].
 *
 * Holds: without a macro nothing changes; a value never adds a byte that would have to be encoded.
 */
#include "worker/vast/macros.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size}, value = str_slice(text, 0, 8), name;
    struct vast_macro item = {.name = {"A", 1}, .values = &value, .nvalues = 1};
    struct vast_macros macros = {.items = &item, .n = 1};
    size_t at = 0;

    for (int mode = 0; mode < 2; mode++) {
        SCOPED_VALUE(buf) out;

        buf_init(&out, 1 << 20);
        if (!vast_macro_expand(text, &macros, (enum vast_macro_mode)mode, &out))
            continue;
        if (at == 0 && !vast_macro_next(text, &at, &name))
            assert(str_equal(buf_str(&out), text));
    }
    return 0;
}
