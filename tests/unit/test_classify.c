/*
 * test_classify.c - what failed, and who is to blame: one row a situation.
 */
#include "tests/unit/test.h"

#include "common/scope.h"
#include "worker/chain/classify.h"

#include <errno.h>

/* clang-format off */
static const struct {
    const char *what;
    struct transfer_facts facts;
    enum err_code code;
} cases[] = {
    {"proxy's name has no address", {.code = CURLE_COULDNT_RESOLVE_PROXY, .has_proxy = true}, ERR_PROXY_RESOLVE},
    {"target's name has no address", {.code = CURLE_COULDNT_RESOLVE_HOST}, ERR_TARGET_RESOLVE},
    {"proxy refuses", {.code = CURLE_COULDNT_CONNECT, .has_proxy = true}, ERR_PROXY_REFUSED},
    {"proxy refuses in mid-trace", {.code = CURLE_COULDNT_CONNECT, .has_proxy = true, .is_proxy_alive = true}, ERR_PROXY_REFUSED},
    {"target refuses", {.code = CURLE_COULDNT_CONNECT}, ERR_TARGET_REFUSED},
    {"guard refuses", {.code = CURLE_COULDNT_CONNECT, .is_guarded = true}, ERR_BLOCKED_ADDRESS},
    {"endless headers", {.code = CURLE_WRITE_ERROR, .is_head_too_big = true}, ERR_TOO_BIG},

    {"no connection to the proxy", {.code = CURLE_OPERATION_TIMEDOUT, .has_proxy = true}, ERR_PROXY_TIMEOUT},
    {"no connection to the proxy in mid-trace", {.code = CURLE_OPERATION_TIMEDOUT, .has_proxy = true, .is_proxy_alive = true}, ERR_PROXY_TIMEOUT},
    {"proxy accepts and is silent", {.code = CURLE_OPERATION_TIMEDOUT, .has_proxy = true, .is_connected = true}, ERR_PROXY_TIMEOUT},
    {"silence behind a live proxy", {.code = CURLE_OPERATION_TIMEDOUT, .has_proxy = true, .is_connected = true, .is_proxy_alive = true}, ERR_TARGET_TIMEOUT},
    {"silence behind a live SOCKS proxy", {.code = CURLE_OPERATION_TIMEDOUT, .has_proxy = true, .is_socks = true, .is_proxy_alive = true}, ERR_TARGET_TIMEOUT},
    {"silent target", {.code = CURLE_OPERATION_TIMEDOUT}, ERR_TARGET_TIMEOUT},

    {"CONNECT answered 407", {.code = CURLE_RECV_ERROR, .has_proxy = true, .is_target_tls = true, .connect_status = 407}, ERR_PROXY_AUTH},
    {"CONNECT answered 403", {.code = CURLE_RECV_ERROR, .has_proxy = true, .is_target_tls = true, .connect_status = 403}, ERR_PROXY_TUNNEL},
    {"CONNECT answered 502", {.code = CURLE_COULDNT_CONNECT, .has_proxy = true, .is_target_tls = true, .connect_status = 502}, ERR_PROXY_TUNNEL},
    {"live proxy hangs up on CONNECT", {.code = CURLE_RECV_ERROR, .has_proxy = true, .is_target_tls = true, .is_proxy_alive = true}, ERR_PROXY_TUNNEL},
    {"target hangs up in the tunnel", {.code = CURLE_RECV_ERROR, .has_proxy = true, .is_target_tls = true, .is_proxy_alive = true, .connect_status = 200}, ERR_TARGET_CLOSED},
    {"live plain proxy hangs up", {.code = CURLE_GOT_NOTHING, .has_proxy = true, .is_proxy_alive = true}, ERR_TARGET_CLOSED},
    {"proxy hangs up on everything", {.code = CURLE_GOT_NOTHING, .has_proxy = true}, ERR_PROXY_PROTOCOL},
    {"target hangs up", {.code = CURLE_GOT_NOTHING}, ERR_TARGET_CLOSED},

    {"target's certificate", {.code = CURLE_PEER_FAILED_VERIFICATION, .has_proxy = true, .is_target_tls = true, .connect_status = 200}, ERR_TARGET_TLS},
    {"target's certificate, direct", {.code = CURLE_PEER_FAILED_VERIFICATION, .is_target_tls = true}, ERR_TARGET_TLS},
    {"target's handshake through SOCKS", {.code = CURLE_SSL_CONNECT_ERROR, .has_proxy = true, .is_socks = true, .is_target_tls = true}, ERR_TARGET_TLS},
    {"proxy's own certificate", {.code = CURLE_PEER_FAILED_VERIFICATION, .has_proxy = true, .is_proxy_tls = true}, ERR_PROXY_PROTOCOL},
    {"proxy's own handshake before CONNECT", {.code = CURLE_SSL_CONNECT_ERROR, .has_proxy = true, .is_proxy_tls = true, .is_target_tls = true}, ERR_PROXY_PROTOCOL},
    {"target's certificate behind a TLS proxy", {.code = CURLE_PEER_FAILED_VERIFICATION, .has_proxy = true, .is_proxy_tls = true, .is_target_tls = true, .connect_status = 200}, ERR_TARGET_TLS},
    {"our own authorities cannot be read", {.code = CURLE_SSL_CACERT_BADFILE}, ERR_BAD_SETTING},

    {"no HTTP from the proxy", {.code = CURLE_UNSUPPORTED_PROTOCOL, .has_proxy = true}, ERR_PROXY_PROTOCOL},
    {"no HTTP from the target", {.code = CURLE_UNSUPPORTED_PROTOCOL}, ERR_TARGET_PROTOCOL},
    {"no HTTP behind a live proxy", {.code = CURLE_WEIRD_SERVER_REPLY, .has_proxy = true, .is_proxy_alive = true}, ERR_TARGET_PROTOCOL},

    {"SOCKS password", {.code = CURLE_PROXY, .has_proxy = true, .proxy_error = CURLPX_USER_REJECTED}, ERR_PROXY_AUTH},
    {"SOCKS: no method", {.code = CURLE_PROXY, .has_proxy = true, .proxy_error = CURLPX_NO_AUTH}, ERR_PROXY_AUTH},
    {"SOCKS: not allowed", {.code = CURLE_PROXY, .has_proxy = true, .proxy_error = CURLPX_REPLY_NOT_ALLOWED}, ERR_PROXY_TUNNEL},
    {"SOCKS: general failure", {.code = CURLE_PROXY, .has_proxy = true, .proxy_error = CURLPX_REPLY_GENERAL_SERVER_FAILURE}, ERR_PROXY_TUNNEL},
    {"SOCKS: target refused", {.code = CURLE_PROXY, .has_proxy = true, .proxy_error = CURLPX_REPLY_CONNECTION_REFUSED}, ERR_TARGET_REFUSED},
    {"SOCKS: target unreachable", {.code = CURLE_PROXY, .has_proxy = true, .proxy_error = CURLPX_REPLY_HOST_UNREACHABLE}, ERR_TARGET_RESOLVE},
    {"SOCKS: another protocol", {.code = CURLE_PROXY, .has_proxy = true, .proxy_error = CURLPX_BAD_VERSION}, ERR_PROXY_PROTOCOL},

    {"caller's URL", {.code = CURLE_URL_MALFORMAT, .is_first = true}, ERR_BAD_URL},
    {"redirect's URL", {.code = CURLE_URL_MALFORMAT}, ERR_TARGET_URL},
    {"no port of ours for the proxy", {.code = CURLE_COULDNT_CONNECT, .exhausted = EADDRNOTAVAIL, .has_proxy = true}, ERR_HOST_EXHAUSTED},
    {"no descriptor to look a proxy up with", {.code = CURLE_COULDNT_RESOLVE_PROXY, .exhausted = EMFILE, .has_proxy = true}, ERR_HOST_EXHAUSTED},
    {"no port of ours for the target", {.code = CURLE_COULDNT_CONNECT, .exhausted = EADDRNOTAVAIL}, ERR_HOST_EXHAUSTED},
    {"no port of ours, and the guard had said no", {.code = CURLE_COULDNT_CONNECT, .exhausted = EADDRNOTAVAIL, .is_guarded = true}, ERR_BLOCKED_ADDRESS},
    {"something new", {.code = CURLE_FTP_WEIRD_PASS_REPLY}, ERR_INTERNAL},
};
/* clang-format on */

static void every_situation_has_its_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum err_code code = classify_transfer(&cases[i].facts);

        if (code != cases[i].code)
            fail_msg("%s: %s, not %s", cases[i].what, err_name(code), err_name(cases[i].code));
    }
}

static void doubt_is_never_the_proxys_loss(void **state)
{
    (void)state;
    for (int code = 0; code < CURL_LAST; code++) {
        struct transfer_facts alive = {
            .code = (CURLcode)code, .has_proxy = true, .is_connected = true, .is_proxy_alive = true};
        bool names_the_proxy = code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_RESOLVE_HOST ||
                               code == CURLE_COULDNT_CONNECT || code == CURLE_PROXY;

        if (!names_the_proxy)
            assert_int_not_equal(err_blame(classify_transfer(&alive)), BLAME_PROXY);
    }
}

static void what_this_machine_ran_out_of_is_nobodys_loss(void **state)
{
    (void)state;
    for (int code = 0; code < CURL_LAST; code++) {
        struct transfer_facts facts = {.code = (CURLcode)code, .exhausted = ENOBUFS, .has_proxy = true};

        assert_int_equal(err_blame(classify_transfer(&facts)), BLAME_US);
    }
}

static void the_outcome_follows_from_the_error(void **state)
{
    (void)state;
    assert_int_equal(classify_outcome(ERR_OK), OUTCOME_OK);
    assert_int_equal(classify_outcome(ERR_TARGET_TIMEOUT), OUTCOME_TIMEOUT);
    assert_int_equal(classify_outcome(ERR_TRACE_TIMEOUT), OUTCOME_TIMEOUT);
    assert_int_equal(classify_outcome(ERR_PROXY_TIMEOUT), OUTCOME_ERROR);
    assert_int_equal(classify_outcome(ERR_REDIRECT_LOOP), OUTCOME_LOOP);
    assert_int_equal(classify_outcome(ERR_TOO_MANY_HOPS), OUTCOME_TOO_MANY_HOPS);
    assert_int_equal(classify_outcome(ERR_BLOCKED_ADDRESS), OUTCOME_BLOCKED);
    assert_int_equal(classify_outcome(ERR_TARGET_TLS), OUTCOME_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_situation_has_its_error),
        cmocka_unit_test(doubt_is_never_the_proxys_loss),
        cmocka_unit_test(what_this_machine_ran_out_of_is_nobodys_loss),
        cmocka_unit_test(the_outcome_follows_from_the_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
