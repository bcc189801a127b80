/*
 * live.h - GET /dashboard/v1/changes: server-sent events, one whenever the dashboard has something new to
 * show.
 *
 *     event: version
 *     data: {"version": "..."}
 *
 * The first one comes at once; the page then asks for what it shows. A comment line every 15 s keeps proxies
 * from giving up, and is how a client that has gone is noticed. The token travels in a header as in every
 * other call, so the page reads the stream with fetch. All who listen share one small query a second; while
 * nobody looks there is none. Without a database a stream ends; a new one is answered 503.
 *
 * (HTML, 9.2 Server-sent events.)
 */
#ifndef TRACEPOOL_MONITOR_LIVE_H
#define TRACEPOOL_MONITOR_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct httpd_conn;
struct monitor;

enum { LIVE_MAX_LISTENERS = 64, LIVE_VERSION_BYTES = 64 };

struct live_listener {
    struct httpd_conn *conn;
    bool has_begun;   /* the first version was there */
    int64_t heard_ms; /* when it was sent something */
    char version[LIVE_VERSION_BYTES];
};

struct live {
    struct monitor *monitor;
    uv_timer_t timer;
    bool is_asking; /* the query is under way */
    int count;
    struct live_listener listeners[LIVE_MAX_LISTENERS]; /* who came first stands first */
};

void live_init(struct live *live, struct monitor *m);
/* Takes one call. When too many listen, the one that has listened longest is let go; its page asks again. */
void live_get(struct monitor *m, struct httpd_conn *conn);
/* Ends all streams: the program ends. */
void live_stop(struct live *live);

#endif
