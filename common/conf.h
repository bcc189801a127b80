/*
 * conf.h - every setting of every program, in one table.
 *
 * A row gives the field of `struct conf`, the default, the check, the environment name and the manual
 * (`--print-config`). The order of precedence: default < ini file < environment < option. An unknown
 * key, a bad unit or a value out of range stops the start and names the place and the allowed range. Only in
 * the environment an unknown name is passed over: other programs have names there, too.
 *
 *     ini          [section] key = value
 *     environment  TRACEPOOL_SECTION_KEY=value
 *     option       --section.key=value
 *
 * INT values may carry a unit of their kind: s: s m h d; ms: ms s m; bytes: k M G (powers of 1024).
 * SECRET values are given by ini, environment or, as key_file / TRACEPOOL_SECTION_KEY_FILE /
 * --section.key_file=, by a file whose trailing newline is dropped; never by a plain option, which
 * every user of the machine could read. A service manager gives them as files of $CREDENTIALS_DIRECTORY,
 * called tracepool_section.key; they go before the ini file and after the environment's entries.
 *
 * Rules that live in the database (cooldown, retries, retention) are columns of its table
 * trace_policy and are not repeated here.
 */
#ifndef TRACEPOOL_COMMON_CONF_H
#define TRACEPOOL_COMMON_CONF_H

#include "common/conf_table.h"
#include "common/err.h"
#include "common/log.h"

#include <stdint.h>
#include <stdio.h>

/* One field per row: conf.section_key. Text is owned by the struct, never NULL, until conf_finish. */
struct conf {
#define CONF_INT(section, key, unit, def, min, max, text) int64_t section##_##key;
#define CONF_BOOL(section, key, def, text) bool section##_##key;
#define CONF_CHOICE(section, key, choices, def, text) char *section##_##key;
#define CONF_TEXT(section, key, def, text) char *section##_##key;
#define CONF_SECRET(section, key, also, text) char *section##_##key;
    CONF_MAP(CONF_INT, CONF_BOOL, CONF_CHOICE, CONF_TEXT, CONF_SECRET)
#undef CONF_INT
#undef CONF_BOOL
#undef CONF_CHOICE
#undef CONF_TEXT
#undef CONF_SECRET
    struct conf_named *named; /* what sections with a name say, in the order of the file */
};

/*
 * A line of an ini section that there may be many of, each with a name of its own: [vast_provider NAME].
 * Which keys there are is the reader's to know (worker/vast_rules.h); such sections come from the ini file
 * alone.
 */
struct conf_named {
    struct conf_named *next;
    char *section, *name, *key, *value; /* owned */
    char where[128];                    /* "tracepool.ini:12" */
};

/* The options of every program, as --help and the manual pages show them. */
#define CONF_GENERAL_MAP(X)                                                                                  \
    X("--config FILE", "settings from an ini file; also TRACEPOOL_CONFIG in the environment")                \
    X("--section.key=VALUE", "one setting")                                                                  \
    X("--print-config", "print all settings with their meaning, as an ini file")                             \
    X("--version", "print the version")                                                                      \
    X("--help", "print this and all settings")

/* What the general options asked for. */
struct conf_cli {
    bool print_config;
    bool version;
    bool help;
};

/*
 * Fills *out from all sources and takes the options it knows (--config FILE, --section.key=VALUE,
 * --print-config, --version, --help) out of argv; what is left, argv[0] first, is *argc long.
 * ERR_BAD_SETTING names the source, the key, the value and what would be allowed.
 */
NODISCARD bool conf_load(int *argc, char **argv, struct conf *out, struct conf_cli *cli, struct err *err);
void conf_finish(struct conf *conf);
/* For what can't do without a database: ERR_BAD_SETTING says where it is named. */
NODISCARD bool conf_require_database(const struct conf *conf, struct err *err);

/*
 * Wipes and removes the environment's entries that hold a secret (also what /proc/PID/environ shows of them).
 * For a process that starts no child which needs them, and that is to know them from *conf alone.
 */
void conf_forget_environment(void);

/*
 * What an error may show of a word from the command line: up to the first byte that is no letter, digit, '-',
 * '_' or '.'. Behind it somebody may have typed a URL with its password. A view of word.
 */
struct str conf_shown_word(const char *word);

/* The commented reference, as an ini file with the values in force; secrets are masked. */
void conf_print(const struct conf *conf, FILE *to);

/* The settings under their heading, each as `--section.key  [default]` and what it is for, for --help. */
void conf_print_options(FILE *to);

/* CONF_GENERAL_MAP, one option a line. */
void conf_print_general(FILE *to);

/* Log level and format of [log], with proc as the process's name in every line. */
void conf_init_log(const struct conf *conf, const char *proc);

DEFINE_SCOPED(conf, struct conf, conf_finish)

#endif
