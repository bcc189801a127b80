/*
 * scan.h - the tags of an HTML page that count, as HTML5 tokenizes it, in one pass over the bytes.
 *
 * libxml2's HTML parser is older than HTML5: it reads tags inside textarea, title and noscript as if
 * they were there, and its time grows with the square of the nesting. This pass decides where tags are
 * (not in comments, raw text or templates), and hands on the few that matter; what a tag says is then
 * libxml2's to read (html.c).
 *
 * Scripting counts as on, as in a browser: the content of noscript is text.
 */
#ifndef TRACEPOOL_WORKER_TRACER_SCAN_H
#define TRACEPOOL_WORKER_TRACER_SCAN_H

#include "common/str.h"

struct scan_sink {
    /* A start tag outside templates: its name as written and the whole of it, '<' to '>'. */
    void (*tag)(void *arg, struct str name, struct str whole);
    /* The text between a script's tags, outside templates. */
    void (*script)(void *arg, struct str code);
    /* A run of text that a reader sees (not in head's title, style, script, textarea, noscript). */
    void (*text)(void *arg, struct str text);
    void *arg;
};

/* Any bytes; ASCII-compatible text gives sense. Takes time in proportion to their number. */
void scan_html(struct str html, const struct scan_sink *sink);

/*
 * Walks the attributes of a start tag that sink.tag was given; *at is 0 before the first. The value is as
 * written, without its quotes; empty when there is none. False behind the last one.
 */
bool scan_attribute(struct str tag, size_t *at, struct str *name, struct str *value);

#endif
