/*
 * scope.h - release at the end of the block, and hand-over.
 *
 *     SCOPED(PGresult) res = PQgetResult(conn);     freed when the block ends
 *     return TAKE(res);                             not freed: the caller owns it now
 *     SCOPED_VALUE(buf) text;                       buf_finish(&text) when the block ends
 *
 * DEFINE_SCOPED_PTR(PGresult, PGresult, PQclear) makes a type usable with SCOPED, once, in a header.
 */
#ifndef TRACEPOOL_COMMON_SCOPE_H
#define TRACEPOOL_COMMON_SCOPE_H

#include <stddef.h>
#include <stdlib.h>

#define NODISCARD __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))

#define DEFINE_SCOPED_PTR(name, type, release)                                                               \
    UNUSED static inline void scoped_ptr_##name(type **p)                                                    \
    {                                                                                                        \
        if (*p)                                                                                              \
            release(*p);                                                                                     \
    }                                                                                                        \
    typedef type scoped_type_##name;

#define DEFINE_SCOPED(name, type, release)                                                                   \
    UNUSED static inline void scoped_value_##name(type *p)                                                   \
    {                                                                                                        \
        release(p);                                                                                          \
    }                                                                                                        \
    typedef type scoped_value_type_##name;

#define SCOPED(name) __attribute__((cleanup(scoped_ptr_##name))) scoped_type_##name *
#define SCOPED_VALUE(name) __attribute__((cleanup(scoped_value_##name))) scoped_value_type_##name

#define TAKE(pointer)                                                                                        \
    ({                                                                                                       \
        __typeof__(pointer) taken_ = (pointer);                                                              \
        (pointer) = NULL;                                                                                    \
        taken_;                                                                                              \
    })

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

DEFINE_SCOPED_PTR(char, char, free)

#endif
