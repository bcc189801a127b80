/*
 * proc.c - the parent: decides who is started, replaced, drained and killed.
 *
 * It waits for three things: a signal (by descriptor), a word of a child, or the next deadline. It
 * opens no connection, reads no file and allocates a few hundred bytes, so that nothing that can
 * happen to the work can happen to the one process that restarts the workers.
 */
#include "common/proc_internal.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/service.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    STEADY_MS = 10 * 1000, /* who lived that long starts again without delay growing */
    READY_MS = 30 * 1000,  /* time a replacement may take until it serves */
    BAD_STARTS_MAX = 3,
    EXIT_BAD_SETTINGS = 2,
    MAX_CHILDREN = 4096,
};

struct slot {
    int64_t start_at_ms; /* 0: nothing to start */
    int64_t backoff_ms;
    int bad_starts; /* in a row: exit status 2 soon after the start */
};

struct parent {
    struct proc_members all;
    struct slot *slots;
    int signals;
    bool is_stopping;
    int status;
    /* A reload replaces slot after slot. */
    bool is_reloading, reload_again;
    int reload_slot;
    struct member *candidate;
    int64_t candidate_until_ms;
    struct proc_report report;
};

/* --- leaving ---------------------------------------------------------------------------------- */

static void ask_to_leave(struct parent *p, struct member *m)
{
    if (m->kill_at_ms)
        return;
    m->kill_at_ms = loop_now_ms() + p->all.options->drain_ms;
    kill(m->pid, SIGTERM);
}

static void stop(struct parent *p, int status)
{
    log_info("parent.drain", kv("ms", p->all.options->drain_ms));
    service_tell_stopping();
    p->is_stopping = true;
    p->status = status;
    p->is_reloading = false;
    p->candidate = NULL;
    for (struct member *m = p->all.first; m; m = m->next)
        ask_to_leave(p, m);
}

static void kill_all(struct parent *p)
{
    log_warn("parent.kill");
    for (struct member *m = p->all.first; m; m = m->next)
        kill(m->pid, SIGKILL);
}

static void kill_overdue(struct parent *p, int64_t now)
{
    for (struct member *m = p->all.first; m; m = m->next) {
        if (!m->kill_at_ms || m->kill_at_ms > now)
            continue;
        log_warn("child.overdue", kv("slot", m->slot), kv("pid", m->pid));
        kill(m->pid, SIGKILL);
        m->kill_at_ms = now + STEADY_MS; /* SIGKILL can't be refused, only late */
    }
}

/* --- reload ----------------------------------------------------------------------------------- */

static struct member *serving(struct parent *p, int slot)
{
    for (struct member *m = p->all.first; m; m = m->next)
        if (m->slot == slot && !m->kill_at_ms && !m->is_candidate)
            return m;
    return NULL;
}

static void end_reload(struct parent *p, bool is_done)
{
    p->is_reloading = false;
    p->candidate = NULL;
    proc_report_reload_end(&p->report, is_done);
    if (is_done)
        log_info("parent.reloaded", kv("children", p->all.options->children));
    else
        log_error("parent.reload_failed", kv("slot", p->reload_slot));
}

static void begin_reload(struct parent *p)
{
    if (p->is_stopping)
        return;
    if (p->is_reloading) {
        p->reload_again = true;
        return;
    }
    log_info("parent.reload");
    proc_report_reload(&p->report);
    p->is_reloading = true;
    p->reload_again = false;
    p->reload_slot = 0;
}

static void promote(struct parent *p)
{
    struct member *old = serving(p, p->reload_slot);

    if (old)
        ask_to_leave(p, old);
    p->candidate->is_candidate = false;
    p->candidate = NULL;
    p->reload_slot++;
}

/* A slot without a child is about to get one anyway, with the new settings. */
static void start_candidate(struct parent *p, int64_t now)
{
    while (p->reload_slot < p->all.options->children && !serving(p, p->reload_slot))
        p->reload_slot++;
    if (p->reload_slot == p->all.options->children) {
        end_reload(p, true);
        return;
    }
    p->candidate = proc_spawn(&p->all, p->reload_slot);
    if (!p->candidate) {
        end_reload(p, false);
        return;
    }
    p->candidate->is_candidate = true;
    p->candidate_until_ms = now + READY_MS;
}

static void step_reload(struct parent *p, int64_t now)
{
    if (p->is_reloading && p->candidate && p->candidate->is_ready)
        promote(p);
    if (p->is_reloading && p->candidate && p->candidate_until_ms <= now) {
        kill(p->candidate->pid, SIGKILL);
        end_reload(p, false);
    }
    if (p->is_reloading && !p->candidate)
        start_candidate(p, now);
    if (!p->is_reloading && p->reload_again)
        begin_reload(p);
}

/* --- starting and burying --------------------------------------------------------------------- */

static void start_later(struct parent *p, int slot, int64_t now)
{
    struct slot *s = &p->slots[slot];

    s->start_at_ms = now + s->backoff_ms;
    s->backoff_ms = s->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : s->backoff_ms * 2;
}

static void start_due(struct parent *p, int64_t now)
{
    for (int i = 0; i < p->all.options->children && !p->is_stopping; i++) {
        if (!p->slots[i].start_at_ms || p->slots[i].start_at_ms > now)
            continue;
        p->slots[i].start_at_ms = 0;
        if (!proc_spawn(&p->all, i))
            start_later(p, i, now);
    }
}

static bool somebody_serves(const struct parent *p)
{
    for (const struct member *m = p->all.first; m; m = m->next)
        if (m->is_ready)
            return true;
    return false;
}

/* Bad settings don't get better by trying again; but a child that serves with the old ones stays. */
static void replace(struct parent *p, const struct member *dead, int wait_status, int64_t now)
{
    struct slot *s = &p->slots[dead->slot];
    bool was_short = now - dead->started_ms < STEADY_MS;
    bool is_bad = was_short && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_BAD_SETTINGS;

    s->bad_starts = is_bad ? s->bad_starts + 1 : 0;
    if (!was_short)
        s->backoff_ms = BACKOFF_MIN_MS;
    if (s->bad_starts >= BAD_STARTS_MAX && !somebody_serves(p))
        stop(p, EXIT_BAD_SETTINGS);
    else
        start_later(p, dead->slot, now);
}

static void log_end(const struct member *m, int wait_status)
{
    bool was_killed = WIFSIGNALED(wait_status);
    enum log_level level = wait_status == 0 ? LOG_INFO : LOG_WARN;

    LOG_AT(
        level, "child.end", kv("slot", m->slot), kv("pid", m->pid), kv("incarnation", m->incarnation),
        kv(was_killed ? "signal" : "status", was_killed ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status)),
        kv("lived_ms", loop_now_ms() - m->started_ms));
}

/* m is out of the list. Somebody must hear of it unless it left with everything in order. */
static void bury(struct parent *p, struct member *m, int wait_status, int64_t now)
{
    log_end(m, wait_status);
    if (wait_status != 0)
        proc_tell_death(&p->all, m);
    if (m == p->candidate)
        end_reload(p, false);
    else if (p->is_stopping || m->kill_at_ms || m->is_candidate)
        return;
    else if (p->candidate && p->candidate->slot == m->slot)
        promote(p);
    else
        replace(p, m, wait_status, now);
}

/* One who has ended; 0 or less when there is none. */
static pid_t next_dead(int *wait_status)
{
    pid_t pid;

    do
        pid = waitpid(-1, wait_status, WNOHANG);
    while (pid < 0 && errno == EINTR);
    return pid;
}

/*
 * All who are dead leave the list before anybody is told of a death, so that no dead child is told.
 * The dead are few; they are kept in a list of their own meanwhile.
 */
static void reap(struct parent *p, int64_t now)
{
    struct {
        struct member *m;
        int wait_status;
    } dead[64];
    int ndead = 0, wait_status;
    pid_t pid;

    while (ndead < 64 && (pid = next_dead(&wait_status)) > 0) {
        struct member *m = proc_find(&p->all, pid);

        if (!m)
            continue;
        proc_remove(&p->all, m);
        dead[ndead].m = m;
        dead[ndead++].wait_status = wait_status;
    }
    for (int i = 0; i < ndead; i++) {
        bury(p, dead[i].m, dead[i].wait_status, now);
        proc_free(dead[i].m);
    }
    if (ndead == 64)
        reap(p, now);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void sooner(int64_t *deadline, int64_t candidate)
{
    if (candidate && (*deadline == 0 || candidate < *deadline))
        *deadline = candidate;
}

static int timeout_ms(const struct parent *p, int64_t now)
{
    int64_t deadline = 0;

    for (int i = 0; i < p->all.options->children && !p->is_stopping; i++)
        sooner(&deadline, p->slots[i].start_at_ms);
    for (const struct member *m = p->all.first; m; m = m->next)
        sooner(&deadline, m->kill_at_ms);
    if (p->candidate)
        sooner(&deadline, p->candidate_until_ms);
    sooner(&deadline, p->report.alive_at_ms);
    if (deadline == 0)
        return -1;
    return deadline <= now ? 0 : (int)(deadline - now);
}

static void take_signals(struct parent *p)
{
    struct signalfd_siginfo info;

    while (read(p->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            begin_reload(p);
        else if (info.ssi_signo != SIGCHLD && p->is_stopping)
            kill_all(p);
        else if (info.ssi_signo != SIGCHLD)
            stop(p, 0);
    }
}

static void wait_for_news(struct parent *p)
{
    int n = 1, i = 1;
    struct pollfd *fds;

    for (const struct member *m = p->all.first; m; m = m->next)
        n++;
    fds = calloc((size_t)n, sizeof(*fds));
    if (!fds)
        abort();
    fds[0] = (struct pollfd){.fd = p->signals, .events = POLLIN};
    for (const struct member *m = p->all.first; m; m = m->next)
        fds[i++] = (struct pollfd){.fd = m->control, .events = POLLIN}; /* -1 is passed over */
    if (poll(fds, (nfds_t)n, timeout_ms(p, loop_now_ms())) > 0) {
        i = 1;
        for (struct member *m = p->all.first; m; m = m->next)
            if (fds[i++].revents)
                proc_hear(m);
        take_signals(p);
    }
    free(fds);
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool prepare(struct parent *p, sigset_t *handled)
{
    sigemptyset(handled);
    sigaddset(handled, SIGTERM);
    sigaddset(handled, SIGINT);
    sigaddset(handled, SIGHUP);
    sigaddset(handled, SIGCHLD);
    sigprocmask(SIG_BLOCK, handled, &p->all.child_mask);
    p->signals = signalfd(-1, handled, SFD_NONBLOCK | SFD_CLOEXEC);
    if (p->signals < 0)
        return false;
    p->slots = calloc((size_t)p->all.options->children, sizeof(*p->slots));
    if (!p->slots)
        abort();
    for (int i = 0; i < p->all.options->children; i++)
        p->slots[i] = (struct slot){.start_at_ms = 1, .backoff_ms = BACKOFF_MIN_MS};
    return true;
}

int proc_run_parent(const struct proc_options *options)
{
    struct parent p = {.all.options = options};
    sigset_t handled;

    assert(options->children > 0 && options->children <= MAX_CHILDREN && options->nfds <= PROC_MAX_FDS);
    buf_init(&p.all.orphans, 64 * 1024);
    if (!prepare(&p, &handled)) {
        log_error("parent.signals", kv("error", strerror(errno)));
        return EXIT_FAILURE;
    }
    log_info("parent.start", kv("program", options->program), kv("children", options->children));
    while (!p.is_stopping || p.all.first) {
        start_due(&p, loop_now_ms());
        step_reload(&p, loop_now_ms());
        proc_report_alive(&p.report, loop_now_ms());
        wait_for_news(&p);
        reap(&p, loop_now_ms());
        if (!p.is_stopping)
            proc_report_news(&p.report, &p.all);
        kill_overdue(&p, loop_now_ms());
    }
    log_info("parent.end", kv("status", p.status));
    close(p.signals);
    sigprocmask(SIG_SETMASK, &p.all.child_mask, NULL);
    buf_finish(&p.all.orphans);
    free(p.slots);
    return p.status;
}
