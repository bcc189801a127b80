/*
 * test_sha256.c - SHA-256 and HMAC against the examples of FIPS 180-4 and RFC 4231.
 */
#include "tests/unit/test.h"

#include "common/scope.h"
#include "common/sha256.h"

#include <stdio.h>
#include <string.h>

static void expect_digest(const uint8_t digest[SHA256_BYTES], const char *hex)
{
    char text[2 * SHA256_BYTES + 1];

    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, hex);
}

static const struct {
    const char *text, *digest;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void test_known_digests(void **state)
{
    uint8_t digest[SHA256_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct sha256 h;

        sha256_init(&h);
        sha256_add(&h, str_from(known[i].text));
        sha256_end(&h, digest);
        expect_digest(digest, known[i].digest);
    }
}

/* A million letters, added in pieces that never fit a block. */
static void test_a_long_text_in_pieces(void **state)
{
    char piece[125];
    uint8_t digest[SHA256_BYTES];
    struct sha256 h;

    (void)state;
    memset(piece, 'a', sizeof(piece));
    sha256_init(&h);
    for (int i = 0; i < 8000; i++)
        sha256_add(&h, (struct str){piece, sizeof(piece)});
    sha256_end(&h, digest);
    expect_digest(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231, cases 1, 2, 6 (a key longer than a block) and 7. */
static void test_known_signatures(void **state)
{
    char long_key[131], short_key[20], hex[2 * SHA256_BYTES + 1];

    (void)state;
    memset(short_key, 0x0b, sizeof(short_key));
    memset(long_key, 0xaa, sizeof(long_key));
    hmac_sha256_hex((struct str){short_key, sizeof(short_key)}, STR("Hi There"), hex);
    assert_string_equal(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256_hex(STR("Jefe"), STR("what do ya want for nothing?"), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hmac_sha256_hex((struct str){long_key, sizeof(long_key)},
                    STR("Test Using Larger Than Block-Size Key - Hash Key First"), hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256_hex(
        (struct str){long_key, sizeof(long_key)},
        STR("This is a test using a larger than block-size key and a larger than block-size data. "
            "The key needs to be hashed before being used by the HMAC algorithm."),
        hex);
    assert_string_equal(hex, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    hmac_sha256_hex(STR(""), STR(""), hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_digests),
        cmocka_unit_test(test_a_long_text_in_pieces),
        cmocka_unit_test(test_known_signatures),
    };

    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
