/*
 * segment.c - writes and reads the bytes of spool files.
 */
#include "edge/segment.h"

#include <endian.h>
#include <string.h>

enum { PLAIN_HEADER = 28, RECORD_CHECKED = 20 };

static const char MAGIC[8] = {'t', 'p', 's', 'p', 'o', 'o', 'l', SEGMENT_VERSION};
static const char MARK[4] = {'\xff', 't', 'p', '\x01'};

static uint32_t crc32c_table[256];

__attribute__((constructor)) static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0x82f63b78u ^ c >> 1 : c >> 1;
        crc32c_table[i] = c;
    }
}

static uint32_t crc32c_by_table(uint32_t c, const unsigned char *p, size_t len)
{
    while (len--)
        c = crc32c_table[(c ^ *p++) & 0xff] ^ c >> 8;
    return c;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_processor(uint32_t c, const unsigned char *p,
                                                                      size_t len)
{
    uint64_t wide = c;

    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    c = (uint32_t)wide;
    while (len--)
        c = __builtin_ia32_crc32qi(c, *p++);
    return c;
}
#endif

uint32_t crc32c(const void *bytes, size_t len)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_by_processor(~0u, bytes, len);
#endif
    return ~crc32c_by_table(~0u, bytes, len);
}

static void put32(char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static void put64(char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static uint32_t get32(const char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static uint64_t get64(const char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

void segment_put_checkpoint(char out[SEGMENT_CHECKPOINT], uint64_t offset)
{
    put64(out, offset);
    put64(out + 8, ~offset);
}

void segment_put_header(struct buf *out, int64_t created_ms)
{
    char head[SEGMENT_HEADER] = {0};

    memcpy(head, MAGIC, sizeof(MAGIC));
    put64(head + 8, (uint64_t)created_ms);
    put32(head + PLAIN_HEADER, crc32c(head, PLAIN_HEADER));
    segment_put_checkpoint(head + SEGMENT_CHECKPOINT_AT, SEGMENT_HEADER);
    buf_append(out, head, sizeof(head));
}

void segment_put_record(struct buf *out, int64_t at_ms, struct str payload)
{
    char head[SEGMENT_RECORD_HEAD];

    memcpy(head, MARK, sizeof(MARK));
    put32(head + 4, (uint32_t)payload.len);
    put64(head + 8, (uint64_t)at_ms);
    put32(head + 16, crc32c(payload.ptr, payload.len));
    put32(head + RECORD_CHECKED, crc32c(head, RECORD_CHECKED));
    if (buf_reserve(out, sizeof(head) + payload.len)) {
        buf_append(out, head, sizeof(head));
        buf_append_str(out, payload);
    }
}

enum segment_kind segment_open(struct str head, uint64_t size, uint64_t *start)
{
    uint64_t checkpoint;

    *start = 0;
    if (head.len < SEGMENT_HEADER || memcmp(head.ptr, MAGIC, sizeof(MAGIC) - 1) != 0 ||
        get32(head.ptr + PLAIN_HEADER) != crc32c(head.ptr, PLAIN_HEADER))
        return SEGMENT_DAMAGED;
    if (head.ptr[sizeof(MAGIC) - 1] != SEGMENT_VERSION)
        return SEGMENT_NEWER;
    checkpoint = get64(head.ptr + SEGMENT_CHECKPOINT_AT);
    if (checkpoint != ~get64(head.ptr + SEGMENT_CHECKPOINT_AT + 8) || checkpoint < SEGMENT_HEADER ||
        checkpoint > size)
        checkpoint = SEGMENT_HEADER;
    *start = checkpoint;
    return SEGMENT_OURS;
}

/* Whether a record's head is at p, of which left bytes are there (at least SEGMENT_RECORD_HEAD). */
static bool is_head(const char *p)
{
    return memcmp(p, MARK, sizeof(MARK)) == 0 && get32(p + RECORD_CHECKED) == crc32c(p, RECORD_CHECKED) &&
           get32(p + 4) <= SEGMENT_MAX_PAYLOAD;
}

/* Behind at: where the next record may begin; len if nowhere. */
static size_t find_mark(struct str bytes, size_t at)
{
    while (at < bytes.len) {
        size_t left = bytes.len - at;

        if (memcmp(bytes.ptr + at, MARK, left < sizeof(MARK) ? left : sizeof(MARK)) == 0)
            return at;
        at = str_find(bytes, at + 1, MARK[0]);
    }
    return bytes.len;
}

static void lose(struct segment_damage *damage, size_t bytes)
{
    damage->bytes += bytes;
    damage->is_lost = true;
}

/* No whole record is left: with the segment's end in sight what remains is a torn tail. */
static bool nothing_more(struct str bytes, bool is_end, size_t *at, struct segment_damage *damage)
{
    if (!is_end)
        return false;
    if (*at < bytes.len)
        lose(damage, bytes.len - *at);
    damage->torn |= damage->is_lost;
    damage->is_lost = false;
    *at = bytes.len;
    return false;
}

bool segment_next(struct str bytes, bool is_end, size_t *at, struct segment_record *record,
                  struct segment_damage *damage)
{
    while (bytes.len - *at >= SEGMENT_RECORD_HEAD) {
        const char *p = bytes.ptr + *at;
        size_t next;

        if (!is_head(p)) {
            next = find_mark(bytes, *at + 1);
            lose(damage, next - *at);
            *at = next;
            continue;
        }
        record->payload = (struct str){p + SEGMENT_RECORD_HEAD, get32(p + 4)};
        if (bytes.len - *at - SEGMENT_RECORD_HEAD < record->payload.len)
            break;
        damage->records += damage->is_lost; /* a run of bad bytes, now that a good head follows it */
        damage->is_lost = false;
        *at += SEGMENT_RECORD_HEAD + record->payload.len;
        record->at_ms = (int64_t)get64(p + 8);
        if (get32(p + 16) == crc32c(record->payload.ptr, record->payload.len))
            return true;
        damage->records++;
        damage->bytes += SEGMENT_RECORD_HEAD + record->payload.len;
    }
    return nothing_more(bytes, is_end, at, damage);
}
