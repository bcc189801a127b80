/*
 * proc_member.c - one child of the parent: how it starts, what it is told, what it says.
 */
#include "common/proc_internal.h"

#include "common/log.h"
#include "common/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_MAX = 24, TOLD_MAX = 8 * 1024 };

void proc_make_incarnation(char *out, size_t size, pid_t pid, int64_t wall_ms)
{
    char host[256] = "";
    size_t len;

    gethostname(host, sizeof(host) - 1);
    len = strcspn(host, ".");
    host[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (!((host[i] >= '0' && host[i] <= '9') || (host[i] >= 'a' && host[i] <= 'z') ||
              (host[i] >= 'A' && host[i] <= 'Z')))
            host[i] = '-';
    /* Of a long name the end is kept: that is where replicas differ. */
    snprintf(out, size, "%s.%d.%" PRId64, len > HOST_MAX ? host + len - HOST_MAX : host, (int)pid, wall_ms);
}

/* --- starting --------------------------------------------------------------------------------- */

/* Without it the program that is started would not know that it is a child, and begin children of its own. */
static void set_text(const char *name, const char *value)
{
    if (setenv(name, value, 1) != 0)
        abort();
}

static void set_int(const char *name, int value)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", value);
    set_text(name, text);
}

static void hand_over_fds(const struct proc_options *options, int control)
{
    SCOPED_VALUE(buf) list;

    buf_init(&list, 256);
    for (int i = 0; i < options->nfds; i++) {
        fcntl(options->fds[i], F_SETFD, 0);
        buf_printf(&list, "%s%d", i ? " " : "", options->fds[i]);
    }
    fcntl(control, F_SETFD, 0);
    set_text(PROC_ENV_FDS, buf_cstr(&list));
}

/*
 * In the forked child. A process group of its own keeps a Ctrl-C on the parent's terminal from reaching
 * it a second time, beside the SIGTERM that the parent sends.
 */
_Noreturn static void become_child(const struct proc_members *all, int slot, int control, int64_t wall_ms)
{
    char incarnation[PROC_INCARNATION_MAX];

    setpgid(0, 0);
    proc_make_incarnation(incarnation, sizeof(incarnation), getpid(), wall_ms);
    set_int(PROC_ENV_SLOT, slot);
    set_int(PROC_ENV_CONTROL, control);
    set_text(PROC_ENV_INCARNATION, incarnation);
    hand_over_fds(all->options, control);
    sigprocmask(SIG_SETMASK, &all->child_mask, NULL);
    execv("/proc/self/exe", all->options->argv);
    log_error("child.exec", kv("slot", slot), kv("error", strerror(errno)));
    _exit(127);
}

static struct member *create_member(int slot, pid_t pid, int control, int64_t wall_ms)
{
    struct member *m = calloc(1, sizeof(*m));

    if (!m)
        abort();
    m->pid = pid;
    m->slot = slot;
    m->control = control;
    m->started_ms = loop_now_ms();
    proc_make_incarnation(m->incarnation, sizeof(m->incarnation), pid, wall_ms);
    buf_init(&m->told, TOLD_MAX);
    return m;
}

/* A child that does not read its pipe is stuck, and will be told of nothing; its lease's end remains. */
static void tell(struct member *m, struct str lines)
{
    if (lines.len == 0)
        return;
    if (m->told.len + lines.len > TOLD_MAX)
        buf_clear(&m->told);
    buf_append_str(&m->told, lines);
    if (send(m->control, lines.ptr, lines.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)lines.len)
        log_warn("child.deaf", kv("slot", m->slot), kv("pid", m->pid));
}

struct member *proc_spawn(struct proc_members *all, int slot)
{
    int ends[2] = {-1, -1};
    int64_t wall_ms = loop_wall_ms();
    struct member *m;
    pid_t pid = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0)
        pid = fork();
    if (pid == 0)
        become_child(all, slot, ends[1], wall_ms);
    if (pid < 0) {
        log_error("child.start", kv("slot", slot), kv("error", strerror(errno)));
        if (ends[0] >= 0)
            close(ends[0]);
    }
    if (ends[1] >= 0)
        close(ends[1]);
    if (pid < 0)
        return NULL;
    m = create_member(slot, pid, ends[0], wall_ms);
    m->next = all->first;
    all->first = m;
    log_info("child.start", kv("slot", slot), kv("pid", pid), kv("incarnation", m->incarnation));
    tell(m, buf_str(&all->orphans));
    buf_clear(&all->orphans);
    return m;
}

/* --- the list --------------------------------------------------------------------------------- */

struct member *proc_find(struct proc_members *all, pid_t pid)
{
    struct member *m = all->first;

    while (m && m->pid != pid)
        m = m->next;
    return m;
}

void proc_remove(struct proc_members *all, struct member *m)
{
    struct member **link = &all->first;

    while (*link != m)
        link = &(*link)->next;
    *link = m->next;
}

void proc_free(struct member *m)
{
    if (m->control >= 0)
        close(m->control);
    buf_finish(&m->told);
    free(m);
}

/* --- talking ---------------------------------------------------------------------------------- */

/* The best to hear of a death: one that serves, else one that starts, else one that is leaving. */
static struct member *pick_listener(struct proc_members *all)
{
    struct member *best = NULL;
    int best_rank = 0;

    for (struct member *m = all->first; m; m = m->next) {
        int rank = m->control < 0 ? 0 : m->kill_at_ms ? 1 : m->is_ready ? 3 : 2;

        if (rank > best_rank) {
            best = m;
            best_rank = rank;
        }
    }
    return best;
}

void proc_tell_death(struct proc_members *all, const struct member *m)
{
    struct member *listener = pick_listener(all);
    SCOPED_VALUE(buf) lines;

    buf_init(&lines, 2 * TOLD_MAX);
    buf_append_str(&lines, buf_str(&m->told));
    buf_printf(&lines, "dead %s\n", m->incarnation);
    if (listener)
        tell(listener, buf_str(&lines));
    else
        buf_append_str(&all->orphans, buf_str(&lines));
}

void proc_hear(struct member *m)
{
    char bytes[64];
    ssize_t n = recv(m->control, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n > 0 && memchr(bytes, '\n', (size_t)n)) {
        m->is_ready = true;
        log_info("child.ready", kv("slot", m->slot), kv("pid", m->pid),
                 kv("ms", loop_now_ms() - m->started_ms));
    } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close(m->control);
        m->control = -1;
    }
}
