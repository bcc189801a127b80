/*
 * proc_child.c - the child's side: what it was given, and what it hears from its parent.
 */
#include "common/proc_internal.h"

#include "common/loop.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char own_incarnation[PROC_INCARNATION_MAX];

static bool env_int(const char *name, int *out)
{
    int64_t value;

    if (!str_to_int(str_from(getenv(name)), &value) || value > 1 << 20)
        return false;
    *out = (int)value;
    return true;
}

static bool take_fds(struct proc_child *child)
{
    struct str rest = str_from(getenv(PROC_ENV_FDS)), part;
    int64_t fd;

    while (rest.len && str_cut(&rest, ' ', &part)) {
        if (child->nfds == PROC_MAX_FDS || !str_to_int(part, &fd) || fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
            return false;
        child->fds[child->nfds++] = (int)fd;
    }
    return true;
}

/* The control pipe must really be one: entries typed by hand don't make a child. */
static bool read_environment(struct proc_child *child)
{
    const char *incarnation = getenv(PROC_ENV_INCARNATION);
    struct stat st;

    if (!incarnation || strlen(incarnation) >= sizeof(own_incarnation) ||
        !env_int(PROC_ENV_SLOT, &child->slot) || !env_int(PROC_ENV_CONTROL, &child->control_fd) ||
        fstat(child->control_fd, &st) != 0 || !S_ISSOCK(st.st_mode) || !take_fds(child))
        return false;
    memcpy(own_incarnation, incarnation, strlen(incarnation) + 1);
    fcntl(child->control_fd, F_SETFD, FD_CLOEXEC);
    fcntl(child->control_fd, F_SETFL, O_NONBLOCK);
    return true;
}

struct proc_child proc_child(void)
{
    struct proc_child child = {.incarnation = own_incarnation};

    child.is_child = read_environment(&child);
    unsetenv(PROC_ENV_SLOT);
    unsetenv(PROC_ENV_INCARNATION);
    unsetenv(PROC_ENV_CONTROL);
    unsetenv(PROC_ENV_FDS);
    if (child.is_child) {
        prctl(PR_SET_NAME, program_invocation_short_name); /* after the exec of /proc/self/exe it is "exe" */
        return child;
    }
    proc_make_incarnation(own_incarnation, sizeof(own_incarnation), getpid(), loop_wall_ms());
    return (struct proc_child){.incarnation = own_incarnation, .control_fd = -1};
}

void proc_child_ready(const struct proc_child *child)
{
    struct str word = STR("ready\n");

    if (child->is_child && send(child->control_fd, word.ptr, word.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return; /* the parent is gone, which the control pipe's end tells better */
}

/* --- hearing ---------------------------------------------------------------------------------- */

static void take_line(struct proc_control *c)
{
    struct str line = {c->line, c->len}, dead = STR("dead ");

    if (str_starts(line, dead) && c->len < sizeof(c->line)) {
        c->line[c->len] = '\0';
        c->on_sibling_dead(c->arg, c->line + dead.len);
    }
    c->len = 0;
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    static char bytes[512];

    (void)handle;
    (void)wanted;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct proc_control *c = container_of((uv_pipe_t *)stream, struct proc_control, pipe);

    if (nread < 0) {
        uv_read_stop(stream);
        c->on_parent_gone(c->arg);
        return;
    }
    for (ssize_t i = 0; i < nread && !uv_is_closing((uv_handle_t *)stream); i++) {
        if (buf->base[i] == '\n')
            take_line(c);
        else if (c->len < sizeof(c->line))
            c->line[c->len++] = buf->base[i]; /* a line that fills it is no name, and is dropped */
    }
}

void proc_control_start(struct proc_control *c, uv_loop_t *loop, const struct proc_child *child)
{
    c->len = 0;
    c->pipe.loop = NULL;
    if (!child->is_child)
        return;
    uv_pipe_init(loop, &c->pipe, 0);
    if (uv_pipe_open(&c->pipe, child->control_fd) != 0 ||
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0)
        abort();
    uv_unref((uv_handle_t *)&c->pipe);
}

void proc_control_stop(struct proc_control *c)
{
    if (c->pipe.loop && !uv_is_closing((uv_handle_t *)&c->pipe))
        uv_close((uv_handle_t *)&c->pipe, NULL);
}
