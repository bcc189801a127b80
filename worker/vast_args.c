/*
 * vast_args.c - one table of options; what is none is the source.
 */
#include "worker/vast_args.h"

#include "worker/verb_args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PROVIDER_MAX = 256 * 1024 };

const char vast_args_usage[] =
    "usage: tracepool-worker vast [OPTION]... FILE|URL|-\n"
    "Reads a VAST document (- is standard input), finds fault with it, and shows what one whole\n"
    "view of it would send. Sends no tracking request.\n"
    "  --resolve          follow wrappers; each one is a request\n"
    "  --json             one JSON object instead of the text\n"
    "  --proxy URL        http, https or socks5h://[USER:PASSWORD@]HOST:PORT (also TRACEPOOL_PROXY)\n"
    "  --proxy-file FILE  the same, from a file\n"
    "  --allow-private    private and loopback addresses may be reached\n"
    "  --provider NAME    an ad server's ways: a section [vast_provider NAME] of the ini, or a JSON\n"
    "                     file; without a source its own URL is requested\n"
    "  --param NAME=VALUE a further parameter of the provider's URL; may be repeated\n"
    "  --max-wrappers N   wrappers in one chain, 0 to 20 (vast.max_wrappers)\n"
    "  --timeout SECONDS  for the whole, 0.1 to 600 (30)\n"
    "  --xsd DIR          ask IAB's schemas in that folder, too (vast.xsd_dir)\n";

static bool take_proxy(struct vast_args *args, char *value, struct err *err)
{
    return verb_take_proxy(args->arena, value, &args->proxy_text, err);
}

static bool take_proxy_file(struct vast_args *args, char *value, struct err *err)
{
    return verb_take_proxy_file(args->arena, value, &args->proxy_text, err);
}

static bool take_provider(struct vast_args *args, char *value, struct err *err)
{
    const struct vast_provider *section = vast_rules_section(&args->rules, str_from(value));
    SCOPED_VALUE(buf) text = {.max = PROVIDER_MAX};

    if (section) {
        args->provider = *section;
        return true;
    }
    return vast_args_read_file(value, &text, err) &&
           vast_provider_read(args->arena, buf_str(&text), &args->rules.defaults, &args->provider, err);
}

static bool take_param(struct vast_args *args, char *value, struct err *err)
{
    struct str rest = str_from(value), name;

    if (args->nparams == (int)ARRAY_LEN(args->params))
        return err_set(err, ERR_BAD_INPUT, "--param: at most %zu of them", ARRAY_LEN(args->params));
    if (!str_cut(&rest, '=', &name) || !rest.ptr || !name.len)
        return err_set(err, ERR_BAD_INPUT, "--param %s: must be NAME=VALUE", value);
    args->params[args->nparams++] = (struct vast_param){.name = name, .value = rest};
    return true;
}

static bool take_max_wrappers(struct vast_args *args, char *value, struct err *err)
{
    int64_t n;

    if (!str_to_int(str_from(value), &n) || n > VAST_WRAPPERS_MAX)
        return err_set(err, ERR_BAD_INPUT, "--max-wrappers %s: must be a number from 0 to %d", value,
                       VAST_WRAPPERS_MAX);
    args->max_wrappers = (int)n;
    return true;
}

static bool take_timeout(struct vast_args *args, char *value, struct err *err)
{
    return verb_take_timeout(value, &args->total_timeout_ms, err);
}

static bool take_xsd(struct vast_args *args, char *value, struct err *err)
{
    (void)err;
    args->xsd_dir = value;
    return true;
}

static bool take_resolve(struct vast_args *args, char *value, struct err *err)
{
    (void)value;
    (void)err;
    return args->is_resolve = true;
}

static bool take_json(struct vast_args *args, char *value, struct err *err)
{
    (void)value;
    (void)err;
    return args->is_json = true;
}

static bool take_allow_private(struct vast_args *args, char *value, struct err *err)
{
    (void)value;
    (void)err;
    return args->allow_private = true;
}

/* clang-format off */
static const struct option {
    const char *name;
    bool has_value;
    bool (*take)(struct vast_args *args, char *value, struct err *err);
} options[] = {
    {"--resolve",       false, take_resolve},
    {"--json",          false, take_json},
    {"--proxy",         true,  take_proxy},
    {"--proxy-file",    true,  take_proxy_file},
    {"--allow-private", false, take_allow_private},
    {"--provider",      true,  take_provider},
    {"--param",         true,  take_param},
    {"--max-wrappers",  true,  take_max_wrappers},
    {"--timeout",       true,  take_timeout},
    {"--xsd",           true,  take_xsd},
};
/* clang-format on */

/* Takes one option and its value; *used words of argv. */
static bool take_option(struct vast_args *args, char **argv, int left, int *used, struct err *err)
{
    char *value;

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (verb_is_option(options[i].name, argv[0]))
            return verb_option_value(options[i].name, options[i].has_value, argv, left, used, &value, err) &&
                   options[i].take(args, value, err);
    return verb_no_option(argv[0], err);
}

static bool take_source(struct vast_args *args, char *value, struct err *err)
{
    if (args->source)
        return err_set(err, ERR_BAD_INPUT, "one document at a time, not also \"%s\"", value);
    args->source = value;
    return true;
}

static bool parse(struct vast_args *args, int argc, char **argv, struct err *err)
{
    for (int i = 1, used; i < argc; i += used) {
        bool is_text = argv[i][0] != '-' || !argv[i][1];

        used = 1;
        if (!(is_text ? take_source(args, argv[i], err) : take_option(args, argv + i, argc - i, &used, err)))
            return false;
    }
    if (!args->source && !args->provider.base_url.len)
        return err_set(err, ERR_BAD_INPUT, "which document?");
    if (args->max_wrappers >= 0)
        args->provider.max_wrappers = args->max_wrappers;
    return verb_read_proxy(args->arena, args->proxy_text, &args->proxy, err);
}

bool vast_args_read(struct vast_args *args, const struct conf *conf, struct arena *a, int argc, char **argv,
                    struct err *err)
{
    *args = (struct vast_args){.arena = a,
                               .allow_private = conf->trace_allow_private,
                               .xsd_dir = conf->vast_xsd_dir[0] ? conf->vast_xsd_dir : NULL,
                               .max_wrappers = -1,
                               .total_timeout_ms = 30000};
    if (!vast_rules_init(&args->rules, conf, err))
        return false;
    args->rules.defaults.cache_ttl_ms = 0; /* no offer has allowed it */
    args->provider = args->rules.defaults;
    return parse(args, argc, argv, err);
}

void vast_args_finish(struct vast_args *args)
{
    vast_rules_finish(&args->rules);
}

bool vast_args_read_file(const char *path, struct buf *out, struct err *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    char piece[16384];
    int failure = 0;

    if (!file)
        return err_set(err, ERR_IO, "%.150s: %s", path, strerror(errno));
    for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0 && !out->is_full;)
        buf_append(out, piece, n);
    if (ferror(file))
        failure = errno;
    if (file != stdin)
        fclose(file);
    if (failure)
        return err_set(err, ERR_IO, "%.150s: %s", path, strerror(failure));
    return !out->is_full || err_set(err, ERR_TOO_BIG, "%.150s: longer than %zu bytes", path, out->max);
}
