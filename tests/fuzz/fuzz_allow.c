/*
 * fuzz_allow.c - the gate: any bytes as a list of allowed hosts, one a line, and behind an empty line a URL.
 *
 * Expected: what is let through has an entry, by a second reading of the rules (an entry is the whole name,
 * or begins with a dot and is the end of it), and an empty list lets nothing through.
 */
#include "tests/fuzz/fuzz.h"
#include "worker/vast/allow.h"

enum { ARENA_BYTES = 4 * 1024 * 1024, HOSTS_MAX = 32 };

static int read_list(struct str *rest, struct str hosts[HOSTS_MAX])
{
    int n = 0;

    while (rest->ptr && n < HOSTS_MAX) {
        hosts[n] = fuzz_line(rest);
        if (!hosts[n].len)
            break;
        n++;
    }
    return n;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Letter by letter from the right. */
static bool has_entry(struct str entry, struct str host, bool is_name)
{
    bool is_suffix = entry.len > 1 && entry.ptr[0] == '.';

    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    if (is_suffix ? !is_name || host.len <= entry.len : host.len != entry.len)
        return false;
    for (size_t i = 1; i <= entry.len; i++)
        if (lower(entry.ptr[entry.len - i]) != lower(host.ptr[host.len - i]))
            return false;
    return host.len > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(arena) a = {.ceiling = ARENA_BYTES};
    struct str rest = {(const char *)data, size}, hosts[HOSTS_MAX];
    struct allow_list list = {.hosts = hosts, .n = read_list(&rest, hosts)}, nothing = {.n = 0};
    struct url url;
    struct err err = {.code = ERR_OK};
    bool has_one = false;

    if (!rest.ptr || !url_parse(&a, rest, NULL, &url, &err))
        return 0;
    for (int i = 0; i < list.n; i++)
        has_one |= has_entry(hosts[i], url.host, url.host_kind == URL_HOST_DOMAIN);
    EXPECT(allow_url(&list, &url, &err) == (has_one && url_is_http(&url)));
    EXPECT(!allow_url(&nothing, &url, &err) && err.code == ERR_BLOCKED_ADDRESS);
    return 0;
}
