/*
 * conf.c - the settings table at work: defaults, sources in order, checks, the printed reference.
 *
 * conf_file.c reads the ini file; this file knows how one value is judged and where it goes.
 */
#include "common/conf.h"

#include "common/buf.h"
#include "common/conf_set.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_MAX_BYTES = 8192 };

enum conf_type { TYPE_INT, TYPE_BOOL, TYPE_CHOICE, TYPE_TEXT, TYPE_SECRET };

struct row {
    enum conf_type type;
    const char *section, *key;
    size_t offset;
    const char *unit;      /* INT */
    int64_t def, min, max; /* INT; BOOL uses def */
    const char *text_def;  /* CHOICE, TEXT */
    const char *choices;   /* CHOICE: allowed words; SECRET: a further environment name, or "" */
    const char *about;
};

#define OFFSET(section, key) offsetof(struct conf, section##_##key)
#define ROW_INT(s, k, unit, def, min, max, about)                                                            \
    {TYPE_INT, #s, #k, OFFSET(s, k), unit, def, min, max, NULL, NULL, about},
#define ROW_BOOL(s, k, def, about) {TYPE_BOOL, #s, #k, OFFSET(s, k), NULL, def, 0, 1, NULL, NULL, about},
#define ROW_CHOICE(s, k, choices, def, about)                                                                \
    {TYPE_CHOICE, #s, #k, OFFSET(s, k), NULL, 0, 0, 0, def, choices, about},
#define ROW_TEXT(s, k, def, about) {TYPE_TEXT, #s, #k, OFFSET(s, k), NULL, 0, 0, 0, def, NULL, about},
#define ROW_SECRET(s, k, also, about) {TYPE_SECRET, #s, #k, OFFSET(s, k), NULL, 0, 0, 0, "", also, about},

static const struct row rows[] = {CONF_MAP(ROW_INT, ROW_BOOL, ROW_CHOICE, ROW_TEXT, ROW_SECRET)};

static int64_t *int_field(struct conf *conf, const struct row *row)
{
    return (int64_t *)((char *)conf + row->offset);
}

static bool *bool_field(struct conf *conf, const struct row *row)
{
    return (bool *)((char *)conf + row->offset);
}

static char **text_field(struct conf *conf, const struct row *row)
{
    return (char **)((char *)conf + row->offset);
}

static void set_text(struct conf *conf, const struct row *row, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        abort();
    free(*text_field(conf, row));
    *text_field(conf, row) = copy;
}

static void set_defaults(struct conf *conf)
{
    memset(conf, 0, sizeof(*conf));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].type == TYPE_INT)
            *int_field(conf, &rows[i]) = rows[i].def;
        else if (rows[i].type == TYPE_BOOL)
            *bool_field(conf, &rows[i]) = rows[i].def;
        else
            set_text(conf, &rows[i], rows[i].text_def);
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

static const char *unit_text(const char *kind)
{
    if (strcmp(kind, "s") == 0)
        return "seconds, or with s, m, h, d";
    if (strcmp(kind, "ms") == 0)
        return "milliseconds, or with ms, s, m";
    if (strcmp(kind, "bytes") == 0)
        return "bytes, or with B, k, M, G";
    return "a whole number";
}

static bool bad(const char *where, const struct row *row, const char *value, const char *allowed,
                struct err *err)
{
    return err_set(err, ERR_BAD_SETTING, "%s: %s.%s = \"%.60s\": allowed is %s", where, row->section,
                   row->key, value, allowed);
}

static bool set_int(struct conf *conf, const struct row *row, const char *value, const char *where,
                    struct err *err)
{
    bool negative = value[0] == '-';
    struct str text = str_from(value + negative);
    char allowed[120];
    int64_t number, factor;
    size_t digits = 0;

    snprintf(allowed, sizeof(allowed), "%" PRId64 " to %" PRId64 " (%s)", row->min, row->max,
             unit_text(row->unit));
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    if (!str_to_int(str_slice(text, 0, digits), &number) ||
        !unit_factor(row->unit, str_slice(text, digits, text.len), &factor) ||
        __builtin_mul_overflow(number, negative ? -factor : factor, &number) || number < row->min ||
        number > row->max)
        return bad(where, row, value, allowed, err);
    *int_field(conf, row) = number;
    return true;
}

static bool set_bool(struct conf *conf, const struct row *row, const char *value, const char *where,
                     struct err *err)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *bool_field(conf, row) = strcmp(value, yes[i]) == 0;
            return true;
        }
    }
    return bad(where, row, value, "true or false", err);
}

static bool set_choice(struct conf *conf, const struct row *row, const char *value, const char *where,
                       struct err *err)
{
    for (struct str rest = str_from(row->choices), word; str_cut(&rest, ' ', &word);) {
        if (str_equal(word, str_from(value))) {
            set_text(conf, row, value);
            return true;
        }
    }
    return bad(where, row, value, row->choices, err);
}

static bool set_value(struct conf *conf, const struct row *row, const char *value, const char *where,
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
        set_text(conf, row, value);
        return true;
    }
    return false;
}

/* A secret's file: all of it but the newline at its end. */
static bool set_from_file(struct conf *conf, const struct row *row, const char *path, const char *where,
                          struct err *err)
{
    char value[SECRET_MAX_BYTES + 1];
    FILE *file = fopen(path, "re");
    size_t len;

    if (!file)
        return err_set(err, ERR_BAD_SETTING, "%s: %s.%s_file = \"%.80s\": %s", where, row->section, row->key,
                       path, strerror(errno));
    len = fread(value, 1, sizeof(value), file);
    fclose(file);
    if (len > SECRET_MAX_BYTES)
        return err_set(err, ERR_BAD_SETTING, "%s: %s.%s_file = \"%.80s\": longer than %d bytes", where,
                       row->section, row->key, path, SECRET_MAX_BYTES);
    while (len && (value[len - 1] == '\n' || value[len - 1] == '\r'))
        len--;
    value[len] = '\0';
    if (memchr(value, '\0', len))
        return err_set(err, ERR_BAD_SETTING, "%s: %s.%s_file = \"%.80s\": holds a NUL byte", where,
                       row->section, row->key, path);
    set_text(conf, row, value);
    explicit_bzero(value, sizeof(value));
    return true;
}

/* The row of section.key; *is_file when the key is the KEY_file form of a secret. */
static const struct row *find_row(struct str section, struct str key, bool *is_file)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str name = str_from(rows[i].key);

        if (!str_equal(section, str_from(rows[i].section)) || !str_starts(key, name))
            continue;
        *is_file = rows[i].type == TYPE_SECRET && str_equal(str_slice(key, name.len, key.len), STR("_file"));
        if (*is_file || key.len == name.len)
            return &rows[i];
    }
    return NULL;
}

bool conf_set(struct conf *conf, struct str section, struct str key, const char *value,
              enum conf_source source, const char *where, struct err *err)
{
    bool is_file = false;
    const struct row *row = find_row(section, key, &is_file);

    if (!row)
        return err_set(err, ERR_BAD_SETTING, "%s: there is no setting %.*s.%.*s (--print-config lists them)",
                       where, STR_ARG(section), STR_ARG(key));
    if (is_file)
        return set_from_file(conf, row, value, where, err);
    if (row->type == TYPE_SECRET && source == CONF_FROM_OPTION)
        return err_set(
            err, ERR_BAD_SETTING,
            "%s: %s.%s is a secret, and every user of this machine can read options: give it in the "
            "environment, the ini file or --%s.%s_file=PATH",
            where, row->section, row->key, row->section, row->key);
    return set_value(conf, row, value, where, err);
}

static void env_name(const struct row *row, const char *suffix, char *out, size_t size)
{
    snprintf(out, size, "TRACEPOOL_%s_%s%s", row->section, row->key, suffix);
    for (char *c = out; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
}

static bool load_secret_env(struct conf *conf, const struct row *row, struct err *err)
{
    char name[96];
    const char *value;

    value = row->choices[0] ? getenv(row->choices) : NULL;
    if (value)
        set_text(conf, row, value);
    env_name(row, "_FILE", name, sizeof(name));
    value = getenv(name);
    return !value || set_from_file(conf, row, value, name, err);
}

static bool load_env(struct conf *conf, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[96];
        const char *value;

        if (rows[i].type == TYPE_SECRET && !load_secret_env(conf, &rows[i], err))
            return false;
        env_name(&rows[i], "", name, sizeof(name));
        value = getenv(name);
        if (value && !set_value(conf, &rows[i], value, name, err))
            return false;
    }
    return true;
}

/* --section.key=VALUE: with a dot before the '='. Any other option is left to the program's verb. */
static bool is_setting_option(const char *arg)
{
    const char *equals = strchr(arg, '='), *dot = strchr(arg, '.');

    return strncmp(arg, "--", 2) == 0 && dot && equals && dot < equals;
}

static bool load_option(struct conf *conf, const char *arg, struct err *err)
{
    struct str name = str_from(arg + 2), section, key;
    const char *equals = strchr(arg, '=');
    char where[80];

    name.len = (size_t)(equals - arg - 2);
    str_cut(&name, '.', &section);
    key = name;
    snprintf(where, sizeof(where), "option --%.*s.%.*s", (int)(section.len > 30 ? 30 : section.len),
             section.ptr, (int)(key.len > 30 ? 30 : key.len), key.ptr);
    return conf_set(conf, section, key, equals + 1, CONF_FROM_OPTION, where, err);
}

/* The ini file's name: --config FILE, --config=FILE, or TRACEPOOL_CONFIG. NULL when none was named. */
static const char *config_path(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    return getenv("TRACEPOOL_CONFIG");
}

/* Takes one general option out of argv; *used is how many words it took, 0 for none of ours. */
static bool take_option(char **argv, int left, struct conf *conf, struct conf_cli *cli, int *used,
                        struct err *err)
{
    *used = 1;
    if (strcmp(argv[0], "--print-config") == 0)
        cli->print_config = true;
    else if (strcmp(argv[0], "--version") == 0)
        cli->version = true;
    else if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        cli->help = true;
    else if (strncmp(argv[0], "--config=", 9) == 0)
        return true;
    else if (strcmp(argv[0], "--config") == 0) {
        if (left < 2)
            return err_set(err, ERR_BAD_SETTING, "--config needs a file name");
        *used = 2;
    } else if (is_setting_option(argv[0]))
        return load_option(conf, argv[0], err);
    else
        *used = 0;
    return true;
}

static bool load_options(int *argc, char **argv, struct conf *conf, struct conf_cli *cli, struct err *err)
{
    int kept = 1;

    for (int i = 1; i < *argc;) {
        int used;

        if (strcmp(argv[i], "--") == 0) { /* what follows is the verb's */
            while (i < *argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (!take_option(argv + i, *argc - i, conf, cli, &used, err))
            return false;
        if (used == 0)
            argv[kept++] = argv[i++];
        i += used;
    }
    argv[kept] = NULL;
    *argc = kept;
    return true;
}

bool conf_load(int *argc, char **argv, struct conf *out, struct conf_cli *cli, struct err *err)
{
    SCOPED_VALUE(conf) conf;
    const char *path = config_path(*argc, argv);

    set_defaults(&conf);
    *cli = (struct conf_cli){0};
    if (path && !conf_read_file(&conf, path, err))
        return false;
    if (!load_env(&conf, err) || !load_options(argc, argv, &conf, cli, err))
        return false;
    *out = conf;
    memset(&conf, 0, sizeof(conf));
    return true;
}

void conf_finish(struct conf *conf)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char **text;

        if (rows[i].type == TYPE_INT || rows[i].type == TYPE_BOOL)
            continue;
        text = text_field(conf, &rows[i]);
        if (*text && rows[i].type == TYPE_SECRET)
            explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

static void print_allowed(const struct row *row, FILE *to)
{
    if (row->type == TYPE_INT)
        fprintf(to, "%" PRId64 " to %" PRId64 ", %s", row->min, row->max, unit_text(row->unit));
    else if (row->type == TYPE_BOOL)
        fprintf(to, "true or false");
    else if (row->type == TYPE_CHOICE)
        fprintf(to, "one of: %s", row->choices);
    else if (row->type == TYPE_SECRET)
        fprintf(to, "a secret; or %s_file = PATH%s%s", row->key, row->choices[0] ? "; also from " : "",
                row->choices);
    else
        fprintf(to, "text");
}

static void print_value(struct conf *conf, const struct row *row, FILE *to)
{
    if (row->type == TYPE_INT)
        fprintf(to, "%" PRId64, *int_field(conf, row));
    else if (row->type == TYPE_BOOL)
        fprintf(to, "%s", *bool_field(conf, row) ? "true" : "false");
    else if (row->type == TYPE_SECRET)
        fprintf(to, "%s", (*text_field(conf, row))[0] ? "********" : "");
    else
        fprintf(to, "%s", *text_field(conf, row));
}

void conf_print(const struct conf *conf, FILE *to)
{
    struct conf *fields = (struct conf *)conf; /* only read through */
    const char *section = "";

    fprintf(to, "; Every setting of tracepool. Order: default < this file < TRACEPOOL_SECTION_KEY < "
                "--section.key=\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];

        if (strcmp(section, row->section) != 0)
            fprintf(to, "\n[%s]\n", row->section);
        section = row->section;
        fprintf(to, "; %s\n;   ", row->about);
        print_allowed(row, to);
        /* a secret in force must not come back as a setting of eight stars */
        fprintf(to, "\n%s%s = ", row->type == TYPE_SECRET ? "; " : "", row->key);
        print_value(fields, row, to);
        fprintf(to, "\n");
    }
}

void conf_print_options(FILE *to)
{
    struct conf conf;

    set_defaults(&conf);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fprintf(to, "  --%s.%s%s  [", rows[i].section, rows[i].key,
                rows[i].type == TYPE_SECRET ? "_file" : "");
        print_value(&conf, &rows[i], to);
        fprintf(to, "]\n        %s\n", rows[i].about);
    }
    conf_finish(&conf);
}

void conf_init_log(const struct conf *conf, const char *proc)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_INFO;

    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (strcmp(levels[i], conf->log_level) == 0)
            level = (enum log_level)i;
    log_init(level, strcmp(conf->log_format, "json") == 0 ? LOG_JSON : LOG_LOGFMT, proc);
}
