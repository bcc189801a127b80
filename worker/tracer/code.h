/*
 * code.h - does this script go somewhere else by itself? Read, never run.
 *
 * A guess with a purpose: it decides whether a page is worth a browser, so it looks for what redirecting
 * pages do and passes over what only happens when somebody clicks. Strings, comments and regular
 * expressions are not code. Pure.
 */
#ifndef TRACEPOOL_WORKER_TRACER_CODE_H
#define TRACEPOOL_WORKER_TRACER_CODE_H

#include "common/str.h"

struct code_signs {
    bool navigates; /* sets location, or calls assign, replace or an element's click() */
    bool submits;   /* calls a form's submit() or requestSubmit() */
    bool is_hidden; /* unpacks code: eval, atob, unescape, fromCharCode, Function() */
};

/* Adds the signs of one script's text, or of an attribute such as onload. Takes time in proportion to it. */
void code_read(struct str code, struct code_signs *signs);

#endif
