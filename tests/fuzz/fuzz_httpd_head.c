/*
 * fuzz_httpd_head.c - the request head parser on any bytes.
 *
 * The first byte chooses the limits. What is accepted must hold the promises that the server builds on:
 * views inside the input, no line end inside a view, and the same verdict from the head alone.
 */
#include "common/httpd.h"

#include <assert.h>
#include <string.h>

static void check_view(struct str whole, struct str view)
{
    assert(view.ptr >= whole.ptr && view.ptr + view.len <= whole.ptr + whole.len);
    assert(!memchr(view.ptr, '\r', view.len) && !memchr(view.ptr, '\n', view.len) &&
           !memchr(view.ptr, 0, view.len));
}

static void check_head(struct str bytes, const struct httpd_head *head, size_t max_head, int64_t max_body)
{
    struct str whole = str_slice(bytes, 0, head->size);

    assert(head->size <= bytes.len && head->size <= max_head);
    assert(memcmp(bytes.ptr + head->size - 4, "\r\n\r\n", 4) == 0);
    assert(head->method != HTTPD_OTHER && head->target.ptr[0] == '/' && head->path.ptr == head->target.ptr);
    assert(head->content_length >= 0 && head->content_length <= max_body);
    assert(head->method == HTTPD_POST || head->content_length == 0);
    assert(!httpd_header(head, STR("transfer-encoding")).ptr);
    check_view(whole, head->target);
    for (int i = 0; i < head->nheaders; i++) {
        check_view(whole, head->headers[i].name);
        check_view(whole, head->headers[i].value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t head_limits[] = {16384, 1024, 64, 20};
    static const int64_t body_limits[] = {0, 1, 8192, INT64_MAX};
    struct str bytes = {(const char *)data + 1, size - 1};
    struct httpd_head head, again;
    const char *why = NULL;
    int status = 0;
    size_t max_head;
    int64_t max_body;

    if (size == 0)
        return 0;
    max_head = head_limits[data[0] & 3];
    max_body = body_limits[data[0] >> 2 & 3];
    switch (httpd_parse_head(bytes, max_head, max_body, &head, &status, &why)) {
    case HTTPD_PARSE_MORE:
        break;
    case HTTPD_PARSE_BAD:
        assert(status >= 400 && status <= 505 && why && why[0]);
        break;
    case HTTPD_PARSE_DONE:
        check_head(bytes, &head, max_head, max_body);
        assert(httpd_parse_head(str_slice(bytes, 0, head.size), max_head, max_body, &again, &status, &why) ==
               HTTPD_PARSE_DONE);
        assert(httpd_parse_head(str_slice(bytes, 0, head.size - 1), max_head, max_body, &again, &status,
                                &why) == HTTPD_PARSE_MORE);
        break;
    }
    return 0;
}
