/*
 * tools_url.c - the verbs `url` and `refresh`, for a person and for tests.
 *
 * Everything that matters is common/url, common/guard and common/refresh; this prints it.
 */
#include "worker/tools_url.h"

#include "common/guard.h"
#include "common/json.h"
#include "common/refresh.h"
#include "common/url.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 4 * 1024 * 1024, EXIT_OK = 0, EXIT_NO = 1, EXIT_USAGE = 2 };

static const char URL_USAGE[] = "usage: tracepool-worker url [--base URL] INPUT\n"
                                "       tracepool-worker url --stdin   ({\"input\", \"base\"} a line)\n";
static const char REFRESH_USAGE[] = "usage: tracepool-worker refresh VALUE\n"
                                    "       tracepool-worker refresh --stdin   ({\"input\"} a line)\n";

/* --- one JSON object a line --------------------------------------------------------------------------- */

/* The UTF-16 unit that a \uXXXX at s stands for; -1 when there is none. */
static int escaped_unit(const char *s)
{
    int unit = 0;

    if (s[0] != '\\' || s[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = str_hex_digit(s[i]);

        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/*
 * Half of a surrogate pair becomes U+FFFD, as where a browser takes a string; jansson would refuse the line.
 */
static void replace_lone_surrogates(char *line)
{
    while ((line = strchr(line, '\\')) != NULL && line[1]) {
        int unit = escaped_unit(line), next = unit < 0 ? -1 : escaped_unit(line + 6);
        bool is_high = unit >= 0xd800 && unit <= 0xdbff, is_low = unit >= 0xdc00 && unit <= 0xdfff;

        if (is_high && next >= 0xdc00 && next <= 0xdfff) {
            line += 12;
            continue;
        }
        if (is_high || is_low)
            memcpy(line + 2, "fffd", 4);
        line += 2;
    }
}

/* A string member; NULL inside when it is missing or null. */
static struct str member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        return (struct str){NULL, 0};
    return (struct str){json_string_value(value), json_string_length(value)};
}

/* Calls answer for each line of standard input; it prints one line. */
static int answer_lines(void (*answer)(struct str input, struct str base))
{
    SCOPED(char) line = NULL;
    size_t size = 0;

    for (int number = 1; getline(&line, &size, stdin) > 0; number++) {
        json_error_t why;
        struct str input;

        replace_lone_surrogates(line);
        SCOPED(json_t) object = json_loads(line, JSON_ALLOW_NUL, &why);
        input = member(object, "input");
        if (!input.ptr) {
            fprintf(stderr, "line %d: %s\n", number, object ? "no string \"input\"" : why.text);
            return EXIT_USAGE;
        }
        answer(input, member(object, "base"));
    }
    return ferror(stdout) || fflush(stdout) ? EXIT_NO : EXIT_OK;
}

/* --- url ---------------------------------------------------------------------------------------------- */

/* base.ptr is NULL when there is none */
static bool resolve(struct arena *a, struct str input, struct str base, struct url *out, struct err *err)
{
    struct url base_url;

    if (base.ptr && !url_parse(a, base, NULL, &base_url, err))
        return false;
    return url_parse(a, input, base.ptr ? &base_url : NULL, out, err);
}

static void answer_url(struct str input, struct str base)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct url u;
    struct err err;

    if (resolve(&a, input, base, &u, &err))
        printf("%.*s\n", STR_ARG(u.href));
    else
        printf("failure\n");
}

static void print_part(const char *name, struct str value)
{
    if (value.len)
        printf("%-9s %.*s\n", name, STR_ARG(value));
}

static void print_parameters(struct arena *a, struct str query)
{
    struct url_query_iter it;

    url_query_init(&it, query);
    for (struct str name, value; url_query_next(&it, a, &name, &value);) {
        SCOPED(json_t) pair = json_packed("[oo]", json_from_str(name), json_from_str(value));
        SCOPED(char) name_text = json_dumps(json_array_get(pair, 0), JSON_ENCODE_ANY);
        SCOPED(char) value_text = json_dumps(json_array_get(pair, 1), JSON_ENCODE_ANY);

        printf("          %s = %s\n", name_text, value_text);
    }
}

static void print_url(struct arena *a, const struct url *u)
{
    static const char *const KIND[] = {
        [URL_HOST_NONE] = "none",         [URL_HOST_DOMAIN] = "domain", [URL_HOST_IPV4] = "IPv4 address",
        [URL_HOST_IPV6] = "IPv6 address", [URL_HOST_OPAQUE] = "opaque", [URL_HOST_EMPTY] = "empty",
    };
    struct err err;

    print_part("url", u->href);
    print_part("scheme", u->scheme);
    print_part("username", u->username);
    print_part("password", u->password);
    if (u->host.len)
        printf("%-9s %.*s (%s)\n", "host", STR_ARG(u->host), KIND[u->host_kind]);
    if (url_effective_port(u) >= 0)
        printf("%-9s %d%s\n", "port", url_effective_port(u), u->port < 0 ? " (the scheme's)" : "");
    print_part("path", u->path);
    print_part("query", u->query);
    print_parameters(a, u->query);
    print_part("fragment", u->fragment);
    if (guard_allows_url(u, &err))
        printf("%-9s allowed, as far as the URL shows\n", "guard");
    else
        printf("%-9s refused: %s\n", "guard", err.detail);
}

int tool_url(int argc, char **argv)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct str base = {NULL, 0};
    struct url u;
    struct err err;
    int i = 1;

    if (argc == 2 && strcmp(argv[1], "--stdin") == 0)
        return answer_lines(answer_url);
    if (argc > 2 && strcmp(argv[1], "--base") == 0) {
        base = str_from(argv[2]);
        i = 3;
    }
    if (i < argc && strcmp(argv[i], "--") == 0)
        i++;
    else if (i < argc && strncmp(argv[i], "--", 2) == 0)
        i = argc;
    if (i + 1 != argc) {
        fputs(URL_USAGE, stderr);
        return EXIT_USAGE;
    }
    if (!resolve(&a, str_from(argv[i]), base, &u, &err)) {
        fprintf(stderr, "%s\n", err.detail);
        return EXIT_NO;
    }
    print_url(&a, &u);
    return EXIT_OK;
}

/* --- refresh ------------------------------------------------------------------------------------------ */

static void answer_refresh(struct str input, struct str base)
{
    SCOPED_VALUE(buf) url = {.max = 4 * (size_t)URL_MAX_BYTES};
    struct refresh r;

    (void)base;
    if (!refresh_parse(input, &r)) {
        printf("none\n");
        return;
    }
    if (r.url.ptr)
        url_strip(r.url, &url);
    printf("%d\t%s\n", r.delay_s, buf_cstr(&url));
}

int tool_refresh(int argc, char **argv)
{
    SCOPED_VALUE(buf) url = {.max = 4 * (size_t)URL_MAX_BYTES};
    struct refresh r;

    if (argc == 2 && strcmp(argv[1], "--stdin") == 0)
        return answer_lines(answer_refresh);
    if (argc == 3 && strcmp(argv[1], "--") == 0)
        argv++;
    else if (argc != 2 || strncmp(argv[1], "--", 2) == 0) {
        fputs(REFRESH_USAGE, stderr);
        return EXIT_USAGE;
    }
    if (!refresh_parse(str_from(argv[1]), &r)) {
        printf("not a refresh: %s\n", argv[1]);
        return EXIT_NO;
    }
    if (r.url.ptr)
        url_strip(r.url, &url);
    if (url.len)
        printf("after %d s to %s\n", r.delay_s, buf_cstr(&url));
    else
        printf("after %d s the page again\n", r.delay_s);
    return EXIT_OK;
}
