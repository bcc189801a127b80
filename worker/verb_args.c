/*
 * verb_args.c - one option of a verb, its proxy, its time. See verb_args.h.
 */
#include "worker/verb_args.h"

#include "worker/tracer/tracer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MAX_S = 600, PROXY_TEXT_MAX = 4096 };

bool verb_is_option(const char *name, const char *word)
{
    size_t len = strlen(name);

    return strncmp(word, name, len) == 0 && (!word[len] || word[len] == '=');
}

bool verb_option_value(const char *name, bool has_value, char **argv, int left, int *used, char **value,
                       struct err *err)
{
    char *own = strchr(argv[0], '=');

    *used = 1;
    *value = own ? own + 1 : NULL;
    if (!has_value)
        return !own || err_set(err, ERR_BAD_INPUT, "%s takes no value", name);
    if (own)
        return true;
    if (left < 2)
        return err_set(err, ERR_BAD_INPUT, "%s needs a value", name);
    *value = argv[1];
    *used = 2;
    return true;
}

bool verb_no_option(const char *word, struct err *err)
{
    return err_set(err, ERR_BAD_INPUT, "unknown option: %.*s", (int)strcspn(word, "="), word);
}

static bool keep_proxy(struct arena *a, struct str text, struct str *out, struct err *err)
{
    *out = arena_copy(a, str_trim(text));
    return out->ptr || err_set(err, ERR_TOO_BIG, "--proxy: too long");
}

bool verb_take_proxy(struct arena *a, char *value, struct str *out, struct err *err)
{
    bool is_kept = keep_proxy(a, str_from(value), out, err);

    memset(value, '*', strlen(value)); /* before it is even looked at */
    return is_kept;
}

bool verb_take_proxy_file(struct arena *a, const char *path, struct str *out, struct err *err)
{
    char text[PROXY_TEXT_MAX];
    FILE *file = fopen(path, "re");
    size_t len;

    if (!file)
        return err_set(err, ERR_BAD_INPUT, "--proxy-file %s: %s", path, strerror(errno));
    len = fread(text, 1, sizeof(text), file);
    fclose(file);
    if (!len || len == sizeof(text))
        return err_set(err, ERR_BAD_INPUT, "--proxy-file %s: must hold 1 to %d bytes", path,
                       PROXY_TEXT_MAX - 1);
    return keep_proxy(a, (struct str){text, len}, out, err);
}

bool verb_read_proxy(struct arena *a, struct str taken, struct trace_proxy *out, struct err *err)
{
    const char *environment = getenv("TRACEPOOL_PROXY");

    if (!taken.len && environment && environment[0] && !keep_proxy(a, str_from(environment), &taken, err))
        return false;
    return !taken.len || tracer_proxy_parse(a, taken, out, err);
}

bool verb_take_timeout(const char *value, int64_t *ms, struct err *err)
{
    char *end;
    double seconds = strtod(value, &end);

    if (end == value || *end || !(seconds >= 0.1 && seconds <= TIMEOUT_MAX_S))
        return err_set(err, ERR_BAD_INPUT, "--timeout %s: must be seconds from 0.1 to %d", value,
                       TIMEOUT_MAX_S);
    *ms = (int64_t)(seconds * 1000);
    return true;
}
