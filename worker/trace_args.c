/*
 * trace_args.c - one table of options; whatever comes after them is the URL.
 */
#include "worker/trace_args.h"

#include "common/url.h"
#include "worker/claim_row.h"
#include "worker/verb_args.h"

#include <string.h>

enum { HOPS_MAX = 100 };

const char trace_args_usage[] =
    "usage: tracepool-worker trace [OPTION]... URL\n"
    "  --mode auto|http_only|browser   auto: whatever the page needs\n"
    "  --proxy URL                     http, https or socks5h://[USER:PASSWORD@]HOST:PORT (also "
    "TRACEPOOL_PROXY)\n"
    "  --proxy-file FILE               the same, from a file\n"
    "  --referrer URL                  where the visitor comes from\n"
    "  --user-agent TEXT               what the trace calls itself\n"
    "  --expect-param NAME             a parameter that some hop should have; may be repeated\n"
    "  --allow-private                 private and loopback addresses may be reached\n"
    "  --max-hops N                    hops at most, 1 to 100\n"
    "  --timeout SECONDS               for the whole trace, 0.1 to 600\n"
    "  --json                          one JSON object instead of the table\n"
    "  --har FILE                      write the trace to FILE, as HAR 1.2\n"
    "  --screenshot FILE               write what a visitor would see of the last page to FILE, as PNG\n"
    "  --cookies                       show the cookies that were set in the end, with their values\n"
    "  --console                       show errors and warnings of the pages' scripts\n"
    "A screenshot and the console need the browser: mode auto uses it then.\n";

static bool take_mode(struct trace_args *args, char *value, struct err *err)
{
    if (trace_mode_from(str_from(value), &args->request.mode))
        return true;
    return err_set(err, ERR_BAD_INPUT, "--mode %s: must be auto, http_only or browser", value);
}

static bool take_proxy(struct trace_args *args, char *value, struct err *err)
{
    return verb_take_proxy(args->arena, value, &args->proxy_text, err);
}

static bool take_proxy_file(struct trace_args *args, char *value, struct err *err)
{
    return verb_take_proxy_file(args->arena, value, &args->proxy_text, err);
}

static bool take_referrer(struct trace_args *args, char *value, struct err *err)
{
    struct url url;

    args->request.referrer = str_from(value);
    return url_parse(args->arena, args->request.referrer, NULL, &url, err);
}

static bool take_user_agent(struct trace_args *args, char *value, struct err *err)
{
    args->request.user_agent = str_from(value);
    return value[0] || err_set(err, ERR_BAD_INPUT, "--user-agent: must not be empty");
}

static bool take_expected(struct trace_args *args, char *value, struct err *err)
{
    if (args->request.nexpected_params == TRACE_EXPECTED_MAX)
        return err_set(err, ERR_BAD_INPUT, "--expect-param: at most %d of them", TRACE_EXPECTED_MAX);
    args->expected[args->request.nexpected_params++] = str_from(value);
    return true;
}

static bool take_max_hops(struct trace_args *args, char *value, struct err *err)
{
    int64_t n;

    if (!str_to_int(str_from(value), &n) || n < 1 || n > HOPS_MAX)
        return err_set(err, ERR_BAD_INPUT, "--max-hops %s: must be a number from 1 to %d", value, HOPS_MAX);
    args->request.max_hops = (int)n;
    return true;
}

static bool take_timeout(struct trace_args *args, char *value, struct err *err)
{
    return verb_take_timeout(value, &args->request.total_timeout_ms, err);
}

static bool take_allow_private(struct trace_args *args, char *value, struct err *err)
{
    (void)value;
    (void)err;
    return args->request.allow_private = true;
}

static bool take_json(struct trace_args *args, char *value, struct err *err)
{
    (void)value;
    (void)err;
    return args->is_json = true;
}

static bool take_har(struct trace_args *args, char *value, struct err *err)
{
    args->har_file = value;
    return value[0] || err_set(err, ERR_BAD_INPUT, "--har: which file?");
}

static bool take_screenshot(struct trace_args *args, char *value, struct err *err)
{
    args->screenshot_file = value;
    args->request.evidence |= evidence_bit(EVIDENCE_SCREENSHOT);
    return value[0] || err_set(err, ERR_BAD_INPUT, "--screenshot: which file?");
}

static bool take_cookies(struct trace_args *args, char *value, struct err *err)
{
    (void)value;
    (void)err;
    args->request.evidence |= evidence_bit(EVIDENCE_COOKIES);
    return true;
}

static bool take_console(struct trace_args *args, char *value, struct err *err)
{
    (void)value;
    (void)err;
    args->request.evidence |= evidence_bit(EVIDENCE_CONSOLE);
    return true;
}

/* clang-format off */
static const struct option {
    const char *name;
    bool has_value;
    bool (*take)(struct trace_args *args, char *value, struct err *err);
} options[] = {
    {"--mode",          true,  take_mode},
    {"--proxy",         true,  take_proxy},
    {"--proxy-file",    true,  take_proxy_file},
    {"--referrer",      true,  take_referrer},
    {"--user-agent",    true,  take_user_agent},
    {"--expect-param",  true,  take_expected},
    {"--max-hops",      true,  take_max_hops},
    {"--timeout",       true,  take_timeout},
    {"--allow-private", false, take_allow_private},
    {"--json",          false, take_json},
    {"--har",           true,  take_har},
    {"--screenshot",    true,  take_screenshot},
    {"--cookies",       false, take_cookies},
    {"--console",       false, take_console},
};
/* clang-format on */

/* Takes one option and its value; *used words of argv. */
static bool take_option(struct trace_args *args, char **argv, int left, int *used, struct err *err)
{
    char *value;

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (verb_is_option(options[i].name, argv[0]))
            return verb_option_value(options[i].name, options[i].has_value, argv, left, used, &value, err) &&
                   options[i].take(args, value, err);
    return verb_no_option(argv[0], err);
}

static bool has_what_evidence_needs(const struct trace_args *args, struct err *err)
{
    if (args->request.mode != MODE_HTTP_ONLY || !evidence_needs_browser(args->request.evidence))
        return true;
    return err_set(err, ERR_BAD_INPUT, "%s needs a browser: leave --mode http_only away",
                   args->screenshot_file ? "--screenshot" : "--console");
}

static bool parse(struct trace_args *args, int argc, char **argv, struct err *err)
{
    bool are_options_over = false;

    for (int i = 1, used; i < argc; i += used) {
        used = 1;
        if (!are_options_over && strcmp(argv[i], "--") == 0) {
            are_options_over = true;
        } else if (!are_options_over && strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(args, argv + i, argc - i, &used, err))
                return false;
        } else if (args->request.url.len) {
            return err_set(err, ERR_BAD_INPUT, "one URL at a time");
        } else {
            args->request.url = str_from(argv[i]);
        }
    }
    if (!args->request.url.len)
        return err_set(err, ERR_BAD_INPUT, "which URL?");
    return has_what_evidence_needs(args, err) &&
           verb_read_proxy(args->arena, args->proxy_text, &args->request.proxy, err);
}

static void set_defaults(struct trace_args *args, const struct conf *conf)
{
    args->request = (struct trace_request){
        .mode = MODE_AUTO,
        .referrer = STR(""),
        .user_agent = claim_user_agent(conf, args->arena),
        .expected_params = args->expected,
        .max_hops = (int)conf->trace_max_hops,
        .total_timeout_ms = conf->trace_timeout_s * 1000,
        .hop_timeout_ms = conf->trace_hop_timeout_s * 1000,
        .connect_timeout_ms = conf->trace_connect_timeout_ms,
        .max_body = (size_t)conf->trace_body_max_bytes,
        .max_header = (size_t)conf->trace_header_max_bytes,
        .allow_private = conf->trace_allow_private,
        .ca_file = str_from(conf->http_ca_file),
        .block_resources = true,
    };
}

bool trace_args_read(struct trace_args *args, const struct conf *conf, struct arena *a, int argc, char **argv,
                     struct err *err)
{
    *args = (struct trace_args){.arena = a};
    set_defaults(args, conf);
    return parse(args, argc, argv, err);
}
