/*
 * fuzz_values.c - any bytes as a duration and as an offset of a progress event or a skip.
 *
 * Holds: a duration is -1 or not negative; one that was read reads the same when it is written down again;
 * an offset lies where its kind says, in a creative of any duration; a duration is an offset, too.
 */
#include "worker/vast/vast.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(int64_t ms)
{
    char text[64];

    snprintf(text, sizeof(text), "%02" PRId64 ":%02d:%02d.%03d", ms / 3600000, (int)(ms / 60000 % 60),
             (int)(ms / 1000 % 60), (int)(ms % 1000));
    assert(vast_duration_ms(str_from(text)) == ms);
}

static void place(const struct vast_offset *offset)
{
    static const int64_t durations[] = {-1, 0, 1, 15000, INT64_C(3600000) * 1000000000};

    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        int64_t at = vast_offset_at(offset, durations[i]);

        if (offset->kind == VAST_OFFSET_MS)
            assert(at == offset->ms && at >= 0);
        else if (offset->kind == VAST_OFFSET_PERCENT && durations[i] >= 0)
            assert(at >= 0 && at <= durations[i]);
        else
            assert(at == -1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    int64_t ms = vast_duration_ms(text);
    struct vast_offset offset = vast_read_offset(text);

    assert(ms >= -1);
    assert(ms < 0 || (offset.kind == VAST_OFFSET_MS && offset.ms == ms));
    if (ms >= 0 && ms / 3600000 < 1000000000)
        write_and_read(ms);
    place(&offset);
    return 0;
}
