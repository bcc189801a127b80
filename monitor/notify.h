/*
 * notify.h - alerts: judged after each look, and told to the webhook.
 *
 * What is to be told is a row of alert_notices, claimed with a lease, posted, and marked when the receiver
 * took it (2xx). A monitor that dies in between loses its lease, and whoever is there then posts the message
 * again with the same id: it arrives at least once, and a receiver that looks at the id takes it exactly
 * once.
 */
#ifndef TRACEPOOL_MONITOR_NOTIFY_H
#define TRACEPOOL_MONITOR_NOTIFY_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

struct curl_loop;
struct monitor;
struct post;

struct notifier {
    struct monitor *monitor;
    struct curl_loop *wire;
    uv_timer_t timer;
    int ntargets;
    bool is_asking; /* a claim is under way */
    struct post *posts;
};

/* ntargets: addresses of alerts.webhook_url. */
void notify_init(struct notifier *n, struct monitor *m, int ntargets);
/* Moves alerts on with the levels of a look, and posts what that gives to tell. */
void notify_judge(struct notifier *n, const json_t *levels);
/* Ends posts that are under way: their leases run out, and they are posted again. Closes the handles. */
void notify_stop(struct notifier *n);

#endif
