/*
 * cdp.c - commands out, answers and events in, over two pipes with NUL-terminated JSON.
 *
 * Knows nothing of pages: who asked gets the answer, everything else goes to on_event.
 */
#include "worker/browser/cdp.h"

#include "common/buf.h"
#include "common/json.h"
#include "common/loop.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, OUT_MAX = 1024 * 1024 };

struct command {
    struct command *next;
    int64_t id, due_ms;
    cdp_answer_cb answer;
    void *arg;
};

struct cdp {
    uv_loop_t *loop;
    uv_pipe_t out, in;
    uv_timer_t timer;
    struct cdp_events events;
    struct command *waiting, **last; /* in the order they were sent */
    int64_t next_id, passed_over;
    struct buf bytes;
    size_t scanned; /* of bytes: no NUL before here */
    size_t max_message;
    bool is_skipping; /* in a message that is too long */
    bool has_ended, is_closing;
    int open_handles;
    void (*on_closed)(void *arg);
    void *arg;
};

struct outgoing {
    uv_write_t request;
    char *text;
};

/* --- the pure part ------------------------------------------------------------------------------- */

size_t cdp_next_message(struct str bytes, struct str *message)
{
    size_t end = str_find(bytes, 0, '\0');

    if (end == bytes.len)
        return 0;
    *message = str_slice(bytes, 0, end);
    return end + 1;
}

static int hex4(const char *at)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        int digit = str_hex_digit(at[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Makes every \uD8xx..\uDFxx that is not part of a pair \uFFFD. */
static void mend_surrogates(char *text, size_t len)
{
    for (size_t i = 0; i + 6 <= len; i++) {
        int value;

        if (text[i] != '\\')
            continue;
        value = text[i + 1] == 'u' ? hex4(text + i + 2) : -1;
        if (value < 0) {
            i++;
            continue;
        }
        if (value >= 0xd800 && value < 0xdc00 && i + 12 <= len && text[i + 6] == '\\' && text[i + 7] == 'u' &&
            (hex4(text + i + 8) & ~0x3ff) == 0xdc00)
            i += 6;
        else if (value >= 0xd800 && value < 0xe000)
            memcpy(text + i + 2, "fffd", 4);
        i += 5;
    }
}

json_t *cdp_parse(char *message, size_t len)
{
    struct str text = {message, len};
    json_error_t where;
    json_t *object = json_load(text, JSON_ALLOW_NUL, &where);

    if (!object) {
        mend_surrogates(message, len);
        object = json_load(text, JSON_ALLOW_NUL, &where);
    }
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

/* --- answers ------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void arm(struct cdp *c)
{
    int64_t due = INT64_MAX, now = loop_now_ms();

    if (c->is_closing)
        return;
    for (const struct command *at = c->waiting; at; at = at->next)
        if (at->due_ms < due)
            due = at->due_ms;
    uv_update_time(c->loop);
    if (due == INT64_MAX)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

static struct command *take_command(struct cdp *c, struct command **link)
{
    struct command *command = *link;

    *link = command->next;
    if (c->last == &command->next)
        c->last = link;
    return command;
}

static struct command *take_by_id(struct cdp *c, int64_t id)
{
    for (struct command **link = &c->waiting; *link; link = &(*link)->next)
        if ((*link)->id == id)
            return take_command(c, link);
    return NULL;
}

static void answer(struct command *command, const json_t *result, const struct err *err)
{
    if (command->answer)
        command->answer(command->arg, result, err);
    free(command);
}

/* Those that are due; all of them when the pipe has ended. One at a time: an answer may send or forget. */
static void fail_due(struct cdp *c, const struct err *err)
{
    int64_t now = loop_now_ms();

    for (struct command **link = &c->waiting; !c->is_closing && *link;) {
        if (!c->has_ended && (*link)->due_ms > now) {
            link = &(*link)->next;
            continue;
        }
        answer(take_command(c, link), NULL, err);
        link = &c->waiting;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct cdp *c = container_of(timer, struct cdp, timer);
    struct err err;

    err_set(&err, ERR_BROWSER_DIED, c->has_ended ? "the browser has ended" : "the browser does not answer");
    fail_due(c, &err);
    arm(c);
}

static void end(struct cdp *c, const char *why)
{
    struct err err;

    if (c->has_ended || c->is_closing)
        return;
    c->has_ended = true;
    uv_read_stop((uv_stream_t *)&c->in);
    err_set(&err, ERR_BROWSER_DIED, "the browser has ended: %s", why);
    fail_due(c, &err);
    if (!c->is_closing)
        c->events.on_end(c->events.arg, &err);
}

/* --- what comes in ------------------------------------------------------------------------------- */

static void take_answer(struct cdp *c, const json_t *message, int64_t id)
{
    struct command *command = take_by_id(c, id);
    const json_t *error = json_object_get(message, "error");
    struct err err = {.code = ERR_OK};

    if (!command)
        return;
    if (error)
        err_set(&err, ERR_INTERNAL, "%.*s", STR_ARG(json_get_str(error, "message", STR("refused"))));
    answer(command, error ? NULL : json_object_get(message, "result"), &err);
}

static void take_message(struct cdp *c, char *text, size_t len)
{
    SCOPED(json_t) message = cdp_parse(text, len);
    const json_t *id = json_object_get(message, "id");
    struct str method = json_get_str(message, "method", STR(""));

    if (json_is_integer(id))
        take_answer(c, message, json_integer_value(id));
    else if (method.len)
        c->events.on_event(c->events.arg, json_get_str(message, "sessionId", STR("")), method,
                           json_object_get(message, "params"));
    else
        c->passed_over++;
}

static void pass_over(struct cdp *c)
{
    c->is_skipping = true;
    c->passed_over++;
    buf_clear(&c->bytes);
    c->scanned = 0;
}

/* Everything complete in bytes. What is called may destroy c, which keeps it alive until its last close. */
static void take_all(struct cdp *c)
{
    size_t at = 0;

    while (!c->is_closing && !c->has_ended) {
        struct str rest = str_slice(buf_str(&c->bytes), at, c->bytes.len), message;
        size_t skip = at ? 0 : c->scanned, used;

        used = cdp_next_message(str_slice(rest, skip, rest.len), &message);
        if (!used)
            break;
        if (!c->is_skipping)
            take_message(c, c->bytes.data + at, skip + message.len);
        c->is_skipping = false;
        at += skip + used;
    }
    buf_consume(&c->bytes, at);
    c->scanned = c->bytes.len;
    if (c->is_skipping)
        buf_clear(&c->bytes);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    static char bytes[READ_BYTES];

    (void)handle;
    (void)wanted;
    *out = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *in)
{
    struct cdp *c = container_of((uv_pipe_t *)stream, struct cdp, in);

    if (nread < 0)
        return end(c, uv_strerror((int)nread));
    if (!buf_append(&c->bytes, in->base, (size_t)nread)) {
        pass_over(c);
        buf_append(&c->bytes, in->base, (size_t)nread);
    }
    take_all(c);
    if (c->is_skipping)
        c->scanned = 0;
}

/* --- what goes out ------------------------------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
    struct outgoing *o = container_of(request, struct outgoing, request);

    (void)status; /* a pipe that can't be written to has ended for reading too */
    free(o->text);
    free(o);
}

static void write_out(struct cdp *c, const json_t *message)
{
    struct outgoing *o = calloc(1, sizeof(*o));
    uv_buf_t out;

    if (!o || !(o->text = json_dumps(message, JSON_COMPACT)))
        abort();
    out = uv_buf_init(o->text, (unsigned)strlen(o->text) + 1);
    if (uv_write(&o->request, (uv_stream_t *)&c->out, &out, 1, on_written) != 0)
        on_written(&o->request, 0);
}

void cdp_send(struct cdp *c, struct str session, const char *method, json_t *params, int64_t timeout_ms,
              cdp_answer_cb answer_cb, void *arg)
{
    SCOPED(json_t) message = json_object();
    struct command *command = calloc(1, sizeof(*command));

    if (!command)
        abort();
    *command = (struct command){.id = ++c->next_id, .answer = answer_cb, .arg = arg};
    command->due_ms = c->has_ended ? 0 : loop_now_ms() + timeout_ms;
    *c->last = command;
    c->last = &command->next;
    json_put_int(message, "id", command->id);
    json_put_str(message, "method", str_from(method));
    json_put(message, "params", params ? params : json_object());
    if (session.len)
        json_put_str(message, "sessionId", session);
    if (!c->has_ended)
        write_out(c, message);
    arm(c);
}

int64_t cdp_passed_over(const struct cdp *c)
{
    return c->passed_over;
}

/* --- beginning and end --------------------------------------------------------------------------- */

static void open_pipe(struct cdp *c, uv_pipe_t *pipe, int fd)
{
    int failed = uv_pipe_init(c->loop, pipe, 0);

    assert(failed == 0);
    failed = uv_pipe_open(pipe, fd);
    assert(failed == 0);
    c->open_handles++;
}

struct cdp *cdp_create(uv_loop_t *loop, int write_fd, int read_fd, size_t max_message,
                       const struct cdp_events *events)
{
    struct cdp *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    *c = (struct cdp){.loop = loop, .events = *events, .max_message = max_message, .open_handles = 1};
    c->last = &c->waiting;
    buf_init(&c->bytes, max_message + READ_BYTES);
    uv_timer_init(loop, &c->timer);
    open_pipe(c, &c->out, write_fd);
    open_pipe(c, &c->in, read_fd);
    if (uv_read_start((uv_stream_t *)&c->in, on_alloc, on_read) != 0)
        abort();
    return c;
}

static void on_handle_closed(struct cdp *c)
{
    struct command *next;

    if (--c->open_handles)
        return;
    for (struct command *at = c->waiting; at; at = next) {
        next = at->next;
        free(at);
    }
    buf_finish(&c->bytes);
    if (c->on_closed)
        c->on_closed(c->arg);
    free(c);
}

static void on_out_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of((uv_pipe_t *)handle, struct cdp, out));
}

static void on_in_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of((uv_pipe_t *)handle, struct cdp, in));
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of((uv_timer_t *)handle, struct cdp, timer));
}

void cdp_destroy(struct cdp *c, void (*on_closed)(void *arg), void *arg)
{
    c->is_closing = true;
    c->on_closed = on_closed;
    c->arg = arg;
    uv_close((uv_handle_t *)&c->out, on_out_closed);
    uv_close((uv_handle_t *)&c->in, on_in_closed);
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}
