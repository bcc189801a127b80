/*
 * hsts.h - the hosts that asked for https during one trace (RFC 6797). A browser upgrades http URLs of
 * such hosts before it sends anything; what was learnt is forgotten with the trace.
 */
#ifndef TRACEPOOL_WORKER_TRACER_HSTS_H
#define TRACEPOOL_WORKER_TRACER_HSTS_H

#include "common/url.h"

enum { HSTS_HOSTS_MAX = 64 };

struct hsts {
    struct hsts_host {
        struct str name; /* in the arena; an empty one is free */
        bool with_subdomains;
    } hosts[HSTS_HOSTS_MAX];
    int nhosts;
};

/* Takes note of a Strict-Transport-Security value that came with an answer from u. u must outlive it. */
void hsts_note(struct hsts *hsts, const struct url *u, struct str value);
/* Whether an http URL must become an https one. */
bool hsts_applies(const struct hsts *hsts, const struct url *u);
/* u with https in place of http. Fails like url_parse. */
NODISCARD bool hsts_upgrade(struct arena *a, const struct url *u, struct url *out, struct err *err);

#endif
