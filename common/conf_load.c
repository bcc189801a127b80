/*
 * conf_load.c - the sources of settings, in their order: ini file, environment, options.
 */
#include "common/conf_set.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void env_name(const struct conf_row *row, const char *suffix, char *out, size_t size)
{
    snprintf(out, size, "TRACEPOOL_%s_%s%s", row->section, row->key, suffix);
    for (char *c = out; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
}

/*
 * The setting's file in systemd's folder of credentials, as LoadCredential=tracepool:FOLDER puts it there.
 * Which of them are there is the operator's affair: one that is not is no error.
 */
static bool load_credential(struct conf *conf, const struct conf_row *row, struct err *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_MAX];

    if (!folder)
        return true;
    snprintf(path, sizeof(path), "%s/tracepool_%s.%s", folder, row->section, row->key);
    return access(path, F_OK) != 0 || conf_set_from_file(conf, row, path, "CREDENTIALS_DIRECTORY", err);
}

static bool load_secret_env(struct conf *conf, const struct conf_row *row, struct err *err)
{
    char name[96];
    const char *value;

    if (!load_credential(conf, row, err))
        return false;
    value = row->choices[0] ? getenv(row->choices) : NULL;
    if (value)
        conf_set_text(conf, row, value);
    env_name(row, "_FILE", name, sizeof(name));
    value = getenv(name);
    return !value || conf_set_from_file(conf, row, value, name, err);
}

static bool load_env(struct conf *conf, struct err *err)
{
    for (size_t i = 0; i < conf_nrows; i++) {
        char name[96];
        const char *value;

        if (conf_rows[i].type == TYPE_SECRET && !load_secret_env(conf, &conf_rows[i], err))
            return false;
        env_name(&conf_rows[i], "", name, sizeof(name));
        value = getenv(name);
        if (value && !conf_set_value(conf, &conf_rows[i], value, name, err))
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
    struct str name = str_from(arg + 2), section;
    const char *equals = strchr(arg, '=');

    name.len = (size_t)(equals - arg - 2);
    str_cut(&name, '.', &section);
    return conf_set(conf, section, name, equals + 1, CONF_FROM_OPTION, "command line", err);
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

    conf_set_defaults(&conf);
    *cli = (struct conf_cli){0};
    if (path && !conf_read_file(&conf, path, err))
        return false;
    if (!load_env(&conf, err) || !load_options(argc, argv, &conf, cli, err))
        return false;
    *out = conf;
    memset(&conf, 0, sizeof(conf));
    return true;
}

static void forget(const char *name)
{
    char *value = getenv(name);

    if (!value)
        return;
    explicit_bzero(value, strlen(value));
    unsetenv(name);
}

void conf_forget_environment(void)
{
    char name[96];

    for (size_t i = 0; i < conf_nrows; i++) {
        if (conf_rows[i].type != TYPE_SECRET)
            continue;
        env_name(&conf_rows[i], "", name, sizeof(name));
        forget(name);
        forget(conf_rows[i].choices);
    }
}

struct str conf_shown_word(const char *word)
{
    struct str shown = {word, 0};

    while (isalnum((unsigned char)word[shown.len]) || (word[shown.len] && strchr("-_.", word[shown.len])))
        shown.len++;
    return shown;
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
