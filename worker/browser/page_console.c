/*
 * page_console.c - what the pages' scripts and the browser complained about, where the trace keeps the
 * console.
 *
 * Chromium tells it only when asked (Runtime, Log), and a page can find out that somebody listens: so nobody
 * does unless the console is wanted. What Chromium says about requests that we refused is no news.
 */
#include "worker/browser/page.h"

#include "common/json.h"

#include <string.h>

bool page_keeps_console(const struct page *p)
{
    return evidence_has(p->options.request.evidence, EVIDENCE_CONSOLE);
}

static void keep(struct page *p, const char *kind, struct str text, const json_t *place, const char *url_key)
{
    struct kept_message message = {.kind = str_from(kind), .text = text, .hop = p->result->chain.nhops - 1};

    message.source = json_get_str(place, url_key, STR(""));
    if (json_is_integer(json_object_get(place, "lineNumber")))
        message.line = json_get_int(place, "lineNumber", 0) + 1;
    if (json_is_integer(json_object_get(place, "columnNumber")))
        message.column = json_get_int(place, "columnNumber", 0) + 1;
    kept_add_message(p->options.arena, &p->result->kept, &message);
}

/* "Uncaught (in promise)" and the error's own words with its stack, of which the first line says enough. */
static void on_exception(struct page *p, const json_t *params)
{
    const json_t *details = json_object_get(params, "exceptionDetails");
    const json_t *exception = json_object_get(details, "exception");
    struct str text = json_get_str(details, "text", STR(""));
    struct str own = json_get_str(exception, "description", json_get_str(exception, "value", STR("")));
    SCOPED_VALUE(buf) both = {.max = 4096};

    own = str_slice(own, 0, 3000);
    own = str_slice(own, 0, str_find(own, 0, '\n'));
    buf_append_str(&both, str_slice(text, 0, 1000));
    if (own.len)
        buf_append_char(&both, ' ');
    buf_append_str(&both, own);
    keep(p, "exception", buf_str(&both), details, "url");
}

static void append_value(struct buf *out, const json_t *argument)
{
    const json_t *value = json_object_get(argument, "value");
    struct str text = json_get_str(argument, "description", STR(""));

    if (json_is_string(value))
        text = json_get_str(argument, "value", STR(""));
    else if (!text.len)
        text = json_get_str(argument, "type", STR(""));
    buf_append_str(out, str_slice(text, 0, 1000));
}

static void on_console(struct page *p, const json_t *params)
{
    struct str type = json_get_str(params, "type", STR(""));
    const json_t *frames = json_object_get(json_object_get(params, "stackTrace"), "callFrames"), *argument;
    bool is_error = str_equal(type, STR("error")) || str_equal(type, STR("assert"));
    SCOPED_VALUE(buf) text = {.max = 4096};
    size_t i;

    if (!is_error && !str_equal(type, STR("warning")))
        return;
    json_array_foreach(json_object_get(params, "args"), i, argument)
    {
        if (i)
            buf_append_char(&text, ' ');
        append_value(&text, argument);
    }
    keep(p, is_error ? "error" : "warning", buf_str(&text), json_array_get(frames, 0), "url");
}

static bool is_our_refusal(struct str text)
{
    static const char sign[] = "ERR_BLOCKED_BY_CLIENT";

    return memmem(text.ptr, text.len, sign, sizeof(sign) - 1) != NULL;
}

static void on_entry(struct page *p, const json_t *params)
{
    const json_t *entry = json_object_get(params, "entry");
    struct str level = json_get_str(entry, "level", STR("")), text = json_get_str(entry, "text", STR(""));
    bool is_error = str_equal(level, STR("error"));

    if ((is_error || str_equal(level, STR("warning"))) && !is_our_refusal(text))
        keep(p, is_error ? "error" : "warning", text, entry, "url");
}

bool page_on_console(struct page *p, struct str method, const json_t *params)
{
    if (str_equal(method, STR("Runtime.exceptionThrown")))
        on_exception(p, params);
    else if (str_equal(method, STR("Runtime.consoleAPICalled")))
        on_console(p, params);
    else if (str_equal(method, STR("Log.entryAdded")))
        on_entry(p, params);
    else
        return false;
    return true;
}
