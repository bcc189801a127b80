/*
 * classify.c - the tables behind classify.h.
 */
#include "worker/chain/classify.h"

/* What went wrong depends on whom we were talking to when it did. */
enum layer {
    LAYER_PROXY,  /* its TLS, its CONNECT or SOCKS */
    LAYER_TARGET, /* the target, directly, through a tunnel, or as a plain proxy tells it */
};

static enum layer layer_of(const struct transfer_facts *f)
{
    if (!f->has_proxy)
        return LAYER_TARGET;
    if (f->is_target_tls && f->connect_status / 100 != 2)
        return LAYER_PROXY;
    return f->is_proxy_tls && !f->is_connected ? LAYER_PROXY : LAYER_TARGET;
}

/* RFC 1928 section 6 and RFC 1929: the reply says whether the proxy would not, or the target did not. */
static enum err_code of_socks(long error)
{
    switch (error) {
    case CURLPX_NO_AUTH:
    case CURLPX_REQUEST_FAILED:
    case CURLPX_USER_REJECTED:
    case CURLPX_GSSAPI:
    case CURLPX_GSSAPI_PERMSG:
    case CURLPX_GSSAPI_PROTECTION:
        return ERR_PROXY_AUTH;
    case CURLPX_REPLY_CONNECTION_REFUSED:
        return ERR_TARGET_REFUSED;
    case CURLPX_REPLY_HOST_UNREACHABLE:
        return ERR_TARGET_RESOLVE;
    case CURLPX_BAD_ADDRESS_TYPE:
    case CURLPX_BAD_VERSION:
    case CURLPX_UNKNOWN_FAIL:
        return ERR_PROXY_PROTOCOL;
    case CURLPX_RESOLVE_HOST:
        return ERR_PROXY_RESOLVE;
    default:
        return ERR_PROXY_TUNNEL;
    }
}

static enum err_code of_timeout(const struct transfer_facts *f)
{
    /* libcurl counts SOCKS as connected only when the target is, so that says nothing about the proxy. */
    if (f->has_proxy && (!f->is_proxy_alive || (!f->is_connected && !f->is_socks)))
        return ERR_PROXY_TIMEOUT;
    return ERR_TARGET_TIMEOUT;
}

static enum err_code of_tls(const struct transfer_facts *f)
{
    bool is_proxys = f->has_proxy && f->is_proxy_tls && (!f->is_target_tls || !f->connect_status);

    return is_proxys ? ERR_PROXY_PROTOCOL : ERR_TARGET_TLS;
}

static enum err_code of_protocol(const struct transfer_facts *f)
{
    if (f->has_proxy && !f->is_proxy_alive)
        return ERR_PROXY_PROTOCOL;
    return layer_of(f) == LAYER_PROXY ? ERR_PROXY_PROTOCOL : ERR_TARGET_PROTOCOL;
}

static enum err_code of_closed(const struct transfer_facts *f)
{
    if (f->has_proxy && !f->is_proxy_alive)
        return ERR_PROXY_PROTOCOL;
    return layer_of(f) == LAYER_PROXY ? ERR_PROXY_TUNNEL : ERR_TARGET_CLOSED;
}

static enum err_code of_code(const struct transfer_facts *f)
{
    if (f->exhausted)
        return ERR_HOST_EXHAUSTED;
    switch ((int)f->code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
        return ERR_PROXY_RESOLVE;
    case CURLE_COULDNT_RESOLVE_HOST:
        return f->has_proxy ? ERR_PROXY_RESOLVE : ERR_TARGET_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return f->has_proxy ? ERR_PROXY_REFUSED : ERR_TARGET_REFUSED;
    case CURLE_PROXY:
        return of_socks(f->proxy_error);
    case CURLE_OPERATION_TIMEDOUT:
        return of_timeout(f);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return of_closed(f);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return of_tls(f);
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_BAD_SETTING;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: an answer without a head */
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_BAD_CONTENT_ENCODING:
        return of_protocol(f);
    case CURLE_URL_MALFORMAT:
        return f->is_first ? ERR_BAD_URL : ERR_TARGET_URL;
    default:
        return ERR_INTERNAL;
    }
}

enum err_code classify_transfer(const struct transfer_facts *f)
{
    if (f->is_guarded)
        return ERR_BLOCKED_ADDRESS;
    if (f->is_head_too_big)
        return ERR_TOO_BIG;
    if (f->has_proxy && f->connect_status == 407)
        return ERR_PROXY_AUTH;
    if (f->has_proxy && f->connect_status && f->connect_status / 100 != 2)
        return ERR_PROXY_TUNNEL;
    return of_code(f);
}

enum outcome classify_outcome(enum err_code code)
{
    switch ((int)code) {
    case ERR_OK:
        return OUTCOME_OK;
    case ERR_TARGET_TIMEOUT:
    case ERR_TRACE_TIMEOUT:
        return OUTCOME_TIMEOUT;
    case ERR_REDIRECT_LOOP:
        return OUTCOME_LOOP;
    case ERR_TOO_MANY_HOPS:
        return OUTCOME_TOO_MANY_HOPS;
    case ERR_BLOCKED_ADDRESS:
        return OUTCOME_BLOCKED;
    default:
        return OUTCOME_ERROR;
    }
}
