/*
 * fuzz_front.c - who the visitor is behind front proxies. Input: a list of trusted proxies, a line break, and
 * the headers of a request.
 *
 * Expected: somebody who is no trusted proxy is whom the connection says, whatever it sends; and of a visitor
 * that was found, nothing that the visitor itself could have put before can make another one.
 */
#include "edge/agent.h"
#include "edge/trust.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>

enum { HEAD_MAX = 65536 };

static const uint8_t PEER[TRUST_ADDRESS] = {[10] = 0xff, 0xff, 203, 0, 113, 9};

/* A request with those header lines, and `forged` before what each X-Forwarded-For has. */
static bool read_head(struct str lines, const char *forged, struct buf *text, struct httpd_head *head)
{
    const char *why;
    int status;

    buf_append_str(text, STR("GET / HTTP/1.1\r\nHost: a\r\n"));
    buf_printf(text, "X-Forwarded-For: %s10.0.0.1\r\n", forged);
    for (struct str line; lines.len && str_cut(&lines, '\n', &line);)
        if (line.len)
            buf_printf(text, "%.*s\r\n", STR_ARG(line));
    buf_append_str(text, STR("\r\n"));
    return httpd_parse_head(buf_str(text), HEAD_MAX, 0, head, &status, &why) == HTTPD_PARSE_DONE;
}

static bool visitor(const struct trust *trust, struct str lines, const char *forged,
                    uint8_t out[TRUST_ADDRESS])
{
    SCOPED_VALUE(buf) text = {.max = FUZZ_TEXT_BYTES};
    struct sockaddr_storage peer = {.ss_family = AF_INET};
    struct httpd_request request = {.peer = &peer};
    struct httpd_head head;

    memcpy(&((struct sockaddr_in *)&peer)->sin_addr, PEER + 12, 4);
    if (!read_head(lines, forged, &text, &head))
        return false;
    request.head = &head;
    agent_skip_reason(httpd_header(&head, STR("User-Agent")));
    return trust_visitor(trust, &request, out);
}

static bool is_trusted(const struct trust *trust, const uint8_t address[TRUST_ADDRESS])
{
    struct sockaddr_storage as_peer = {.ss_family = AF_INET6};

    memcpy(&((struct sockaddr_in6 *)&as_peer)->sin6_addr, address, TRUST_ADDRESS);
    return trust_has(trust, &as_peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size}, list = fuzz_line(&rest);
    struct trust nobody = {.n = 0}, trust;
    uint8_t address[TRUST_ADDRESS], forged[TRUST_ADDRESS];
    struct err err = {.code = ERR_OK};

    if (!trust_parse(list, &trust, &err)) {
        EXPECT(err.code == ERR_BAD_SETTING);
        return 0;
    }
    EXPECT(trust.n <= TRUST_MAX);
    if (!rest.ptr)
        return 0;
    if (visitor(&nobody, rest, "", address))
        EXPECT(memcmp(address, PEER, sizeof(address)) == 0);
    if (visitor(&trust, rest, "", address) && !is_trusted(&trust, address)) {
        EXPECT(visitor(&trust, rest, "198.51.100.66, ", forged));
        EXPECT(memcmp(address, forged, sizeof(address)) == 0);
    }
    return 0;
}
