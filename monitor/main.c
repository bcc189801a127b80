/*
 * main.c - tracepool-monitor: settings, and which of its verbs is meant.
 *
 * Without a verb it serves: snapshots, the operator's API, metrics. It forks no children: what it does
 * is little, and whoever starts it (systemd, Compose) starts it again.
 */
#include "common/conf.h"
#include "common/pg/open.h"
#include "common/sandbox.h"
#include "monitor/api.h"
#include "monitor/check.h"
#include "monitor/rules.h"
#include "monitor/serve.h"
#include "monitor/verbs_table.h"

#include <stdio.h>
#include <string.h>

enum { RULES_BYTES = 1 << 18 };

static void print_help(void)
{
    puts("tracepool-monitor - snapshots and alerts, the operator's API, metrics, the dashboard\n\n"
         "    tracepool-monitor [SETTING]...             serve until SIGTERM\n"
         "    tracepool-monitor [SETTING]... VERB        do one thing\n\nVerbs:");
#define PRINT(function, name, arguments, about, exits) printf("    %-9s %s: exit %s\n", name, about, exits);
    MONITOR_VERBS_MAP(PRINT)
#undef PRINT
    puts("\nGeneral options:");
    conf_print_general(stdout);
    conf_print_options(stdout);
}

static bool is_server(int argc)
{
    return argc == 1;
}

static bool check_settings(const struct conf *conf, bool serves, struct err *err)
{
    return pg_check_settings(conf, err) && (!serves || api_check_settings(conf, err));
}

static int print_rules(const struct conf *conf)
{
    SCOPED_VALUE(buf) text;

    buf_init(&text, RULES_BYTES);
    rules_write(conf, &text);
    fputs(buf_cstr(&text), stdout);
    return 0;
}

/* clang-format off */
static const struct verb {
    const char *name;
    int (*run)(const struct conf *conf);
} verbs[] = {
#define ROW(function, name, arguments, about, exits) {name, function},
    MONITOR_VERBS_MAP(ROW)
#undef ROW
};
/* clang-format on */

static const struct verb *find_verb(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(word, verbs[i].name) == 0)
            return &verbs[i];
    return NULL;
}

static int run(int argc, char **argv, const struct conf *conf)
{
    const struct verb *verb = argc == 2 ? find_verb(argv[1]) : NULL;
    struct err err;

    if (argc > 2 || (argc == 2 && !verb)) {
        fprintf(stderr, "tracepool-monitor: unknown argument %.*s; see tracepool-monitor --help\n",
                STR_ARG(conf_shown_word(argv[argc > 2 ? 2 : 1])));
        return 2;
    }
    if (verb && verb->run == print_rules) /* the only one that needs no database */
        return print_rules(conf);
    if (!check_settings(conf, is_server(argc), &err)) {
        fprintf(stderr, "tracepool-monitor: %s\n", err.detail);
        return 2;
    }
    if (is_server(argc))
        return serve_run(conf);
    return verb->run(conf);
}

int main(int argc, char **argv)
{
    SCOPED_VALUE(conf) conf = {0};
    struct conf_cli cli = {0};
    struct err err;

    if (!conf_load(&argc, argv, &conf, &cli, &err)) {
        fprintf(stderr, "tracepool-monitor: %s\n", err.detail);
        return 2;
    }
    conf_init_log(&conf, "monitor");
    sandbox_hide_memory(conf.sandbox_mode);
    if (cli.version) {
        printf("tracepool-monitor %s (schema %d)\n", TRACEPOOL_VERSION, TRACEPOOL_SCHEMA);
    } else if (cli.help) {
        print_help();
    } else if (cli.print_config) {
        conf_print(&conf, stdout);
    } else {
        return run(argc, argv, &conf);
    }
    return 0;
}
