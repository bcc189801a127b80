/*
 * conf_file.c - the ini file, line by line through inih, with the line's number in every complaint.
 */
#include "common/conf_set.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

/* inih's buffer, with room for the newline and the NUL; what does not fit would be cut silently. */
enum { LINE_MAX_BYTES = 200 - 2, KEYS_MAX = 256, NAME_MAX_BYTES = 64, INIH_NAME_MAX = 50 - 1 };

struct reading {
    struct conf *conf;
    FILE *file;
    const char *path;
    int line;
    char seen[KEYS_MAX][NAME_MAX_BYTES];
    int nseen;
    bool failed;
    int failure; /* errno of a read that failed */
    struct err *err;
};

static bool refuse(struct reading *r, const char *what)
{
    r->failed = true;
    return err_set(r->err, ERR_BAD_SETTING, "%.100s:%d: %s", r->path, r->line, what);
}

/* For inih: the next line, as fgets gives it; NULL ends the reading. */
static char *next_line(char *out, int size, void *arg)
{
    struct reading *r = arg;
    char line[LINE_MAX_BYTES + 3];
    size_t len;

    if (r->failed)
        return NULL;
    errno = 0;
    if (!fgets(line, sizeof(line), r->file)) {
        r->failure = errno;
        return NULL;
    }
    r->line++;
    len = strlen(line);
    if (len == 0 || (line[len - 1] != '\n' && !feof(r->file)) || (int)len >= size) {
        char text[120];

        snprintf(text, sizeof(text),
                 "a line of over %d bytes, or with a NUL byte; give long values by environment or file",
                 LINE_MAX_BYTES);
        refuse(r, text);
        return NULL;
    }
    return memcpy(out, line, len + 1);
}

static bool is_new(struct reading *r, const char *section, const char *key)
{
    char name[NAME_MAX_BYTES];

    snprintf(name, sizeof(name), "%s.%s", section, key);
    for (int i = 0; i < r->nseen; i++)
        if (strcmp(r->seen[i], name) == 0)
            return false;
    if (r->nseen < KEYS_MAX)
        memcpy(r->seen[r->nseen++], name, sizeof(name));
    return true;
}

/* inih cuts the names of sections and keys, too. */
static bool set_named(struct reading *r, const char *section, const char *key, const char *value,
                      const char *where)
{
    if (strlen(section) >= INIH_NAME_MAX || strlen(key) >= INIH_NAME_MAX)
        return refuse(r, "a section or key of 49 characters or more");
    r->failed = !conf_set_named(r->conf, section, key, value, where, r->err);
    return !r->failed;
}

/* For inih: one key. 0 stops the reading. */
static int on_value(void *arg, const char *section, const char *key, const char *value)
{
    struct reading *r = arg;
    char where[140];

    if (r->failed)
        return 0;
    snprintf(where, sizeof(where), "%.100s:%d", r->path, r->line);
    if (strchr(section, ' '))
        return set_named(r, section, key, value ? value : "", where);
    if (!is_new(r, section, key))
        return refuse(r, "this setting was given before, further up");
    r->failed = !conf_set(r->conf, str_from(section), str_from(key), value ? value : "", CONF_FROM_FILE,
                          where, r->err);
    return !r->failed;
}

bool conf_read_file(struct conf *conf, const char *path, struct err *err)
{
    struct reading *r = calloc(1, sizeof(*r));
    bool ok;
    int status;

    if (!r)
        abort();
    *r = (struct reading){.conf = conf, .path = path, .err = err};
    r->file = fopen(path, "re");
    if (!r->file) {
        free(r);
        return err_set(err, ERR_BAD_SETTING, "settings file %.120s: %s", path, strerror(errno));
    }
    status = ini_parse_stream(next_line, r, on_value, r);
    if (!r->failed && status != 0) {
        r->line = status;
        refuse(r, "neither [section] nor key = value");
    }
    /* Then what came so far looks like a whole file. */
    if (!r->failed && ferror(r->file))
        r->failed = !err_set(err, ERR_BAD_SETTING, "settings file %.120s: %s", path, strerror(r->failure));
    ok = !r->failed;
    fclose(r->file);
    free(r);
    return ok;
}
