/*
 * uuid.c - UUIDv7 with a 12 bit counter behind the milliseconds (RFC 9562, section 6.2, method 1).
 *
 * The counter starts at a random place in its lower half each millisecond; when it runs over, the
 * timestamp is moved ahead of the clock instead, and the clock catches up.
 */
#include "common/uuid.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* So many bytes getrandom(2) gives at once, whatever signal comes. */
enum { COUNTER_MAX = 0xfff, COUNTER_START = 0x7ff, POOL = 256 };

static void random_bytes(unsigned char *out, size_t len)
{
    static unsigned char pool[POOL];
    static size_t used = POOL;

    if (used + len > POOL) {
        if (getrandom(pool, POOL, 0) != POOL)
            abort();
        used = 0;
    }
    memcpy(out, pool + used, len);
    used += len;
}

static void put_text(const unsigned char bytes[16], char *text)
{
    static const char HEX[] = "0123456789abcdef";

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = HEX[bytes[i] >> 4];
        *text++ = HEX[bytes[i] & 15];
    }
    *text = '\0';
}

struct uuid uuid7_next(int64_t wall_ms)
{
    static int64_t last_ms;
    static unsigned counter;
    unsigned char bytes[16];
    struct uuid id;

    random_bytes(bytes + 6, 10);
    if (wall_ms > last_ms || counter == COUNTER_MAX) {
        last_ms = wall_ms > last_ms ? wall_ms : last_ms + 1;
        counter = ((unsigned)bytes[6] << 8 | bytes[7]) & COUNTER_START;
    } else {
        counter++;
    }
    for (int i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(last_ms >> (8 * (5 - i)));
    bytes[6] = (unsigned char)(0x70 | counter >> 8);
    bytes[7] = (unsigned char)counter;
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));
    put_text(bytes, id.text);
    return id;
}

bool uuid_is_valid(struct str s)
{
    if (s.len != UUID_TEXT)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? s.ptr[i] != '-' : str_hex_digit(s.ptr[i]) < 0)
            return false;
    }
    return true;
}
