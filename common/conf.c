/*
 * conf.c - the settings table at work: its rows, how one value is judged, and where it goes.
 *
 * conf_load.c reads the sources in their order, conf_file.c the ini file; conf_print.c writes the reference.
 */
#include "common/conf.h"

#include "common/buf.h"
#include "common/conf_set.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_MAX_BYTES = 8192 };

#define OFFSET(section, key) offsetof(struct conf, section##_##key)
#define ROW_INT(s, k, unit, def, min, max, about)                                                            \
    {TYPE_INT, #s, #k, OFFSET(s, k), unit, def, min, max, NULL, NULL, about},
#define ROW_BOOL(s, k, def, about) {TYPE_BOOL, #s, #k, OFFSET(s, k), NULL, def, 0, 1, NULL, NULL, about},
#define ROW_CHOICE(s, k, choices, def, about)                                                                \
    {TYPE_CHOICE, #s, #k, OFFSET(s, k), NULL, 0, 0, 0, def, choices, about},
#define ROW_TEXT(s, k, def, about) {TYPE_TEXT, #s, #k, OFFSET(s, k), NULL, 0, 0, 0, def, NULL, about},
#define ROW_SECRET(s, k, also, about) {TYPE_SECRET, #s, #k, OFFSET(s, k), NULL, 0, 0, 0, "", also, about},

const struct conf_row conf_rows[] = {CONF_MAP(ROW_INT, ROW_BOOL, ROW_CHOICE, ROW_TEXT, ROW_SECRET)};
const size_t conf_nrows = ARRAY_LEN(conf_rows);

int64_t *conf_int_field(struct conf *conf, const struct conf_row *row)
{
    return (int64_t *)((char *)conf + row->offset);
}

bool *conf_bool_field(struct conf *conf, const struct conf_row *row)
{
    return (bool *)((char *)conf + row->offset);
}

char **conf_text_field(struct conf *conf, const struct conf_row *row)
{
    return (char **)((char *)conf + row->offset);
}

void conf_set_text(struct conf *conf, const struct conf_row *row, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        abort();
    free(*conf_text_field(conf, row));
    *conf_text_field(conf, row) = copy;
}

void conf_set_defaults(struct conf *conf)
{
    memset(conf, 0, sizeof(*conf));
    for (size_t i = 0; i < conf_nrows; i++) {
        if (conf_rows[i].type == TYPE_INT)
            *conf_int_field(conf, &conf_rows[i]) = conf_rows[i].def;
        else if (conf_rows[i].type == TYPE_BOOL)
            *conf_bool_field(conf, &conf_rows[i]) = conf_rows[i].def;
        else
            conf_set_text(conf, &conf_rows[i], conf_rows[i].text_def);
    }
}

/* The units of one kind, smallest first; the first one is what a plain number means. */
static const struct unit {
    const char *kind, *suffix;
    int64_t factor;
} units[] = {
    {"s", "s", 1},
    {"s", "m", 60},
    {"s", "h", 3600},
    {"s", "d", 86400},
    {"ms", "ms", 1},
    {"ms", "s", 1000},
    {"ms", "m", 60000},
    {"bytes", "B", 1},
    {"bytes", "k", 1024},
    {"bytes", "M", 1024 * 1024},
    {"bytes", "G", 1024LL * 1024 * 1024},
};

static bool unit_factor(const char *kind, struct str suffix, int64_t *factor)
{
    *factor = 1;
    if (suffix.len == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(units[i].kind, kind) == 0 && str_equal(suffix, str_from(units[i].suffix))) {
            *factor = units[i].factor;
            return true;
        }
    }
    return false;
}

const char *conf_unit_text(const char *kind)
{
    if (strcmp(kind, "s") == 0)
        return "seconds, or with s, m, h, d";
    if (strcmp(kind, "ms") == 0)
        return "milliseconds, or with ms, s, m";
    if (strcmp(kind, "bytes") == 0)
        return "bytes, or with B, k, M, G";
    return "a whole number";
}

static bool bad(const char *where, const struct conf_row *row, const char *value, const char *allowed,
                struct err *err)
{
    return err_set(err, ERR_BAD_SETTING, "%s: %s.%s = \"%.60s\": allowed is %s", where, row->section,
                   row->key, value, allowed);
}

static bool set_int(struct conf *conf, const struct conf_row *row, const char *value, const char *where,
                    struct err *err)
{
    bool negative = value[0] == '-';
    struct str text = str_from(value + negative);
    char allowed[120];
    int64_t number, factor;
    size_t digits = 0;

    snprintf(allowed, sizeof(allowed), "%" PRId64 " to %" PRId64 " (%s)", row->min, row->max,
             conf_unit_text(row->unit));
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    if (!str_to_int(str_slice(text, 0, digits), &number) ||
        !unit_factor(row->unit, str_slice(text, digits, text.len), &factor) ||
        __builtin_mul_overflow(number, negative ? -factor : factor, &number) || number < row->min ||
        number > row->max)
        return bad(where, row, value, allowed, err);
    *conf_int_field(conf, row) = number;
    return true;
}

static bool set_bool(struct conf *conf, const struct conf_row *row, const char *value, const char *where,
                     struct err *err)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *conf_bool_field(conf, row) = strcmp(value, yes[i]) == 0;
            return true;
        }
    }
    return bad(where, row, value, "true or false", err);
}

static bool set_choice(struct conf *conf, const struct conf_row *row, const char *value, const char *where,
                       struct err *err)
{
    for (struct str rest = str_from(row->choices), word; str_cut(&rest, ' ', &word);) {
        if (str_equal(word, str_from(value))) {
            conf_set_text(conf, row, value);
            return true;
        }
    }
    return bad(where, row, value, row->choices, err);
}

bool conf_set_value(struct conf *conf, const struct conf_row *row, const char *value, const char *where,
                    struct err *err)
{
    switch (row->type) {
    case TYPE_INT:
        return set_int(conf, row, value, where, err);
    case TYPE_BOOL:
        return set_bool(conf, row, value, where, err);
    case TYPE_CHOICE:
        return set_choice(conf, row, value, where, err);
    case TYPE_TEXT:
    case TYPE_SECRET:
        conf_set_text(conf, row, value);
        return true;
    }
    return false;
}

/* Where a file's name is wanted somebody may have put the secret itself. */
static const char *shown_path(const char *path)
{
    return path[0] == '/' ? path : "(not shown: no absolute path, so it may be the secret itself)";
}

/* A secret's file: all of it but the newline at its end. */
bool conf_set_from_file(struct conf *conf, const struct conf_row *row, const char *path, const char *where,
                        struct err *err)
{
    char value[SECRET_MAX_BYTES + 1];
    FILE *file = fopen(path, "re");
    size_t len;

    if (!file)
        return err_set(err, ERR_BAD_SETTING, "%s: %s.%s_file = \"%.80s\": %s", where, row->section, row->key,
                       shown_path(path), strerror(errno));
    len = fread(value, 1, sizeof(value), file);
    fclose(file);
    if (len > SECRET_MAX_BYTES)
        return err_set(err, ERR_BAD_SETTING, "%s: %s.%s_file = \"%.80s\": longer than %d bytes", where,
                       row->section, row->key, shown_path(path), SECRET_MAX_BYTES);
    while (len && (value[len - 1] == '\n' || value[len - 1] == '\r'))
        len--;
    value[len] = '\0';
    if (memchr(value, '\0', len))
        return err_set(err, ERR_BAD_SETTING, "%s: %s.%s_file = \"%.80s\": holds a NUL byte", where,
                       row->section, row->key, shown_path(path));
    conf_set_text(conf, row, value);
    explicit_bzero(value, sizeof(value));
    return true;
}

/* The row of section.key; *is_file when the key is the KEY_file form of a secret. */
static const struct conf_row *find_row(struct str section, struct str key, bool *is_file)
{
    for (size_t i = 0; i < conf_nrows; i++) {
        struct str name = str_from(conf_rows[i].key);

        if (!str_equal(section, str_from(conf_rows[i].section)) || !str_starts(key, name))
            continue;
        *is_file =
            conf_rows[i].type == TYPE_SECRET && str_equal(str_slice(key, name.len, key.len), STR("_file"));
        if (*is_file || key.len == name.len)
            return &conf_rows[i];
    }
    return NULL;
}

bool conf_set(struct conf *conf, struct str section, struct str key, const char *value,
              enum conf_source source, const char *where, struct err *err)
{
    bool is_file = false;
    const struct conf_row *row = find_row(section, key, &is_file);

    if (!row)
        return err_set(err, ERR_BAD_SETTING, "%s: there is no setting %.*s.%.*s (--print-config lists them)",
                       where, STR_ARG(section), STR_ARG(key));
    if (is_file)
        return conf_set_from_file(conf, row, value, where, err);
    if (row->type == TYPE_SECRET && source == CONF_FROM_OPTION)
        return err_set(
            err, ERR_BAD_SETTING,
            "%s: %s.%s is a secret, and every user of this machine can read options: give it in the "
            "environment, the ini file or --%s.%s_file=PATH",
            where, row->section, row->key, row->section, row->key);
    return conf_set_value(conf, row, value, where, err);
}

bool conf_require_database(const struct conf *conf, struct err *err)
{
    return conf->database_url[0] || err_set(err, ERR_BAD_SETTING,
                                            "database.url is not set: give it as DATABASE_URL, as a file by "
                                            "TRACEPOOL_DATABASE_URL_FILE, or in the ini file");
}

void conf_finish(struct conf *conf)
{
    conf_finish_named(conf);
    for (size_t i = 0; i < conf_nrows; i++) {
        char **text;

        if (conf_rows[i].type == TYPE_INT || conf_rows[i].type == TYPE_BOOL)
            continue;
        text = conf_text_field(conf, &conf_rows[i]);
        if (*text && conf_rows[i].type == TYPE_SECRET)
            explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}
