/*
 * fire_internal.h - between fire.c, which sends, and fire_judge.c, which says what came of it.
 */
#ifndef TRACEPOOL_WORKER_VAST_FIRE_INTERNAL_H
#define TRACEPOOL_WORKER_VAST_FIRE_INTERNAL_H

#include "common/curl_loop.h"
#include "common/guard.h"
#include "worker/vast/fire.h"
#include "worker/vast/hosts.h"

/* One request with the redirects that follow it. */
struct shot {
    struct fire *fire;
    struct shot *next, **link; /* in fire->shots */
    void *owner;
    bool is_billing;
    struct arena arena;
    struct url url;  /* of this hop */
    struct str host; /* of the first: its place in the table of hosts */
    CURL *easy;
    bool is_on_wire, is_over;
    int redirects;
    bool was_sent; /* of any hop: a byte may have left */
    int64_t started_ms;
    /* this hop */
    bool is_sent, is_reused, has_opened, is_guarded, is_stopped, is_body_cut;
    bool wants_fresh; /* a kept connection died: once more, on a new one */
    int sends;
    size_t body_bytes;
    struct err guard_err;
    char error[CURL_ERROR_SIZE];
    int socket_errno; /* why on_open_socket had none to give */
    struct fire_result result;
};

struct fire {
    struct fire_options options;
    struct curl_loop *wire;
    struct curl_slist *headers;
    struct guard_policy policy;
    struct hosts hosts;
    struct arena list_arena;
    struct allow_list allowed; /* empty until fire_set_allowed */
    struct shot *shots;
    bool is_stopped, is_closing;
    uv_timer_t soon; /* ends what was over before it began */
    int open_handles;
    void (*on_closed)(void *arg);
    void *arg;
};

int64_t fire_now_ms(const struct fire *f);

/* Each fills s->result. There is an answer: */
void fire_judge_answer(struct shot *s);
/* There is none, and libcurl says why. */
void fire_judge_silence(struct shot *s, CURLcode code);
/* libcurl did not even take the request. */
void fire_judge_refusal(struct shot *s);
/* The kill switch came before the hop's first byte. */
void fire_judge_stop(struct shot *s);

#endif
