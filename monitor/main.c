/*
 * main.c - tracepool-monitor: settings, and which of its verbs is meant.
 *
 * Without a verb it serves: snapshots, the operator's API, metrics. It forks no children: what it does
 * is little, and whoever starts it (systemd, Compose) starts it again.
 */
#include "common/conf.h"
#include "monitor/api.h"
#include "monitor/check.h"
#include "monitor/rules.h"
#include "monitor/serve.h"

#include <stdio.h>
#include <string.h>

enum { RULES_BYTES = 1 << 18 };

static const char usage[] =
    "usage: tracepool-monitor [OPTIONS]            serve: snapshots, operator's API, metrics\n"
    "       tracepool-monitor [OPTIONS] check      print warnings; exit 0 healthy, 1 warnings, 2 "
    "unreachable\n"
    "       tracepool-monitor [OPTIONS] snapshot   record one row of statistics now\n"
    "       tracepool-monitor [OPTIONS] rules      print the alert rules for Prometheus\n"
    "options: --config FILE, --section.key=VALUE, --print-config, --version, --help\n";

static bool is_server(int argc)
{
    return argc == 1;
}

static bool check_settings(const struct conf *conf, bool serves, struct err *err)
{
    if (!*conf->database_url)
        return err_set(
            err, ERR_BAD_SETTING,
            "database.url is not set: give DATABASE_URL, TRACEPOOL_DATABASE_URL_FILE or an ini file");
    return !serves || api_check_settings(conf, err);
}

static bool is_verb(const char *word)
{
    return strcmp(word, "check") == 0 || strcmp(word, "snapshot") == 0 || strcmp(word, "rules") == 0;
}

static int print_rules(const struct conf *conf)
{
    SCOPED_VALUE(buf) text;

    buf_init(&text, RULES_BYTES);
    rules_write(conf, &text);
    fputs(buf_cstr(&text), stdout);
    return 0;
}

static int run(int argc, char **argv, const struct conf *conf)
{
    struct err err;

    if (argc > 2 || (argc == 2 && !is_verb(argv[1]))) {
        fprintf(stderr, "tracepool-monitor: unknown argument %s\n%s", argv[argc > 2 ? 2 : 1], usage);
        return 2;
    }
    if (argc == 2 && strcmp(argv[1], "rules") == 0)
        return print_rules(conf);
    if (!check_settings(conf, is_server(argc), &err)) {
        fprintf(stderr, "tracepool-monitor: %s\n", err.detail);
        return 2;
    }
    if (is_server(argc))
        return serve_run(conf);
    return strcmp(argv[1], "check") == 0 ? check_run(conf) : snapshot_run(conf);
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
    if (cli.version) {
        printf("tracepool-monitor %s (schema %d)\n", TRACEPOOL_VERSION, TRACEPOOL_SCHEMA);
    } else if (cli.help) {
        fputs(usage, stdout);
        conf_print_options(stdout);
    } else if (cli.print_config) {
        conf_print(&conf, stdout);
    } else {
        return run(argc, argv, &conf);
    }
    return 0;
}
