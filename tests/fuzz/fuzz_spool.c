/*
 * fuzz_spool.c - any bytes as a spool file. Input: how many bytes come with each read, then the file.
 *
 * Expected: whatever the file holds, reading it piece by piece finds the same records and the same damage
 * as reading it at once, and records that are appended behind it are found again.
 */
#include "edge/segment.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_BYTES = 64 * 1024 * 1024 };

static void note(struct buf *found, const struct segment_record *record)
{
    buf_printf(found, "%zu@%lld:", record->payload.len, (long long)record->at_ms);
    buf_append_str(found, record->payload);
}

/* What is found when the bytes come in steps. */
static struct segment_damage read_in_steps(struct str bytes, size_t step, struct buf *found)
{
    struct segment_damage damage = {0};
    struct segment_record record;
    size_t at = 0, there = 0;

    do {
        there = there + step < bytes.len ? there + step : bytes.len;
        for (size_t before = at;
             segment_next(str_slice(bytes, 0, there), there == bytes.len, &at, &record, &damage);
             before = at) {
            EXPECT(at >= before + SEGMENT_RECORD_HEAD + record.payload.len && at <= there);
            note(found, &record);
        }
    } while (there < bytes.len);
    EXPECT(at == bytes.len);
    EXPECT(damage.torn <= 1 && !damage.is_lost && damage.bytes <= bytes.len);
    return damage;
}

static void expect_same(struct segment_damage a, struct segment_damage b)
{
    EXPECT(a.records == b.records && a.torn == b.torn && a.bytes == b.bytes);
}

static size_t count(struct str bytes, struct segment_damage *damage)
{
    struct segment_record record;
    size_t at = 0, n = 0;

    *damage = (struct segment_damage){0};
    while (segment_next(bytes, true, &at, &record, damage))
        n++;
    return n;
}

/* Records that are written behind a whole segment are found; behind a torn one, they hide nothing. */
static void expect_appended_is_found(struct str bytes)
{
    SCOPED_VALUE(buf) text = {.max = TEXT_BYTES};
    struct segment_damage before, after;
    size_t had = count(bytes, &before), has;

    buf_append_str(&text, bytes);
    for (int i = 0; i < 2; i++)
        segment_put_record(&text, i, STR("{}"));
    has = count(buf_str(&text), &after);
    EXPECT(before.torn ? has >= had : has == had + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(buf) at_once = {.max = TEXT_BYTES}, in_steps = {.max = TEXT_BYTES};
    struct str bytes = {(const char *)data + 1, size ? size - 1 : 0};
    struct segment_damage whole, steps;
    uint64_t start;

    if (size == 0)
        return 0;
    segment_open(bytes, bytes.len, &start);
    EXPECT(start <= bytes.len);
    bytes = str_slice(bytes, (size_t)start, bytes.len);
    whole = read_in_steps(bytes, bytes.len + 1, &at_once);
    steps = read_in_steps(bytes, (size_t)data[0] + 1, &in_steps);
    EXPECT(str_equal(buf_str(&at_once), buf_str(&in_steps)));
    expect_same(whole, steps);
    expect_appended_is_found(bytes);
    return 0;
}
