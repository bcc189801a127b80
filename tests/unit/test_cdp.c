/*
 * test_cdp.c - messages are cut at their NUL, bad ones are passed over, and every command gets one answer.
 *
 * The other end of the pipes is this test: no browser.
 */
#include "tests/unit/test.h"

#include "common/scope.h"
#include "worker/browser/cdp.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_MAX = 4096 };

struct fixture {
    uv_loop_t loop;
    struct cdp *cdp;
    int commands, answers; /* our ends */
    char heard[1024];      /* what was called, in order */
    bool has_ended;
};

static void hear(struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void hear(struct fixture *f, const char *format, ...)
{
    size_t len = strlen(f->heard);
    va_list args;

    va_start(args, format);
    vsnprintf(f->heard + len, sizeof(f->heard) - len, format, args);
    va_end(args);
}

static void on_event(void *arg, struct str session, struct str method, const json_t *params)
{
    hear(arg, "event %.*s/%.*s %zu\n", STR_ARG(session), STR_ARG(method), json_object_size(params));
}

static void on_end(void *arg, const struct err *err)
{
    struct fixture *f = arg;

    f->has_ended = true;
    hear(f, "end %s\n", err_name(err->code));
}

static void on_answer(void *arg, const json_t *result, const struct err *err)
{
    hear(arg, "answer %s %s\n", err_name(err->code), result ? "result" : "nothing");
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct cdp_events events = {on_event, on_end, f};
    int out[2], in[2];

    assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
    uv_loop_init(&f->loop);
    f->cdp = cdp_create(&f->loop, out[1], in[0], MESSAGE_MAX, &events);
    f->commands = out[0];
    f->answers = in[1];
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    cdp_destroy(f->cdp, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    close(f->commands);
    if (f->answers >= 0)
        close(f->answers);
    free(f);
    return 0;
}

static void say(struct fixture *f, const char *bytes, size_t len)
{
    assert_int_equal(write(f->answers, bytes, len), (ssize_t)len);
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

#define SAY(f, literal) say(f, literal, sizeof(literal)) /* with its NUL */

static void messages_end_at_their_nul(void **state)
{
    struct str message = {0};
    (void)state;

    assert_int_equal(cdp_next_message((struct str){"{}\0{", 4}, &message), 3);
    assert_str(message, "{}");
    assert_int_equal(cdp_next_message(STR("{"), &message), 0);
    assert_int_equal(cdp_next_message((struct str){"", 0}, &message), 0);
    assert_int_equal(cdp_next_message((struct str){"\0", 1}, &message), 1);
    assert_int_equal(message.len, 0);
}

/* clang-format off */
static const struct { const char *in, *out; } texts[] = {
    {"{\"a\":\"\\ud83d\\ude00\"}",       "\xf0\x9f\x98\x80"},
    {"{\"a\":\"\\ud83dx\"}",             "\xef\xbf\xbdx"},
    {"{\"a\":\"x\\ude00\"}",             "x\xef\xbf\xbd"},
    {"{\"a\":\"\\ud83d\\ud83d\\ude00\"}", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
    {"{\"a\":\"\\\\ud83d\\ud83d\"}",     "\\ud83d\xef\xbf\xbd"},
};
/* clang-format on */

static void halves_of_surrogate_pairs_are_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char *text = strdup(texts[i].in);
        json_t *object = cdp_parse(text, strlen(text));

        assert_non_null(object);
        assert_string_equal(json_string_value(json_object_get(object, "a")), texts[i].out);
        json_decref(object);
        free(text);
    }
}

static void what_is_no_object_is_no_message(void **state)
{
    char number[] = "1", broken[] = "{\"a\":", list[] = "[]";
    (void)state;

    assert_null(cdp_parse(number, 1));
    assert_null(cdp_parse(broken, 5));
    assert_null(cdp_parse(list, 2));
    assert_null(cdp_parse(list, 0));
}

static void a_command_is_written_with_its_session(void **state)
{
    struct fixture *f = *state;
    char bytes[200];

    cdp_send(f->cdp, STR("S1"), "Page.enable", NULL, 1000, NULL, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(read(f->commands, bytes, sizeof(bytes)), 61);
    assert_string_equal(bytes, "{\"id\":1,\"method\":\"Page.enable\",\"params\":{},\"sessionId\":\"S1\"}");
}

static void answers_find_who_asked(void **state)
{
    struct fixture *f = *state;

    cdp_send(f->cdp, STR(""), "A", NULL, 60000, on_answer, f);
    cdp_send(f->cdp, STR(""), "B", NULL, 60000, on_answer, f);
    SAY(f, "{\"id\":2,\"error\":{\"message\":\"no\"}}");
    SAY(f, "{\"id\":2,\"result\":{}}");
    SAY(f, "{\"id\":1,\"result\":{}}");
    SAY(f, "{\"id\":99,\"result\":{}}");
    assert_string_equal(f->heard, "answer internal nothing\nanswer ok result\n");
}

static void events_come_with_their_session_in_whatever_pieces(void **state)
{
    struct fixture *f = *state;
    const char text[] = "{\"method\":\"M\",\"params\":{\"a\":1},\"sessionId\":\"S\"}\0{\"method\":\"N\"}";

    for (size_t i = 0; i < sizeof(text); i++)
        say(f, text + i, 1);
    assert_string_equal(f->heard, "event S/M 1\nevent /N 0\n");
}

static void a_bad_message_costs_only_itself(void **state)
{
    struct fixture *f = *state;
    char *huge = malloc(MESSAGE_MAX * 40);

    memset(huge, 'x', MESSAGE_MAX * 40);
    SAY(f, "no JSON");
    for (int i = 0; i < 40; i++)
        say(f, huge + i * MESSAGE_MAX, MESSAGE_MAX);
    SAY(f, "the end of the long one");
    SAY(f, "{\"method\":\"M\"}");
    assert_string_equal(f->heard, "event /M 0\n");
    assert_int_equal(cdp_passed_over(f->cdp), 2);
    free(huge);
}

static void the_pipes_end_answers_everybody(void **state)
{
    struct fixture *f = *state;

    cdp_send(f->cdp, STR(""), "A", NULL, 60000, on_answer, f);
    cdp_send(f->cdp, STR(""), "B", NULL, 60000, on_answer, f);
    close(f->answers);
    f->answers = -1;
    while (!f->has_ended)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_string_equal(f->heard,
                        "answer browser_died nothing\nanswer browser_died nothing\nend browser_died\n");
    f->heard[0] = '\0';
    cdp_send(f->cdp, STR(""), "C", NULL, 60000, on_answer, f);
    assert_string_equal(f->heard, ""); /* not from within */
    while (!f->heard[0])
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_string_equal(f->heard, "answer browser_died nothing\n");
}

static void silence_is_an_answer_too(void **state)
{
    struct fixture *f = *state;

    cdp_send(f->cdp, STR(""), "A", NULL, 1, on_answer, f);
    while (!f->heard[0])
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_string_equal(f->heard, "answer browser_died nothing\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_end_at_their_nul),
        cmocka_unit_test(halves_of_surrogate_pairs_are_replaced),
        cmocka_unit_test(what_is_no_object_is_no_message),
        cmocka_unit_test_setup_teardown(a_command_is_written_with_its_session, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_find_who_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(events_come_with_their_session_in_whatever_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_message_costs_only_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(the_pipes_end_answers_everybody, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_is_an_answer_too, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
