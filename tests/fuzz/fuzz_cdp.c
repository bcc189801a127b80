/*
 * fuzz_cdp.c - any bytes as what Chromium says: cut into messages, read as JSON, taken as a page's events.
 *
 * The input is a stream of NUL-terminated messages. "id" answers the oldest command that waits; everything
 * else is an event for the page, whatever its session. Holds: the chain keeps its limits, an ended trace has
 * a result, the page says no more after it has ended.
 */
#include "common/json.h"
#include "worker/browser/cdp.h"
#include "worker/browser/page.h"

#include <assert.h>
#include <string.h>

enum { ARENA_BYTES = 2 * 1024 * 1024, WAITING_MAX = 64, MAX_HOPS = 5, TURN_MS = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct host {
    struct page page;
    page_answer_fn waiting[WAITING_MAX];
    int nwaiting;
    int ended;
};

static void take_command(void *arg, struct str session, const char *method, json_t *params,
                         page_answer_fn answer)
{
    struct host *h = arg;

    (void)session;
    assert(!h->ended && method[0] && (!params || json_is_object(params)));
    json_decref(params);
    if (answer && h->nwaiting < WAITING_MAX)
        h->waiting[h->nwaiting++] = answer;
}

static void on_ended(void *arg)
{
    struct host *h = arg;

    h->ended++;
}

static void answer_oldest(struct host *h, const json_t *message)
{
    struct err err = {.code = ERR_OK};
    page_answer_fn answer;

    if (!h->nwaiting || h->ended)
        return;
    answer = h->waiting[0];
    memmove(h->waiting, h->waiting + 1, (size_t)--h->nwaiting * sizeof(*h->waiting));
    if (json_object_get(message, "error"))
        err_set(&err, ERR_INTERNAL, "refused");
    answer(&h->page, err.code == ERR_OK ? json_object_get(message, "result") : NULL, &err);
}

static void take_message(struct host *h, struct str bytes)
{
    char *text = strndup(bytes.ptr, bytes.len);
    json_t *message = cdp_parse(text, strlen(text));

    h->page.now_ms += TURN_MS;
    if (message && json_object_get(message, "id"))
        answer_oldest(h, message);
    else if (message)
        page_on_event(&h->page, json_get_str(message, "sessionId", STR("S")),
                      json_get_str(message, "method", STR("")), json_object_get(message, "params"));
    page_timer(&h->page);
    json_decref(message);
    free(text);
}

static bool begin(struct host *h, struct arena *arena)
{
    struct page_options options = {.arena = arena,
                                   .settle_ms = 11000,
                                   .hang_ms = 1000,
                                   .user = STR("u"),
                                   .password = STR("p"),
                                   .ops = {take_command, on_ended, h}};

    options.request = (struct trace_request){.url = STR("http://a.test/#f"),
                                             .user_agent = STR("fuzz"),
                                             .max_hops = MAX_HOPS,
                                             .total_timeout_ms = 60000,
                                             .max_body = 1000,
                                             .block_resources = true,
                                             .evidence = (1u << EVIDENCE_COUNT) - 1};
    if (!page_begin(&h->page, &options, 1))
        return false;
    page_opened(&h->page, STR("C"), STR("F"), STR("S"));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(arena) arena;
    struct host h = {0};
    struct str rest = {(const char *)data, size}, message;

    arena_init(&arena, ARENA_BYTES);
    if (!begin(&h, &arena))
        return 0;
    for (size_t used; (used = cdp_next_message(rest, &message)) > 0;) {
        assert(message.len == used - 1);
        take_message(&h, message);
        rest = str_slice(rest, used, rest.len);
    }
    assert(h.page.result->chain.nhops <= MAX_HOPS + 1); /* an app link may come behind the last */
    assert(h.ended == (h.page.state == PAGE_ENDED));
    return 0;
}
