/*
 * fuzz_text.c - any bytes as text that goes into JSON, into the log, and into UUIDs, numbers and base64.
 *
 * Expected: JSON of any bytes is JSON, of UTF-8 it is the same text; both formats of the log give one line of
 * UTF-8, and the JSON one an object that holds the text; what was encoded is decoded to the same bytes.
 */
#include "common/base64.h"
#include "common/log.h"
#include "common/uuid.h"
#include "edge/click.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void expect_is_text(const json_t *value, struct str want)
{
    EXPECT(json_is_string(value));
    EXPECT(str_equal((struct str){json_string_value(value), json_string_length(value)}, want));
}

static void fuzz_json(struct str bytes, struct str clean)
{
    SCOPED_VALUE(buf) written = {.max = FUZZ_TEXT_BYTES};
    SCOPED_VALUE(buf) by_hand = {.max = FUZZ_TEXT_BYTES};
    SCOPED(json_t) value = json_from_str(bytes);
    struct err err;

    expect_is_text(value, clean);
    json_write(value, &written);
    click_put_string(&by_hand, bytes);
    for (int i = 0; i < 2; i++) {
        SCOPED(json_t) read = json_parse(i ? buf_str(&by_hand) : buf_str(&written), &err);

        EXPECT(read);
        expect_is_text(read, clean);
    }
}

static void fuzz_parse(struct str bytes)
{
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    struct err err = {.code = ERR_OK};
    SCOPED(json_t) value = json_parse(bytes, &err);

    if (!value) {
        EXPECT(err.code == ERR_BAD_INPUT);
        return;
    }
    json_write(value, &text);
    SCOPED(json_t) again = json_parse(buf_str(&text), &err);
    EXPECT(again && json_equal(value, again));
}

/* What log_write puts on standard error. */
static struct str log_of(enum log_format format, struct str bytes, char *room, size_t size)
{
    static int keep = -1, file;
    ssize_t len;

    if (keep < 0) {
        keep = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
        file = memfd_create("log", MFD_CLOEXEC);
    }
    EXPECT(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0 && dup2(file, STDERR_FILENO) >= 0);
    log_init(LOG_DEBUG, format, "fuzz");
    log_info("fuzz.text", kv("text", bytes), kv_url("url", bytes));
    EXPECT(dup2(keep, STDERR_FILENO) >= 0);
    len = pread(file, room, size, 0);
    EXPECT(len > 0 && room[len - 1] == '\n');
    return (struct str){room, (size_t)len - 1};
}

static void fuzz_log(struct str bytes, struct str clean)
{
    static char room[65536];
    SCOPED(json_t) read = NULL;
    struct err err;
    struct str line = log_of(LOG_LOGFMT, bytes, room, sizeof(room));

    fuzz_expect_one_line(line);
    fuzz_expect_utf8(line);
    line = log_of(LOG_JSON, bytes, room, sizeof(room));
    fuzz_expect_one_line(line);
    read = json_parse(line, &err);
    EXPECT(read);
    if (bytes.len < 500) /* a longer one may be cut */
        expect_is_text(json_object_get(read, "text"), clean);
}

static void fuzz_codes(struct str bytes)
{
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    SCOPED_VALUE(buf) back = {.max = FUZZ_TEXT_BYTES};
    SCOPED_VALUE(buf) any = {.max = FUZZ_TEXT_BYTES};
    int64_t number;

    base64_put(&text, bytes);
    EXPECT(base64_take(buf_str(&text), &back) && str_equal(buf_str(&back), bytes));
    if (base64_take(bytes, &any))
        EXPECT(any.len <= bytes.len);
    EXPECT(!uuid_is_valid(bytes) || bytes.len == UUID_TEXT);
    if (str_to_int(bytes, &number)) {
        EXPECT(number >= 0);
        fuzz_expect_visible_ascii(bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    SCOPED_VALUE(buf) clean = {.max = FUZZ_TEXT_BYTES};

    json_clean_utf8(bytes, &clean);
    fuzz_expect_utf8(buf_str(&clean));
    fuzz_json(bytes, buf_str(&clean));
    fuzz_parse(bytes);
    fuzz_log(bytes, buf_str(&clean));
    fuzz_codes(bytes);
    return 0;
}
