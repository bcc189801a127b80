/*
 * proxy.c - a proxy as text taken apart, and put together again for libcurl without its credentials.
 */
#include "worker/tracer/internal.h"

#include "common/buf.h"

#include <arpa/inet.h>
#include <string.h>

enum { CREDENTIAL_MAX = 1024 };

static const char *const schemes[] = {"http", "https", "socks5h"};

static bool is_known_scheme(struct str scheme)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (str_equal(scheme, str_from(schemes[i])))
            return true;
    return false;
}

static bool is_v6(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (!host.len || host.len >= sizeof(text) || memchr(host.ptr, '\0', host.len))
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_host(struct str host)
{
    if (!host.len || host.len > 253)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
              c == '-' || c == '_'))
            return is_v6(host);
    }
    return true;
}

/* A NUL would cut it short in libcurl's hands, a line end would start another header. */
static bool is_credential(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return text.len <= CREDENTIAL_MAX;
}

bool tracer_proxy_check(const struct trace_proxy *p, struct err *err)
{
    if (!p->scheme.len)
        return true;
    if (!is_known_scheme(p->scheme))
        return err_set(err, ERR_BAD_INPUT, "proxy: the scheme must be http, https or socks5h");
    if (!is_host(p->host))
        return err_set(err, ERR_BAD_INPUT, "proxy: the host must be a name or an address");
    if (p->port < 1 || p->port > 65535)
        return err_set(err, ERR_BAD_INPUT, "proxy: a port from 1 to 65535 must follow the host");
    if (!is_credential(p->user) || !is_credential(p->password))
        return err_set(err, ERR_BAD_INPUT, "proxy: user or password has control characters or is too long");
    return true;
}

static bool decode(struct arena *a, struct str text, struct str *out)
{
    SCOPED_VALUE(buf) plain;

    buf_init(&plain, text.len + 1);
    url_percent_decode(&plain, text);
    *out = arena_copy(a, buf_str(&plain));
    return out->ptr != NULL;
}

static size_t find_last(struct str s, char c)
{
    size_t at = s.len;

    while (at > 0 && s.ptr[at - 1] != c)
        at--;
    return at; /* behind it; 0 when there is none */
}

/* "host:port", "[v6]:port", with a slash behind it or not. */
static void read_authority(struct str text, struct trace_proxy *p)
{
    size_t colon = find_last(text, ':');
    int64_t port = 0;

    p->host = str_slice(text, 0, colon ? colon - 1 : text.len);
    if (colon)
        str_to_int(str_slice(text, colon, text.len), &port);
    p->port = port > 0 && port <= 65535 ? (int)port : -1;
    if (p->host.len > 2 && p->host.ptr[0] == '[' && p->host.ptr[p->host.len - 1] == ']')
        p->host = str_slice(p->host, 1, p->host.len - 1);
    else if (str_find(p->host, 0, ':') < p->host.len)
        p->host = STR(""); /* IPv6 without brackets: where does its port begin? */
}

static bool take_parts(struct arena *a, struct trace_proxy *p)
{
    struct str *parts[] = {&p->scheme, &p->host};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        *parts[i] = arena_copy(a, *parts[i]);
        if (!parts[i]->ptr)
            return false;
    }
    return decode(a, p->user, &p->user) && decode(a, p->password, &p->password);
}

bool tracer_proxy_parse(struct arena *a, struct str text, struct trace_proxy *out, struct err *err)
{
    struct trace_proxy p = {.scheme = STR("http"), .user = STR(""), .password = STR("")};
    struct str rest = str_trim(text), user_info = STR("");
    const char *mark = rest.ptr ? memmem(rest.ptr, rest.len, "://", 3) : NULL;
    size_t at;

    if (mark) {
        p.scheme = str_slice(rest, 0, (size_t)(mark - rest.ptr));
        if (!p.scheme.len) /* which would mean none at all */
            return err_set(err, ERR_BAD_INPUT, "proxy: the scheme must be http, https or socks5h");
        rest = str_slice(rest, p.scheme.len + 3, rest.len);
    }
    at = find_last(rest, '@'); /* a password may have an '@' that nobody encoded */
    if (at) {
        user_info = str_slice(rest, 0, at - 1);
        rest = str_slice(rest, at, rest.len);
    }
    if (rest.len && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    p.user = str_slice(user_info, 0, str_find(user_info, 0, ':'));
    p.password = str_slice(user_info, p.user.len + 1, user_info.len);
    read_authority(rest, &p);
    if (!take_parts(a, &p))
        return err_set(err, ERR_TOO_BIG, "proxy: no memory left for it");
    if (!tracer_proxy_check(&p, err))
        return false;
    *out = p;
    return true;
}

const char *tracer_proxy_url(struct arena *a, const struct trace_proxy *p)
{
    const char *open = is_v6(p->host) ? "[" : "", *close = *open ? "]" : "";

    return arena_printf(a, "%.*s://%s%.*s%s:%d", STR_ARG(p->scheme), open, STR_ARG(p->host), close, p->port);
}

bool tracer_proxy_address(const struct trace_proxy *p, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)p->port)};
    char text[INET6_ADDRSTRLEN];

    if (p->host.len >= sizeof(text))
        return false;
    memcpy(text, p->host.ptr, p->host.len);
    text[p->host.len] = 0;
    *out = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(out, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(out, &v6, sizeof(v6));
    else
        return false;
    return true;
}
