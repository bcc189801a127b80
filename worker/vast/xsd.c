/*
 * xsd.c - libxml2's validation, with its messages as findings.
 */
#include "worker/vast/xsd.h"

#include "worker/vast/lint_add.h"
#include "worker/vast/xml.h"

#include <dirent.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xmlIO.h>
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <string.h>

enum { SCHEMAS_MAX = 16, FINDINGS_MAX = 50, PATH_BYTES = 512 };

struct schema {
    char path[PATH_BYTES];
    int major, minor;
    bool is_read;
    xmlSchema *compiled; /* NULL: not yet, or not possible */
};

struct vast_xsd {
    struct schema schemas[SCHEMAS_MAX];
    int n;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "4.2", "4" and "vast_4.2.xsd" have a version; false for what has no digit. */
static bool read_version(const char *text, int *major, int *minor)
{
    while (*text && !is_digit(*text))
        text++;
    if (!*text)
        return false;
    *major = *text - '0';
    *minor = text[1] == '.' && is_digit(text[2]) ? text[2] - '0' : 0;
    return true;
}

static void add_schema(struct vast_xsd *x, const char *dir, const char *name)
{
    struct schema s = {.is_read = false};
    size_t len = strlen(name);

    if (x->n == SCHEMAS_MAX || len < 5 || strcmp(name + len - 4, ".xsd") != 0 ||
        !read_version(name, &s.major, &s.minor) ||
        snprintf(s.path, sizeof(s.path), "%s/%s", dir, name) >= (int)sizeof(s.path))
        return;
    x->schemas[x->n++] = s;
}

struct vast_xsd *vast_xsd_open(const char *dir, struct err *err)
{
    DIR *folder = opendir(dir);
    struct vast_xsd *x;
    struct dirent *entry;

    if (!folder) {
        err_set(err, ERR_IO, "folder of schemas %.120s: %s", dir, strerror(errno));
        return NULL;
    }
    x = calloc(1, sizeof(*x));
    if (!x)
        abort();
    while ((entry = readdir(folder)) != NULL)
        add_schema(x, dir, entry->d_name);
    closedir(folder);
    return x;
}

void vast_xsd_close(struct vast_xsd *x)
{
    if (!x)
        return;
    for (int i = 0; i < x->n; i++)
        xmlSchemaFree(x->schemas[i].compiled);
    free(x);
}

static void ignore(void *arg, xmlError *error)
{
    (void)arg;
    (void)error;
}

static void compile(struct schema *s)
{
    xmlExternalEntityLoader loader = xmlGetExternalEntityLoader();
    xmlSchemaParserCtxt *parser = xmlSchemaNewParserCtxt(s->path);

    s->is_read = true;
    if (!parser)
        return;
    xmlSetExternalEntityLoader(xmlNoNetExternalEntityLoader); /* a schema that includes others: files only */
    xmlSchemaSetParserStructuredErrors(parser, ignore, NULL);
    s->compiled = xmlSchemaParse(parser);
    xmlSetExternalEntityLoader(loader);
    xmlSchemaFreeParserCtxt(parser);
}

/* The schema of exactly that version; it is compiled when it is first asked. */
static xmlSchema *find_schema(struct vast_xsd *x, const struct vast_doc *doc)
{
    int major, minor;

    if (!doc->version.ptr || !read_version(doc->version.ptr, &major, &minor))
        return NULL;
    for (int i = 0; i < x->n; i++) {
        struct schema *s = &x->schemas[i];

        if (s->major != major || s->minor != minor)
            continue;
        if (!s->is_read)
            compile(s);
        return s->compiled;
    }
    return NULL;
}

struct listening {
    struct lint lint;
    int n;
};

static void on_error(void *arg, xmlError *error)
{
    struct listening *l = arg;
    struct str message = str_trim(str_from(error->message));

    if (l->n++ < FINDINGS_MAX)
        lint_add(&l->lint, VAST_LINT_XSD, error->line, arena_copy(l->lint.arena, message));
}

static void validate(xmlSchema *schema, xmlDoc *xml, struct listening *l)
{
    xmlSchemaValidCtxt *context = xmlSchemaNewValidCtxt(schema);

    if (!context)
        abort();
    xmlSchemaSetValidStructuredErrors(context, on_error, l);
    xmlSchemaValidateDoc(context, xml);
    xmlSchemaFreeValidCtxt(context);
}

bool vast_xsd_check(struct vast_xsd *x, struct arena *a, struct str bytes, const struct vast_doc *doc,
                    struct vast_findings *findings, struct err *err)
{
    struct listening l = {.lint = {.arena = a, .out = findings}};
    xmlSchema *schema = find_schema(x, doc);
    SCOPED(xmlDoc) xml = xml_read(bytes);

    if (xml && schema)
        validate(schema, xml, &l);
    else if (xml)
        lint_add(&l.lint, VAST_LINT_XSD, 0, STR("not asked: there is no schema of the declared version"));
    return !a->is_full || err_set(err, ERR_TOO_BIG, "no memory left for what the schema says");
}
