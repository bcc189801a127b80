/*
 * tools_macro.c - the verb `macro`: expand the macros of one URL, or of one JSON object a line.
 */
#include "worker/tools_vast.h"

#include "common/arena.h"
#include "common/conf.h"
#include "common/json.h"
#include "worker/vast_resolve.h"

#include <stdio.h>
#include <string.h>

enum { EXPANDED_MAX = 1024 * 1024, ARENA_MAX = 1024 * 1024, MACROS_MAX = 256, EXIT_NO = 1, EXIT_USAGE = 2 };

static const char USAGE[] =
    "usage: tracepool-worker macro [--mode leave|iab] [--set NAME=VALUE]... TEMPLATE\n"
    "       tracepool-worker macro --stdin   ({\"template\", \"values\", \"mode\"} a line)\n";

struct request {
    struct str text;
    enum vast_macro_mode mode;
    struct vast_macro macros[MACROS_MAX];
    struct str single[MACROS_MAX]; /* where a macro of one value has it */
    int n;
};

static bool read_mode(struct str name, enum vast_macro_mode *mode)
{
    if (!str_equal(name, STR("leave")) && !str_equal(name, STR("iab")))
        return false;
    *mode = str_equal(name, STR("iab")) ? VAST_MACRO_IAB : VAST_MACRO_LEAVE;
    return true;
}

static bool add_single(struct request *r, struct str name, struct str value)
{
    if (r->n == MACROS_MAX)
        return false;
    r->single[r->n] = value;
    r->macros[r->n] = (struct vast_macro){.name = name, .values = &r->single[r->n], .nvalues = 1};
    r->n++;
    return true;
}

static bool print_expanded(const struct request *r)
{
    struct vast_macros macros = {
        .items = r->macros, .n = r->n, .wall_ms = vast_resolve_wall_ms, .random = vast_resolve_random};
    SCOPED_VALUE(buf) out;

    buf_init(&out, EXPANDED_MAX);
    if (!vast_macro_expand(r->text, &macros, r->mode, &out)) {
        fprintf(stderr, "tracepool-worker macro: the expanded URL is longer than %d bytes\n", EXPANDED_MAX);
        return false;
    }
    printf("%s\n", buf_cstr(&out));
    return true;
}

/* --- one JSON object a line ----------------------------------------------------------------------------- */

static struct str string_of(const json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

/* A string, a list of strings, or null: known, but withheld. */
static bool add_value(struct arena *a, struct request *r, const char *name, const json_t *value)
{
    struct str *items;

    if (json_is_string(value))
        return add_single(r, str_from(name), string_of(value));
    if (r->n == MACROS_MAX || (!json_is_null(value) && !json_is_array(value)))
        return false;
    items = arena_alloc(a, (json_array_size(value) + 1) * sizeof(*items));
    if (!items)
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i)))
            return false;
        items[i] = string_of(json_array_get(value, i));
    }
    r->macros[r->n++] = (struct vast_macro){.name = str_from(name),
                                            .values = items,
                                            .nvalues = (int)json_array_size(value),
                                            .is_withheld = json_is_null(value)};
    return true;
}

static bool answer_line(const json_t *object)
{
    SCOPED_VALUE(arena) a;
    struct request r = {.text = json_get_str(object, "template", (struct str){NULL, 0})};
    const char *name;
    json_t *value;

    arena_init(&a, ARENA_MAX);
    if (!r.text.ptr || !read_mode(json_get_str(object, "mode", STR("leave")), &r.mode))
        return false;
    json_object_foreach(json_object_get(object, "values"), name, value)
    {
        if (!add_value(&a, &r, name, value))
            return false;
    }
    return print_expanded(&r);
}

static int answer_lines(void)
{
    SCOPED(char) line = NULL;
    size_t size = 0;

    for (int number = 1; getline(&line, &size, stdin) > 0; number++) {
        struct err err = {
            .detail = "needs a string template, values that are strings, lists of strings or null, and "
                      "the mode leave or iab"};
        SCOPED(json_t) object = json_parse(str_from(line), &err);

        if (!object || !answer_line(object)) {
            fprintf(stderr, "tracepool-worker macro: line %d: %s\n", number, err.detail);
            return EXIT_USAGE;
        }
    }
    return ferror(stdout) || fflush(stdout) ? EXIT_NO : EXIT_SUCCESS;
}

/* --- for a person --------------------------------------------------------------------------------------- */

static int usage(const char *why)
{
    fprintf(stderr, "tracepool-worker macro: %s\n%s", why, USAGE);
    return EXIT_USAGE;
}

static bool take_set(struct request *r, const char *value, struct err *err)
{
    struct str rest = str_from(value), name;

    if (!str_cut(&rest, '=', &name) || !rest.ptr)
        return err_set(err, ERR_BAD_INPUT, "--set %.80s: must be NAME=VALUE", value);
    return add_single(r, name, rest) ||
           err_set(err, ERR_BAD_INPUT, "--set %.80s: more than %d values", value, MACROS_MAX);
}

/* --mode or --set with its value. */
static bool take_option(struct request *r, const char *option, const char *value, struct err *err)
{
    bool is_mode = strcmp(option, "--mode") == 0;

    if (!is_mode && strcmp(option, "--set") != 0)
        return err_set(err, ERR_BAD_INPUT, "unknown option or second template: %.*s",
                       STR_ARG(conf_shown_word(option)));
    if (!value)
        return err_set(err, ERR_BAD_INPUT, "%s needs a value", option);
    if (!is_mode)
        return take_set(r, value, err);
    return read_mode(str_from(value), &r->mode) ||
           err_set(err, ERR_BAD_INPUT, "--mode %.80s: must be leave or iab", value);
}

int tool_macro(int argc, char **argv)
{
    struct request r = {.text = {NULL, 0}};
    struct err err;

    if (argc == 2 && strcmp(argv[1], "--stdin") == 0)
        return answer_lines();
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0 && !r.text.ptr)
            r.text = str_from(argv[i]);
        else if (!take_option(&r, argv[i], argv[i + 1], &err))
            return usage(err.detail);
        else
            i++;
    }
    if (!r.text.ptr)
        return usage("which template?");
    return print_expanded(&r) ? EXIT_SUCCESS : EXIT_NO;
}
