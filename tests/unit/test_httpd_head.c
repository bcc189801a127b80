/*
 * test_httpd_head.c - the request head parser, case by case, as raw bytes.
 *
 * A case is the bytes, and what is to come of them: DONE, MORE, or the status of the refusal. Groups:
 * baseline (what clients send), smuggling (what two servers might read differently), path, size.
 * tests/scenario/test_httpd.py reads the same table (head_cases.h) and sends it to nginx.
 */
#include "tests/unit/test.h"

#include "common/buf.h"
#include "common/httpd.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_HEAD = 1024, MAX_BODY = 64, DONE = 0, MORE = 1 };

struct head_case {
    const char *group;
    int want; /* DONE, MORE or a status */
    struct str bytes;
};

#define CASE(group, want, bytes) {group, want, {bytes, sizeof(bytes) - 1}},
static const struct head_case cases[] = {
#include "tests/unit/head_cases.h"
};
#undef CASE

/* DONE, MORE or the status, read from memory that ends where the bytes end, for the sanitizer's sake. */
static int outcome(struct str bytes, size_t max_head, int64_t max_body)
{
    SCOPED(char) copy = malloc(bytes.len + 1);
    struct str exact = {copy + 1, bytes.len};
    struct httpd_head head;
    const char *why = NULL;
    int status = 0;

    assert_non_null(copy);
    memcpy(copy + 1, bytes.ptr, bytes.len);
    switch (httpd_parse_head(exact, max_head, max_body, &head, &status, &why)) {
    case HTTPD_PARSE_MORE:
        return MORE;
    case HTTPD_PARSE_BAD:
        assert_non_null(why);
        return status;
    case HTTPD_PARSE_DONE:
        break;
    }
    assert_true(head.size <= bytes.len);
    return DONE;
}

static void every_case_ends_as_the_table_says(void **state)
{
    int wrong = 0;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int got = outcome(cases[i].bytes, MAX_HEAD, MAX_BODY);

        if (got == cases[i].want)
            continue;
        print_error("case %zu (%s): got %d, want %d:\n%.*s\n", i, cases[i].group, got, cases[i].want,
                    STR_ARG(cases[i].bytes));
        wrong++;
    }
    assert_int_equal(wrong, 0);
    assert_true(ARRAY_LEN(cases) >= 100);
}

/* Byte by byte, a request is never accepted early and never accepted after it was refused. */
static void a_prefix_never_says_more_than_the_whole(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool was_bad = false;

        for (size_t len = 0; len <= cases[i].bytes.len; len++) {
            int got = outcome(str_slice(cases[i].bytes, 0, len), MAX_HEAD, MAX_BODY);

            if (was_bad && (got == DONE || got == MORE))
                print_error("case %zu at %zu\n", i, len);
            assert_false(was_bad && (got == DONE || got == MORE));
            assert_false(got == DONE && cases[i].want == MORE);
            was_bad = got > MORE;
        }
    }
}

static void parse(const char *text, struct httpd_head *head)
{
    const char *why = "";
    int status = 0;

    if (httpd_parse_head(str_from(text), MAX_HEAD, MAX_BODY, head, &status, &why) != HTTPD_PARSE_DONE)
        print_error("%d %s\n", status, why);
    assert_int_equal(status, 0);
}

static void views_point_at_what_was_sent(void **state)
{
    const char *text = "POST /a%20b?x=1&y=%zz HTTP/1.1\r\nHost: h.example:80\r\nX-One:  a b\t \r\nx-two:\r\n"
                       "content-length: 12\r\n\r\nGET / HTTP/1.1\r\n";
    struct httpd_head head;
    (void)state;

    parse(text, &head);
    assert_int_equal(head.method, HTTPD_POST);
    assert_str(head.method_text, "POST");
    assert_str(head.target, "/a%20b?x=1&y=%zz");
    assert_str(head.path, "/a%20b");
    assert_str(head.query, "x=1&y=%zz");
    assert_int_equal(head.nheaders, 4);
    assert_str(head.headers[1].name, "X-One");
    assert_str(head.headers[1].value, "a b");
    assert_str(head.headers[2].value, "");
    assert_int_equal(head.content_length, 12);
    assert_ptr_equal(text + head.size, strstr(text, "GET"));
    assert_str(httpd_header(&head, STR("x-ONE")), "a b");
    assert_non_null(httpd_header(&head, STR("X-Two")).ptr);
    assert_null(httpd_header(&head, STR("X-Three")).ptr);
}

static void a_missing_query_is_not_an_empty_one(void **state)
{
    struct httpd_head head;
    (void)state;

    parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n", &head);
    assert_null(head.query.ptr);
    parse("GET /? HTTP/1.1\r\nHost: h\r\n\r\n", &head);
    assert_non_null(head.query.ptr);
    assert_int_equal(head.query.len, 0);
    parse("GET /a?b?c HTTP/1.1\r\nHost: h\r\n\r\n", &head);
    assert_str(head.query, "b?c");
}

static void connections_persist_as_the_version_says(void **state)
{
    /* clang-format off */
    static const struct { const char *text; bool keep_alive; } table[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n",                                         true},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",                    false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, CLOSE\r\n\r\n",           false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nconnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n",                   true},
        {"GET / HTTP/1.0\r\n\r\n",                                                    false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",                          true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",                   false},
    };
    /* clang-format on */
    struct httpd_head head;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        parse(table[i].text, &head);
        assert_int_equal(head.keep_alive, table[i].keep_alive);
    }
}

/* A head of exactly size bytes, by a header of the right length. */
static void make_head(struct buf *out, size_t size)
{
    struct str start = STR("GET / HTTP/1.1\r\nHost: h\r\nX: ");

    buf_clear(out);
    buf_append_str(out, start);
    while (out->len < size - 4)
        buf_append_char(out, 'x');
    buf_append_str(out, STR("\r\n\r\n"));
    assert_int_equal(out->len, size);
}

static void the_head_may_fill_its_limit_and_not_pass_it(void **state)
{
    SCOPED_VALUE(buf) text;
    (void)state;

    buf_init(&text, 100000);
    make_head(&text, 200);
    assert_int_equal(outcome(buf_str(&text), 200, 0), DONE);
    assert_int_equal(outcome(buf_str(&text), 199, 0), 431);
    assert_int_equal(outcome(buf_str(&text), 20, 0), 431);
    assert_int_equal(outcome(buf_str(&text), 10, 0), 414);
    make_head(&text, 50000);
    assert_int_equal(outcome(str_slice(buf_str(&text), 0, 201), 200, 0), 431);
    assert_int_equal(outcome(str_slice(buf_str(&text), 0, 199), 200, 0), MORE);
}

static void header_lines_are_counted(void **state)
{
    SCOPED_VALUE(buf) text;
    (void)state;

    buf_init(&text, 100000);
    buf_append_str(&text, STR("GET / HTTP/1.1\r\nHost: h\r\n"));
    for (int i = 1; i < HTTPD_MAX_HEADERS; i++)
        buf_append_str(&text, STR("A: b\r\n"));
    buf_append_str(&text, STR("\r\n"));
    assert_int_equal(outcome(buf_str(&text), 16384, 0), DONE);
    text.len -= 2;
    buf_append_str(&text, STR("A: b\r\n\r\n"));
    assert_int_equal(outcome(buf_str(&text), 16384, 0), 431);
}

static void bodies_obey_their_limit(void **state)
{
    struct str post = STR("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    (void)state;

    assert_int_equal(outcome(post, MAX_HEAD, 5), DONE);
    assert_int_equal(outcome(post, MAX_HEAD, 4), 413);
    assert_int_equal(outcome(post, MAX_HEAD, 0), 405);
}

/* Every byte, at a place in each part of a head. */
static void every_byte_is_judged_in_every_place(void **state)
{
    static const char *const token_marks = "!#$%&'*+-.^_`|~";
    (void)state;

    for (int c = 0; c < 256; c++) {
        bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80);
        bool is_token = is_alnum || (c && strchr(token_marks, c));
        char name[] = "GET / HTTP/1.1\r\nHost: h\r\nX?Y: z\r\n\r\n";
        char value[] = "GET / HTTP/1.1\r\nHost: h\r\nX: y?z\r\n\r\n";
        char target[] = "GET /?a=?b HTTP/1.1\r\nHost: h\r\n\r\n";

        name[26] = value[29] = target[8] = (char)c;
        /* A colon ends the name. */
        assert_int_equal(outcome(str_slice((struct str){name, sizeof(name) - 1}, 0, SIZE_MAX), MAX_HEAD, 0),
                         is_token || c == ':' ? DONE : 400);
        assert_int_equal(outcome((struct str){value, sizeof(value) - 1}, MAX_HEAD, 0),
                         c == '\t' || (c >= ' ' && c != 0x7f) ? DONE : 400);
        assert_int_equal(outcome((struct str){target, sizeof(target) - 1}, MAX_HEAD, 0),
                         c > ' ' && c < 0x7f && c != '#' ? DONE : 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_ends_as_the_table_says),
        cmocka_unit_test(a_prefix_never_says_more_than_the_whole),
        cmocka_unit_test(views_point_at_what_was_sent),
        cmocka_unit_test(a_missing_query_is_not_an_empty_one),
        cmocka_unit_test(connections_persist_as_the_version_says),
        cmocka_unit_test(the_head_may_fill_its_limit_and_not_pass_it),
        cmocka_unit_test(header_lines_are_counted),
        cmocka_unit_test(bodies_obey_their_limit),
        cmocka_unit_test(every_byte_is_judged_in_every_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
