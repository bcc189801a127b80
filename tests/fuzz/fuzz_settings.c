/*
 * fuzz_settings.c - any bytes as an ini file, sections with a name included.
 *
 * Expected: what is accepted is printed (--print-config) as a file that reads the same and prints the same;
 * an error names the line, in one line of text; no secret is in either.
 */
#include "common/conf_set.h"
#include "tests/fuzz/fuzz.h"
#include "worker/vast_rules.h"

#include <sys/mman.h>
#include <unistd.h>

/* A file that has a name and is nowhere. */
struct file {
    int fd;
    char path[40];
};

static struct file file_of(struct str bytes)
{
    struct file file = {.fd = memfd_create("fuzz.ini", MFD_CLOEXEC)};

    EXPECT(file.fd >= 0 && write(file.fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
    snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
    return file;
}

static bool read_settings(struct str bytes, struct conf *conf, struct err *err)
{
    struct file file = file_of(bytes);
    bool ok;

    conf_set_defaults(conf);
    ok = conf_read_file(conf, file.path, err);
    close(file.fd);
    return ok;
}

static bool has_long_line(struct str text)
{
    for (struct str line; str_cut(&text, '\n', &line);)
        if (line.len > 150)
            return true;
    return false;
}

static char *print(const struct conf *conf)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    EXPECT(to);
    conf_print(conf, to);
    fclose(to);
    return text;
}

/* Comments go, and secrets are comments; what was close to the longest line may be beyond it with blanks. */
static void expect_prints_what_it_reads(const struct conf *conf, struct str bytes)
{
    SCOPED(char) text = print(conf);
    SCOPED(char) again = NULL;
    SCOPED_VALUE(conf) second = {0};
    struct err err = {.code = ERR_OK};

    if (has_long_line(bytes))
        return;
    if (!read_settings(str_from(text), &second, &err)) {
        fprintf(stderr, "%s\n%s\n", err.detail, text);
        abort();
    }
    again = print(&second);
    EXPECT(strlen(again) <= strlen(text));
}

/* Every secret is set. */
static void expect_no_secret(struct conf *conf, struct str bytes)
{
    if (fuzz_has(bytes, STR(FUZZ_SECRET)))
        return;
    for (size_t i = 0; i < conf_nrows; i++)
        if (conf_rows[i].type == TYPE_SECRET)
            conf_set_text(conf, &conf_rows[i], FUZZ_SECRET);
    SCOPED(char) text = print(conf);
    EXPECT(!fuzz_has(str_from(text), STR(FUZZ_SECRET)));
}

static void read_rules(const struct conf *conf)
{
    struct vast_rules rules;
    struct err err = {.code = ERR_OK};

    if (vast_rules_init(&rules, conf, &err))
        vast_rules_finish(&rules);
    else
        EXPECT(err.code == ERR_BAD_SETTING && err.detail[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    SCOPED_VALUE(conf) conf = {0};
    struct err err = {.code = ERR_OK};

    if (!read_settings(bytes, &conf, &err)) {
        EXPECT(err.code == ERR_BAD_SETTING && err.detail[0]);
        EXPECT(str_find(str_from(err.detail), 0, '\n') == strlen(err.detail));
        return 0;
    }
    expect_no_secret(&conf, bytes);
    expect_prints_what_it_reads(&conf, bytes);
    read_rules(&conf);
    return 0;
}
