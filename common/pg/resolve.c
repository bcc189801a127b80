/*
 * resolve.c - host names to addresses, off the loop. See resolve.h.
 */
#include "common/pg/resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ADDRESSES_PER_HOST = PG_MAX_ADDRESSES / PG_MAX_HOSTS };

struct lookup {
    uv_getaddrinfo_t req;
    struct pg_resolve *owner;
    char name[NI_MAXHOST];
    char addresses[MAX_ADDRESSES_PER_HOST][PG_ADDRESS_SIZE];
    int naddresses;
    bool is_running;
};

struct pg_resolve {
    const struct pg_target *target; /* NULL once abandoned */
    pg_resolve_cb done;
    void *arg;
    int running;
    struct err err; /* the first failure */
    struct lookup lookups[PG_MAX_HOSTS];
};

static void copy_text(char *out, size_t size, struct str text)
{
    snprintf(out, size, "%.*s", STR_ARG(text));
}

static void add(struct pg_address *out, int *n, int host, const char *text)
{
    if (*n >= PG_MAX_ADDRESSES)
        return;
    out[*n].host = host;
    copy_text(out[*n].text, sizeof(out[*n].text), str_from(text));
    (*n)++;
}

static void add_literal(const struct pg_target *t, int host, struct pg_address *out, int *n)
{
    char text[PG_ADDRESS_SIZE];

    copy_text(text, sizeof(text), t->hosts[host].hostaddr);
    add(out, n, host, text);
}

bool pg_resolve_literals(const struct pg_target *t, struct pg_address *out, int *n)
{
    for (int i = 0; i < t->nhosts; i++)
        if (t->hosts[i].needs_lookup)
            return false;
    *n = 0;
    for (int i = 0; i < t->nhosts; i++)
        add_literal(t, i, out, n);
    return true;
}

static void finish(struct pg_resolve *r)
{
    struct pg_address all[PG_MAX_ADDRESSES];
    static const struct err none = {.code = ERR_OK};
    int n = 0;

    for (int i = 0; r->target && i < r->target->nhosts; i++) {
        if (!r->target->hosts[i].needs_lookup)
            add_literal(r->target, i, all, &n);
        for (int j = 0; j < r->lookups[i].naddresses; j++)
            add(all, &n, i, r->lookups[i].addresses[j]);
    }
    if (r->target)
        r->done(r->arg, all, n, n ? &none : &r->err);
    free(r);
}

static void keep_addresses(struct lookup *l, const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a && l->naddresses < MAX_ADDRESSES_PER_HOST; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, l->addresses[l->naddresses], PG_ADDRESS_SIZE, NULL, 0,
                        NI_NUMERICHOST) == 0)
            l->naddresses++;
}

static void note_failure(struct lookup *l, int status)
{
    if (l->owner->err.code == ERR_OK)
        err_set(&l->owner->err, ERR_DATABASE, "resolve %s: %s", l->name, uv_strerror(status));
}

static void on_addresses(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct lookup *l = container_of(req, struct lookup, req);

    l->is_running = false;
    if (status)
        note_failure(l, status);
    else
        keep_addresses(l, list);
    uv_freeaddrinfo(list);
    if (--l->owner->running == 0)
        finish(l->owner);
}

static void start_lookup(uv_loop_t *loop, struct lookup *l, struct str name)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    copy_text(l->name, sizeof(l->name), name);
    int failed = uv_getaddrinfo(loop, &l->req, on_addresses, l->name, NULL, &hints);
    if (failed) {
        note_failure(l, failed);
        return;
    }
    l->is_running = true;
    l->owner->running++;
}

struct pg_resolve *pg_resolve_start(uv_loop_t *loop, const struct pg_target *target, pg_resolve_cb done,
                                    void *arg, struct err *err)
{
    struct pg_resolve *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->target = target;
    r->done = done;
    r->arg = arg;
    for (int i = 0; i < target->nhosts; i++) {
        r->lookups[i].owner = r;
        if (target->hosts[i].needs_lookup)
            start_lookup(loop, &r->lookups[i], target->hosts[i].name);
    }
    if (r->running)
        return r;
    *err = r->err;
    free(r);
    return NULL;
}

void pg_resolve_abandon(struct pg_resolve *r)
{
    if (!r)
        return;
    r->target = NULL;
    for (int i = 0; i < PG_MAX_HOSTS; i++)
        if (r->lookups[i].is_running)
            uv_cancel((uv_req_t *)&r->lookups[i].req);
}
