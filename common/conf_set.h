/*
 * conf_set.h - between conf.c (the rows, and how a value is judged), conf_load.c and conf_file.c (where
 * values come from) and conf_print.c.
 */
#ifndef TRACEPOOL_COMMON_CONF_SET_H
#define TRACEPOOL_COMMON_CONF_SET_H

#include "common/conf.h"

enum conf_type { TYPE_INT, TYPE_BOOL, TYPE_CHOICE, TYPE_TEXT, TYPE_SECRET };

struct conf_row {
    enum conf_type type;
    const char *section, *key;
    size_t offset;
    const char *unit;      /* INT */
    int64_t def, min, max; /* INT; BOOL uses def */
    const char *text_def;  /* CHOICE, TEXT */
    const char *choices;   /* CHOICE: allowed words; SECRET: a further environment name, or "" */
    const char *about;
};

extern const struct conf_row conf_rows[];
extern const size_t conf_nrows;

int64_t *conf_int_field(struct conf *conf, const struct conf_row *row);
bool *conf_bool_field(struct conf *conf, const struct conf_row *row);
char **conf_text_field(struct conf *conf, const struct conf_row *row);
/* What a number may look like, in words. */
const char *conf_unit_text(const char *unit);

void conf_set_defaults(struct conf *conf);
void conf_set_text(struct conf *conf, const struct conf_row *row, const char *value);
/* Judges one value and keeps it; where begins the error's text. */
NODISCARD bool conf_set_value(struct conf *conf, const struct conf_row *row, const char *value,
                              const char *where, struct err *err);
/* A secret from its file: all of it but the newline at its end. */
NODISCARD bool conf_set_from_file(struct conf *conf, const struct conf_row *row, const char *path,
                                  const char *where, struct err *err);

enum conf_source { CONF_FROM_FILE, CONF_FROM_OPTION };

/* Sets one value; where ("tracepool.ini:12") begins the error's text. */
NODISCARD bool conf_set(struct conf *conf, struct str section, struct str key, const char *value,
                        enum conf_source source, const char *where, struct err *err);

/* Keeps a line of a section with a name ("vast_provider acme"), in *conf until conf_finish. */
NODISCARD bool conf_set_named(struct conf *conf, const char *section, const char *key, const char *value,
                              const char *where, struct err *err);
void conf_finish_named(struct conf *conf);

/*
 * Reads an ini file by inih. inih cuts lines at INI_MAX_LINE bytes without saying so; here a longer line is
 * refused with its number. A key given twice in one file, a line without '=' and a NUL byte are refused.
 */
NODISCARD bool conf_read_file(struct conf *conf, const char *path, struct err *err);

#endif
