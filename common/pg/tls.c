/*
 * tls.c - see tls.h.
 */
#include "common/pg/tls.h"

#include <stdlib.h>
#include <string.h>

static PQconninfoOption *find(PQconninfoOption *options, const char *keyword)
{
    for (PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o;
    return NULL;
}

static const char *value(PQconninfoOption *options, const char *keyword)
{
    const PQconninfoOption *o = find(options, keyword);

    return o && o->val ? o->val : "";
}

static bool is_loopback(const struct pg_host *h)
{
    if (h->hostaddr.len)
        return str_equal(h->hostaddr, STR("::1")) || str_starts(h->hostaddr, STR("127."));
    return str_equal(h->name, STR("localhost"));
}

static bool is_socket(const struct pg_host *h)
{
    return !h->hostaddr.len && !h->needs_lookup;
}

static bool has_remote_host(const struct pg_target *t)
{
    for (int i = 0; i < t->nhosts; i++)
        if (!is_socket(&t->hosts[i]) && !is_loopback(&t->hosts[i]))
            return true;
    return false;
}

bool pg_tls_is_said(PQconninfoOption *defaults, PQconninfoOption *given)
{
    PQconninfoOption *ours = find(defaults, "sslmode");

    return *value(given, "sslmode") || (ours && ours->envvar && getenv(ours->envvar)) ||
           (ours && ours->compiled && strcmp(value(defaults, "sslmode"), ours->compiled) != 0);
}

void pg_tls_require(struct pg_target *t)
{
    PQconninfoOption *mode = find(t->options, "sslmode");

    if (!mode || !has_remote_host(t))
        return;
    PQfreemem(mode->val);
    mode->val = strdup(*value(t->options, "sslrootcert") ? "verify-full" : "require");
    if (!mode->val)
        abort();
}

bool pg_tls_is_optional(const struct pg_target *t)
{
    const char *mode = value(t->options, "sslmode");

    return has_remote_host(t) &&
           (strcmp(mode, "disable") == 0 || strcmp(mode, "allow") == 0 || strcmp(mode, "prefer") == 0);
}
