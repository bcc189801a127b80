/*
 * main.c - tracepool-worker: the parent of the farm, or one of the verbs for a person.
 *
 * The parent keeps N children alive and has no database and no network of its own (common/proc.c); what
 * a child does is child.c. Verbs live in tools_*.c and get the arguments from their name on.
 */
#include "common/arena.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/pg/open.h"
#include "common/proc.h"
#include "common/sandbox.h"
#include "common/service.h"
#include "worker/browser/launcher.h"
#include "worker/child.h"
#include "worker/countries.h"
#include "worker/tools_batch.h"
#include "worker/tools_trace.h"
#include "worker/tools_url.h"
#include "worker/tools_vast.h"
#include "worker/trace_args.h"
#include "worker/vast_args.h"
#include "worker/vast_rules.h"
#include "worker/verbs_table.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_USAGE = 2, PARENT_GRACE_MS = 15000 };

typedef char *word;
DEFINE_SCOPED_PTR(words, word, free)

static int verb_url(const struct conf *conf, int argc, char **argv)
{
    (void)conf;
    return tool_url(argc, argv);
}

static int verb_refresh(const struct conf *conf, int argc, char **argv)
{
    (void)conf;
    return tool_refresh(argc, argv);
}

static int verb_macro(const struct conf *conf, int argc, char **argv)
{
    (void)conf;
    return tool_macro(argc, argv);
}

/* clang-format off */
static const struct verb {
    const char *name, *arguments, *about;
    int (*run)(const struct conf *conf, int argc, char **argv);
} verbs[] = {
#define ROW(function, name, arguments, about, exits) {name, arguments, about, function},
    WORKER_VERBS_MAP(ROW)
#undef ROW
};
/* clang-format on */

static void print_help(FILE *to)
{
    fputs("tracepool-worker - traces pending requests through a pool of proxy IPs\n\n"
          "    tracepool-worker [SETTING]...             run the farm until SIGTERM\n"
          "    tracepool-worker [SETTING]... VERB ...    do one thing\n\nVerbs:\n",
          to);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(to, "    %-9s %-30s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].about);
    fputs("\nGeneral options:\n", to);
    conf_print_general(to);
    fputs("    --dot                     print the life of a trace as a graphviz picture\n", to);
    conf_print_options(to);
}

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "tracepool-worker: %s%.*s; see tracepool-worker --help\n", what,
            STR_ARG(conf_shown_word(value)));
    return EXIT_USAGE;
}

static bool has_good_countries(const struct conf *conf, struct err *err)
{
    SCOPED(char) array = NULL;

    return countries_read(conf->worker_countries, &array, err);
}

static bool has_good_sections(const struct conf *conf, struct err *err)
{
    struct vast_rules rules;

    if (!vast_rules_init(&rules, conf, err))
        return false;
    vast_rules_finish(&rules);
    return true;
}

/* Settings that are fine alone and make no sense together. */
static bool is_consistent(const struct conf *conf, struct err *err)
{
    if (conf->trace_lease_s <= conf->trace_timeout_s)
        return err_set(err, ERR_BAD_SETTING, "trace.lease_s=%lld must be more than trace.timeout_s=%lld",
                       (long long)conf->trace_lease_s, (long long)conf->trace_timeout_s);
    if (conf->worker_silence_s < 3 * conf->worker_heartbeat_s)
        return err_set(err, ERR_BAD_SETTING,
                       "worker.silence_s=%lld must be at least three times worker.heartbeat_s=%lld",
                       (long long)conf->worker_silence_s, (long long)conf->worker_heartbeat_s);
    if (conf->browser_enabled && !launcher_check_user(conf->browser_user, err))
        return false;
    return has_good_countries(conf, err) && has_good_sections(conf, err);
}

static int run_child(const struct conf *conf, const struct proc_child *me)
{
    char name[32];
    struct err err;

    snprintf(name, sizeof(name), "worker.%d", me->slot);
    conf_init_log(conf, name);
    conf_forget_environment();
    if (me->nfds > 0 && !metrics_attach(me->fds[0], me->slot, &err))
        log_warn("metrics.detached", kv_err(&err));
    return child_run(conf, me);
}

static int run_parent(const struct conf *conf, char **argv)
{
    struct proc_options options = {
        .program = "worker",
        .children = (int)conf->worker_children,
        .argv = argv,
        .nfds = 1,
        .drain_ms = conf->worker_drain_s * 1000 + PARENT_GRACE_MS,
    };
    struct err err;

    conf_init_log(conf, "worker");
    service_init();
    arena_huge_heaps_for_children();
    if (!metrics_create(options.children, &options.fds[0], &err)) {
        log_error("metrics.failed", kv_err(&err));
        return 1;
    }
    if (!sandbox_enter(SANDBOX_PARENT, conf->sandbox_mode, NULL, &err)) {
        log_error("sandbox.failed", kv_err(&err));
        return EXIT_USAGE;
    }
    return proc_run_parent(&options);
}

static int run_verb(const struct conf *conf, int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(argv[0], verbs[i].name) != 0)
            continue;
        conf_init_log(conf, "worker");
        return verbs[i].run(conf, argc, argv);
    }
    return usage("unknown verb: ", argv[0]);
}

/* The farm: without a verb, in the parent or one of its children. */
static int run_farm(const struct conf *conf, const struct proc_child *me, char **whole)
{
    struct err err;

    if (!is_consistent(conf, &err) || !pg_check_settings(conf, &err)) {
        fprintf(stderr, "tracepool-worker: %s\n", err.detail);
        return EXIT_USAGE;
    }
    return me->is_child ? run_child(conf, me) : run_parent(conf, whole);
}

static int dispatch(const struct conf *conf, const struct conf_cli *cli, const struct proc_child *me,
                    int argc, char **argv, char **whole)
{
    if (cli->help && argc > 1 && strcmp(argv[1], "trace") == 0)
        fputs(trace_args_usage, stdout);
    else if (cli->help && argc > 1 && strcmp(argv[1], "vast") == 0)
        fputs(vast_args_usage, stdout);
    else if (cli->help)
        print_help(stdout);
    else if (cli->version)
        printf("tracepool-worker %s (schema %d)\n", TRACEPOOL_VERSION, TRACEPOOL_SCHEMA);
    else if (cli->print_config)
        conf_print(conf, stdout);
    else if (argc > 1 && strcmp(argv[1], "--dot") == 0)
        trace_print_dot(stdout);
    else if (argc > 1)
        return run_verb(conf, argc - 1, argv + 1);
    else
        return run_farm(conf, me, whole);
    return 0;
}

int main(int argc, char **argv)
{
    struct proc_child me = proc_child();
    SCOPED_VALUE(conf) conf = {0};
    SCOPED(words) whole = calloc((size_t)argc + 1, sizeof(*whole)); /* for the children, as they came */
    struct conf_cli cli = {0};
    struct err err;

    if (!whole)
        return 1;
    signal(SIGPIPE, SIG_IGN); /* whoever hangs up, a peer or a reader of ours, is an error of the write */
    memcpy(whole, argv, (size_t)argc * sizeof(*whole));
    if (!conf_load(&argc, argv, &conf, &cli, &err)) {
        fprintf(stderr, "tracepool-worker: %s\n", err.detail);
        return EXIT_USAGE;
    }
    sandbox_hide_memory(conf.sandbox_mode);
    return dispatch(&conf, &cli, &me, argc, argv, whole);
}
