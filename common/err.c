/*
 * err.c - the error table's readers.
 */
#include "common/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    enum err_blame blame;
    bool retry;
} table[] = {
#define ERR_ROW(code, name, blame, retry) {name, BLAME_##blame, retry},
    ERR_MAP(ERR_ROW)
#undef ERR_ROW
};

bool err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;

    err->code = code;
    va_start(args, format);
    vsnprintf(err->detail, sizeof(err->detail), format, args);
    va_end(args);
    return false;
}

const char *err_name(enum err_code code)
{
    assert(code < ERR_COUNT);
    return table[code].name;
}

enum err_blame err_blame(enum err_code code)
{
    assert(code < ERR_COUNT);
    return table[code].blame;
}

const char *err_blame_name(enum err_blame blame)
{
    static const char *const names[] = {"none", "proxy", "target", "caller", "us"};

    assert(blame < ARRAY_LEN(names));
    return names[blame];
}

bool err_is_retryable(enum err_code code)
{
    assert(code < ERR_COUNT);
    return table[code].retry;
}
