/*
 * live.h - GET /dashboard/v1/changes?since=VERSION: answers when the dashboard has something new to show.
 *
 * {"version": "..."} at once when the version is another one than since, otherwise as soon as it becomes
 * another, and after 25 s in any case. The page then asks for what it shows, and asks here again.
 *
 * Why not an event stream: one held request does the same through every proxy, needs no answer without an
 * end, carries its token in a header, and a monitor that was restarted is noticed by the next request.
 * All who wait share one small query a second; while nobody looks there is none.
 */
#ifndef TRACEPOOL_MONITOR_LIVE_H
#define TRACEPOOL_MONITOR_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct httpd_conn;
struct monitor;

enum { LIVE_MAX_WAITING = 64, LIVE_VERSION_BYTES = 64 };

struct live_watcher {
    struct httpd_conn *conn;
    int64_t asked_ms;
    char since[LIVE_VERSION_BYTES];
};

struct live {
    struct monitor *monitor;
    uv_timer_t timer;
    bool is_asking; /* the query is under way */
    int waiting;
    struct live_watcher watchers[LIVE_MAX_WAITING]; /* who came first stands first */
};

void live_init(struct live *live, struct monitor *m);
/* Takes one call. When too many wait, the one that has waited longest is answered early. */
void live_get(struct monitor *m, struct httpd_conn *conn);
/* Answers everybody who waits: the program ends. */
void live_stop(struct live *live);

#endif
