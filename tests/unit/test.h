/*
 * test.h - what every cmocka test file includes, in the order that cmocka wants.
 */
#ifndef TRACEPOOL_TESTS_UNIT_TEST_H
#define TRACEPOOL_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/str.h"

/* Both as text in the message when they differ. */
static inline void expect_str(struct str got, const char *want, const char *file, int line)
{
    struct str text = str_from(want);

    if (str_equal(got, text))
        return;
    print_error("got  \"%.*s\"\nwant \"%s\"\n", STR_ARG(got), want);
    _fail(file, line);
}
#define assert_str(got, want) expect_str(got, want, __FILE__, __LINE__)

#endif
