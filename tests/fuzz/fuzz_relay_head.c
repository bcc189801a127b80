/*
 * fuzz_relay_head.c - any bytes as the head of a request that Chromium sends to its proxy.
 *
 * Expected: the head is whole lines; written anew it is read as the same request, says nothing that was meant
 * for us, and carries the real proxy's credentials once; a credential comes back as it was put.
 */
#include "tests/fuzz/fuzz.h"
#include "worker/browser/relay_head.h"

enum { HEAD_MAX = 65536 };

static void expect_rewritten(const struct relay_head *head, struct str user, struct str password)
{
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    SCOPED_VALUE(buf) pair = {.max = FUZZ_TEXT_BYTES};
    struct relay_head again;

    EXPECT(relay_head_write(head, head->target, user, password, &text));
    EXPECT(relay_head_parse(buf_str(&text), FUZZ_TEXT_BYTES, &again) == RELAY_HEAD && again.size == text.len);
    EXPECT(str_equal(again.method, head->method) && str_equal(again.target, head->target));
    EXPECT(again.is_connect == head->is_connect && again.body_length == head->body_length);
    EXPECT(!user.len == !again.authorization.ptr);
    if (!user.len)
        return;
    EXPECT(relay_head_credentials(again.authorization, &pair));
    EXPECT(str_starts(buf_str(&pair), user) &&
           str_equal(str_slice(buf_str(&pair), user.len + 1, pair.len), password));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    SCOPED_VALUE(buf) pair = {.max = FUZZ_TEXT_BYTES};
    struct relay_head head, shorter;

    if (relay_head_parse(bytes, HEAD_MAX, &head) != RELAY_HEAD)
        return 0;
    EXPECT(head.size <= size && head.size <= HEAD_MAX && head.body_length >= 0);
    EXPECT(relay_head_parse(str_slice(bytes, 0, head.size - 1), HEAD_MAX, &shorter) == RELAY_MORE);
    fuzz_expect_one_line(head.method);
    fuzz_expect_one_line(head.target);
    if (head.authorization.ptr && relay_head_credentials(head.authorization, &pair))
        EXPECT(memchr(buf_cstr(&pair), ':', pair.len));
    expect_rewritten(&head, STR(""), STR(""));
    expect_rewritten(&head, STR("ann"), STR("pw:" FUZZ_SECRET));
    return 0;
}
