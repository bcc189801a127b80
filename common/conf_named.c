/*
 * conf_named.c - ini sections that there may be many of, each with a name: kept as lines, for who reads them.
 */
#include "common/conf_set.h"

#include <string.h>

static const char *const sections[] = {"vast_provider"};

static char *copy(struct str text)
{
    char *made = strndup(text.ptr, text.len);

    if (!made)
        abort();
    return made;
}

static bool is_section(struct str section)
{
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (str_equal(section, str_from(sections[i])))
            return true;
    return false;
}

bool conf_set_named(struct conf *conf, const char *section, const char *key, const char *value,
                    const char *where, struct err *err)
{
    struct str name = str_from(section), kind;
    struct conf_named **last = &conf->named, *n;

    str_cut(&name, ' ', &kind);
    name = str_trim(name);
    if (!is_section(kind) || !name.len)
        return err_set(err, ERR_BAD_SETTING,
                       "%s: there is no section [%.40s]; with a name there are: %s NAME", where, section,
                       sections[0]);
    if (!key[0])
        return err_set(err, ERR_BAD_SETTING, "%s: nothing stands before the '='", where);
    for (; (n = *last) != NULL; last = &n->next)
        if (str_equal(kind, str_from(n->section)) && str_equal(name, str_from(n->name)) &&
            strcmp(n->key, key) == 0)
            return err_set(err, ERR_BAD_SETTING, "%s: %s of [%.40s] was given before, at %s", where, key,
                           section, n->where);
    n = calloc(1, sizeof(*n));
    if (!n)
        abort();
    n->section = copy(kind);
    n->name = copy(name);
    n->key = copy(str_from(key));
    n->value = copy(str_from(value));
    snprintf(n->where, sizeof(n->where), "%s", where);
    *last = n;
    return true;
}

void conf_finish_named(struct conf *conf)
{
    for (struct conf_named *n = conf->named, *next; n; n = next) {
        next = n->next;
        explicit_bzero(n->value, strlen(n->value));
        free(n->section);
        free(n->name);
        free(n->key);
        free(n->value);
        free(n);
    }
    conf->named = NULL;
}
