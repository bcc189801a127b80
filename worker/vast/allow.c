/*
 * allow.c - see allow.h. Pure: a list and a URL in, yes or no out.
 */
#include "worker/vast/allow.h"

enum { HOST_SHOWN = 120 };

struct str allow_host(const struct url *url)
{
    struct str host = url->host;

    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

static bool is_below(struct str host, struct str suffix)
{
    return host.len > suffix.len && str_ends_nocase(host, suffix);
}

static bool entry_allows(struct str entry, struct str host, bool is_name)
{
    if (entry.len > 1 && entry.ptr[0] == '.')
        return is_name && is_below(host, entry);
    return entry.len > 0 && str_equal_nocase(entry, host);
}

bool allow_url(const struct allow_list *list, const struct url *url, struct err *err)
{
    struct str host = allow_host(url);

    if (!url_is_http(url))
        return err_set(err, ERR_BLOCKED_ADDRESS, "%.*s: is no scheme of tracking requests",
                       STR_ARG(url->scheme));
    for (int i = 0; i < list->n; i++) {
        if (entry_allows(list->hosts[i], host, url->host_kind == URL_HOST_DOMAIN))
            return true;
    }
    return err_set(err, ERR_BLOCKED_ADDRESS, "%.*s is not in tracking_allowed_hosts",
                   host.len < HOST_SHOWN ? (int)host.len : HOST_SHOWN, host.ptr);
}
