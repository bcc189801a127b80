/*
 * head.h - the head of one answer, line by line, as libcurl or Chromium hand it over. Knows neither.
 */
#ifndef TRACEPOOL_WORKER_CHAIN_HEAD_H
#define TRACEPOOL_WORKER_CHAIN_HEAD_H

#include "worker/chain/chain.h"

struct head {
    int status;
    bool is_complete;
    struct str location; /* the first that is not empty; bytes beyond ASCII are percent-encoded */
    struct str refresh;
    struct str content_type;
    struct str hsts;        /* Strict-Transport-Security */
    int64_t content_length; /* -1: not said */
    bool is_attachment;
    bool has_proxy_authenticate; /* some proxy, or somebody who plays one, asks for credentials */
    struct hop_header *headers;  /* the selected ones, in order */
    int nheaders;
    struct str *cookie_names;
    int ncookie_names;
};

/*
 * Takes one line, with or without its line end. A status line starts a new head (an interim answer came
 * before); the empty line completes one that is not interim. Lines after that are trailers and passed
 * over. Everything kept is copied into the arena; false when that is full.
 */
NODISCARD bool head_line(struct arena *a, struct head *head, struct str line);

/* 301, 302, 303, 307 or 308 with a Location: what browsers follow. */
bool head_is_redirect(const struct head *head);
/* VIA_HTTP_301 ... of such a status. */
enum via head_via(const struct head *head);
/* Whether a browser would show what follows as a page: HTML, or of no type that it says. */
bool head_may_be_page(const struct head *head);
/* Whether it is said to be XML, or plain text, as which XML is sometimes sent. */
bool head_may_be_xml(const struct head *head);

#endif
