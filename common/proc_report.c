/*
 * proc_report.c - what the service manager hears of a parent and its children.
 *
 * A program is ready when all of its children serve, not when the parent runs: whoever waits for it may send
 * work.
 */
#include "common/proc_internal.h"

#include "common/service.h"

#include <stdio.h>

enum { STATUS_MAX_BYTES = 80 };

static int count_serving(const struct proc_members *all)
{
    int n = 0;

    for (const struct member *m = all->first; m; m = m->next)
        n += m->is_ready && !m->kill_at_ms && !m->is_candidate;
    return n;
}

static void write_status(char *out, size_t size, const struct proc_members *all, int serving)
{
    snprintf(out, size, "%d of %d children serve", serving, all->options->children);
}

void proc_report_news(struct proc_report *r, const struct proc_members *all)
{
    int serving = count_serving(all);
    char status[STATUS_MAX_BYTES];

    if (serving == r->serving)
        return;
    r->serving = serving;
    write_status(status, sizeof(status), all, serving);
    if (!r->is_ready && serving == all->options->children) {
        r->is_ready = true;
        service_tell_ready(status);
    } else {
        service_tell_status(status);
    }
}

void proc_report_reload(struct proc_report *r)
{
    if (r->is_ready)
        service_tell_reloading();
}

void proc_report_reload_end(struct proc_report *r, bool is_done)
{
    if (r->is_ready)
        service_tell_ready(is_done ? "reloaded, all children serve"
                                   : "the reload failed, children with the old settings serve");
}

void proc_report_alive(struct proc_report *r, int64_t now)
{
    if (service_alive_ms() == 0 || now < r->alive_at_ms)
        return;
    r->alive_at_ms = now + service_alive_ms();
    service_tell_alive();
}
