/*
 * main.c - tracepool-edge: reads settings, opens the listening sockets, keeps the children alive.
 *
 * What can be wrong with the settings is found here, once, before any child exists. The parent has no
 * database, no spool and no clicks of its own; a child is serve.c.
 */
#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/pg/files.h"
#include "common/pg/open.h"
#include "common/proc.h"
#include "common/service.h"
#include "edge/hit.h"
#include "edge/serve.h"
#include "edge/spool_dir.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_USAGE = 2, BACKLOG = 4096, DRAIN_GRACE_MS = 2000, NAME_MAX_BYTES = 24 };

typedef char *word;
DEFINE_SCOPED_PTR(words, word, free)

static void print_help(void)
{
    puts("tracepool-edge - answers clicks with a redirect at once, and keeps each for a trace\n\n"
         "    tracepool-edge [OPTION]...    serve until SIGTERM; SIGHUP reloads\n\nOptions:");
    conf_print_general(stdout);
    conf_print_options(stdout);
}

static int usage(const char *what)
{
    fprintf(stderr, "tracepool-edge: %s\n", what);
    return EXIT_USAGE;
}

/* All that a child would stumble over. */
static bool check(const struct conf *conf, struct err *err)
{
    struct hits *hits;

    if (!pg_check_settings(conf, err) || !hits_create(conf, &(struct hits_parts){.feed = NULL}, &hits, err))
        return false;
    hits_destroy(hits);
    return spool_dir_prepare(conf->edge_spool_dir, err);
}

/* The service manager's socket of that name, else one of our own; without an address -1. */
static bool open_socket(const char *name, const char *setting, const char *address, int *fd, struct err *err)
{
    struct err why;

    if (!service_take_socket(name, fd, err))
        return false;
    return *fd >= 0 || !address[0] || loop_listen(address, BACKLOG, fd, &why) ||
           err_set(err, why.code, "%s: %s", setting, why.detail);
}

static bool open_sockets(const struct conf *conf, struct proc_options *options, struct err *err)
{
    if (!metrics_create(options->children, &options->fds[SERVE_FD_METRICS], err) ||
        !seen_create(&options->fds[SERVE_FD_SEEN], err) ||
        !open_socket("public", "edge.listen", conf->edge_listen, &options->fds[SERVE_FD_PUBLIC], err) ||
        !open_socket("admin", "edge.admin_listen", conf->edge_admin_listen, &options->fds[SERVE_FD_ADMIN],
                     err) ||
        !service_took_all_sockets(err))
        return false;
    if (options->fds[SERVE_FD_PUBLIC] < 0)
        return err_set(err, ERR_BAD_SETTING, "edge.listen is empty, and no socket was passed");
    options->nfds = options->fds[SERVE_FD_ADMIN] < 0 ? SERVE_FD_PUBLIC + 1 : SERVE_FD_ADMIN + 1;
    return true;
}

static int run_parent(const struct conf *conf, char **argv)
{
    struct proc_options options = {
        .program = "edge",
        .children = (int)conf->edge_children,
        .argv = argv,
        .drain_ms = conf->edge_drain_s * 1000 + DRAIN_GRACE_MS,
    };
    struct err err;

    service_init();
    if (!check(conf, &err) || !open_sockets(conf, &options, &err) ||
        !sandbox_enter(SANDBOX_PARENT, conf->sandbox_mode, NULL, &err))
        return usage(err.detail);
    log_info("edge.start", kv("version", TRACEPOOL_VERSION), kv("listen", conf->edge_listen),
             kv("children", conf->edge_children), kv("spool", conf->edge_spool_dir));
    return proc_run_parent(&options);
}

/* Before the spool's thread exists. */
static bool restrict_child(const struct conf *conf, struct err *err)
{
    SCOPED_VALUE(sandbox_paths) paths = {.n = 0};

    sandbox_may_write(&paths, conf->edge_spool_dir);
    if (strcmp(conf->edge_access_log, "log") != 0)
        sandbox_may_write(&paths, conf->edge_access_log);
    pg_may_read_files(conf->database_url, &paths);
    pg_may_read_files(conf->database_listen_url, &paths);
    return sandbox_enter(SANDBOX_EDGE, conf->sandbox_mode, &paths, err);
}

static int run_child(const struct conf *conf, const struct proc_child *me)
{
    static char name[NAME_MAX_BYTES];
    struct err err;

    snprintf(name, sizeof(name), "edge.%d", me->slot);
    conf_init_log(conf, name);
    conf_forget_environment();
    if (!pg_check_settings(conf, &err) || !restrict_child(conf, &err))
        return usage(err.detail);
    return serve_run(conf, me);
}

static int dispatch(const struct conf *conf, const struct conf_cli *cli, const struct proc_child *me,
                    int argc, char **argv, char **whole)
{
    if (cli->help)
        print_help();
    else if (cli->version)
        printf("tracepool-edge %s (schema %d)\n", TRACEPOOL_VERSION, TRACEPOOL_SCHEMA);
    else if (cli->print_config)
        conf_print(conf, stdout);
    else if (argc > 1) {
        fprintf(stderr, "tracepool-edge: unknown argument %.*s; see tracepool-edge --help\n",
                STR_ARG(conf_shown_word(argv[1])));
        return EXIT_USAGE;
    } else {
        return me->is_child ? run_child(conf, me) : run_parent(conf, whole);
    }
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
    memcpy(whole, argv, (size_t)argc * sizeof(*whole));
    if (!conf_load(&argc, argv, &conf, &cli, &err))
        return usage(err.detail);
    conf_init_log(&conf, "edge");
    sandbox_hide_memory(conf.sandbox_mode);
    return dispatch(&conf, &cli, &me, argc, argv, whole);
}
