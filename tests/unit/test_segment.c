/*
 * test_segment.c - the format of spool files, and what can be read of one that was torn, flipped or holed.
 */
#include "tests/unit/test.h"

#include "edge/segment.h"

#include <string.h>

static void put(struct buf *out, const char *payload)
{
    segment_put_record(out, 1000, str_from(payload));
}

/* All payloads, each followed by a blank, as one text; read at once, or in steps of one more byte. */
static void read_all(struct str bytes, bool in_steps, struct buf *out, struct segment_damage *damage)
{
    struct segment_record record;
    size_t at = 0;

    *damage = (struct segment_damage){0};
    buf_clear(out);
    for (size_t len = in_steps ? at : bytes.len; len <= bytes.len; len++) {
        while (segment_next(str_slice(bytes, 0, len), len == bytes.len, &at, &record, damage)) {
            buf_append_str(out, record.payload);
            buf_append_char(out, ' ');
        }
    }
    assert_int_equal(at, bytes.len);
}

static void expect(const struct buf *bytes, const char *payloads, uint64_t records, uint64_t torn)
{
    SCOPED_VALUE(buf) out = {.max = 4096};
    struct segment_damage damage;

    for (int in_steps = 0; in_steps < 2; in_steps++) {
        read_all(buf_str(bytes), in_steps, &out, &damage);
        assert_str(buf_str(&out), payloads);
        assert_int_equal(damage.records, records);
        assert_int_equal(damage.torn, torn);
    }
}

static void test_crc32c(void **state)
{
    (void)state;
    assert_int_equal(crc32c("", 0), 0);
    assert_int_equal(crc32c("123456789", 9), 0xe3069283); /* the catalogue's check value */
}

static void test_header(void **state)
{
    SCOPED_VALUE(buf) b = {.max = 4096};
    uint64_t start;

    (void)state;
    segment_put_header(&b, 1);
    assert_int_equal(b.len, SEGMENT_HEADER);
    assert_int_equal(segment_open(buf_str(&b), 100, &start), SEGMENT_OURS);
    assert_int_equal(start, SEGMENT_HEADER);
    segment_put_checkpoint(b.data + SEGMENT_CHECKPOINT_AT, 90);
    assert_int_equal(segment_open(buf_str(&b), 100, &start), SEGMENT_OURS);
    assert_int_equal(start, 90);
    assert_int_equal(segment_open(buf_str(&b), 89, &start), SEGMENT_OURS); /* cut off behind our back */
    assert_int_equal(start, SEGMENT_HEADER);
    b.data[SEGMENT_CHECKPOINT_AT] ^= 1; /* a torn checkpoint counts as none */
    assert_int_equal(segment_open(buf_str(&b), 100, &start), SEGMENT_OURS);
    assert_int_equal(start, SEGMENT_HEADER);
    b.data[9] ^= 1;
    assert_int_equal(segment_open(buf_str(&b), 100, &start), SEGMENT_DAMAGED);
    assert_int_equal(start, 0);
    assert_int_equal(segment_open(STR("tpspool"), 7, &start), SEGMENT_DAMAGED);
}

static void test_another_version_is_left_alone(void **state)
{
    SCOPED_VALUE(buf) b = {.max = 4096};
    uint64_t start;
    uint32_t crc;

    (void)state;
    segment_put_header(&b, 1);
    b.data[7] = SEGMENT_VERSION + 1;
    crc = crc32c(b.data, 28);
    memcpy(b.data + 28, &crc, sizeof(crc));
    assert_int_equal(segment_open(buf_str(&b), 100, &start), SEGMENT_NEWER);
}

static void three(struct buf *b, size_t ends[3])
{
    static const char *const payloads[] = {"one", "second", "third"};

    buf_clear(b);
    for (int i = 0; i < 3; i++) {
        put(b, payloads[i]);
        ends[i] = b->len;
    }
}

static void test_records(void **state)
{
    SCOPED_VALUE(buf) b = {.max = 4096};
    size_t ends[3];

    (void)state;
    expect(&b, "", 0, 0);
    three(&b, ends);
    expect(&b, "one second third ", 0, 0);
    put(&b, "");
    expect(&b, "one second third  ", 0, 0);
}

static void test_a_torn_tail(void **state)
{
    SCOPED_VALUE(buf) b = {.max = 4096};
    size_t ends[3];

    (void)state;
    three(&b, ends);
    for (size_t len = ends[1] + 1; len < ends[2]; len++) {
        three(&b, ends);
        b.len = len;
        expect(&b, "one second ", 0, 1);
    }
}

static void test_one_flipped_bit_costs_one_record(void **state)
{
    SCOPED_VALUE(buf) b = {.max = 4096};
    size_t ends[3];

    (void)state;
    three(&b, ends);
    for (size_t bit = ends[0] * 8; bit < ends[1] * 8; bit++) {
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        expect(&b, "one third ", 1, 0);
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void test_a_hole_in_the_middle(void **state)
{
    SCOPED_VALUE(buf) b = {.max = 4096};
    size_t ends[3];

    (void)state;
    three(&b, ends);
    memset(b.data + ends[0] + 3, 0, ends[1] - ends[0] - 3); /* blocks that never reached the disk */
    expect(&b, "one third ", 1, 0);
    three(&b, ends);
    memset(b.data, 0xff, ends[1]);
    expect(&b, "third ", 1, 0);
    memset(b.data, 0, b.len);
    expect(&b, "", 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_another_version_is_left_alone),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_a_torn_tail),
        cmocka_unit_test(test_one_flipped_bit_costs_one_record),
        cmocka_unit_test(test_a_hole_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
