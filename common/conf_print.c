/*
 * conf_print.c - the reference: every setting with its meaning, as an ini file or as options.
 */
#include "common/conf_set.h"

#include <inttypes.h>
#include <string.h>

static void print_allowed(const struct conf_row *row, FILE *to)
{
    if (row->type == TYPE_INT)
        fprintf(to, "%" PRId64 " to %" PRId64 ", %s", row->min, row->max, conf_unit_text(row->unit));
    else if (row->type == TYPE_BOOL)
        fprintf(to, "true or false");
    else if (row->type == TYPE_CHOICE)
        fprintf(to, "one of: %s", row->choices);
    else if (row->type == TYPE_SECRET)
        fprintf(to, "a secret; or %s_file = PATH%s%s", row->key, row->choices[0] ? "; also from " : "",
                row->choices);
    else
        fprintf(to, "text");
}

static void print_value(struct conf *conf, const struct conf_row *row, FILE *to)
{
    if (row->type == TYPE_INT)
        fprintf(to, "%" PRId64, *conf_int_field(conf, row));
    else if (row->type == TYPE_BOOL)
        fprintf(to, "%s", *conf_bool_field(conf, row) ? "true" : "false");
    else if (row->type == TYPE_SECRET)
        fprintf(to, "%s", (*conf_text_field(conf, row))[0] ? "********" : "");
    else
        fprintf(to, "%s", *conf_text_field(conf, row));
}

static const char about_named[] = "\n; An ad server's ways, for offers whose vast_provider names it: as many "
                                  "sections as there are such servers.\n"
                                  "; A row of the table vast_providers with that name goes before. The same "
                                  "keys as its columns; objects and lists:\n"
                                  "; |  [vast_provider acme]\n"
                                  "; |  base_url = https://ads.example.net/vast\n"
                                  "; |  params.zone = 12\n"
                                  "; |  headers.X-Zone = 12\n"
                                  "; |  encoding.space = plus\n"
                                  "; |  timeout_ms = 3000\n"
                                  "; |  macros.DOMAIN = example.net\n"
                                  "; |  macro_mode = iab\n"
                                  "; |  events.exclude = progress-*, mute\n"
                                  "; |  extras.price = //Extension[@type='acme']/Price\n";

/* A header may be a secret of the ad server's. */
static void print_named(const struct conf *conf, FILE *to)
{
    const char *section = "", *name = "";

    fputs(about_named, to);
    for (const struct conf_named *n = conf->named; n; n = n->next) {
        bool is_hidden = strncmp(n->key, "headers.", 8) == 0;

        if (strcmp(section, n->section) != 0 || strcmp(name, n->name) != 0)
            fprintf(to, "\n[%s %s]\n", n->section, n->name);
        section = n->section;
        name = n->name;
        fprintf(to, "%s%s = %s\n", is_hidden ? "; " : "", n->key, is_hidden ? "********" : n->value);
    }
}

void conf_print(const struct conf *conf, FILE *to)
{
    struct conf *fields = (struct conf *)conf; /* only read through */
    const char *section = "";

    fprintf(to, "; Every setting of tracepool. Order: default < this file < TRACEPOOL_SECTION_KEY < "
                "--section.key=\n");
    for (size_t i = 0; i < conf_nrows; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (strcmp(section, row->section) != 0)
            fprintf(to, "\n[%s]\n", row->section);
        section = row->section;
        fprintf(to, "; %s\n;   ", row->about);
        print_allowed(row, to);
        /* a secret in force must not come back as a setting of eight stars */
        fprintf(to, "\n%s%s = ", row->type == TYPE_SECRET ? "; " : "", row->key);
        print_value(fields, row, to);
        fprintf(to, "\n");
    }
    print_named(conf, to);
}

void conf_print_general(FILE *to)
{
#define PRINT(option, about) fprintf(to, "    %-25s %s\n", option, about);
    CONF_GENERAL_MAP(PRINT)
#undef PRINT
}

void conf_print_options(FILE *to)
{
    struct conf conf;

    fputs("\nSettings, each also as TRACEPOOL_SECTION_KEY in the environment:\n", to);
    conf_set_defaults(&conf);
    for (size_t i = 0; i < conf_nrows; i++) {
        fprintf(to, "  --%s.%s%s  [", conf_rows[i].section, conf_rows[i].key,
                conf_rows[i].type == TYPE_SECRET ? "_file" : "");
        print_value(&conf, &conf_rows[i], to);
        fprintf(to, "]\n        %s\n", conf_rows[i].about);
    }
    conf_finish(&conf);
}
