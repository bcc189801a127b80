/*
 * launcher.c - the worker's side of the launcher: forks it, asks it for a Chromium, has one ended.
 *
 * What the launcher process does with that is in launcher_serve.c.
 */
#include "worker/browser/launcher.h"

#include "common/str.h"
#include "worker/browser/authorities.h"
#include "worker/browser/launcher_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MS = 2000, AUTHORITIES_MS = 20000 };

struct launcher {
    int socket;
    pid_t pid;
    uint32_t serial;
    bool has_authorities, is_gone;
    struct err refusal; /* why Chromium can't be what the settings ask for; ERR_OK */
};

struct message {
    struct launcher_head head;
    char words[LAUNCHER_MESSAGE_MAX];
};

static bool find_user(const char *name, uid_t *uid, gid_t *gid, struct err *err)
{
    struct passwd *user;

    *uid = 0;
    *gid = 0;
    if (geteuid() != 0)
        return true;
    errno = 0;
    user = getpwnam(name);
    if (!user || !user->pw_uid)
        return err_set(err, ERR_BAD_SETTING, "browser.user = %s: %s", name,
                       user ? "must not be root" : "there is no such user");
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return true;
}

bool launcher_check_user(const char *name, struct err *err)
{
    uid_t uid;
    gid_t gid;

    return find_user(name, &uid, &gid, err);
}

bool launcher_fork(const char *user, const char *ca_file, struct launcher **out, struct err *err)
{
    SCOPED_VALUE(buf) authorities = {.max = AUTHORITIES_MAX_BYTES};
    struct err refusal = {.code = ERR_OK};
    struct launcher *l;
    int ends[2];
    uid_t uid;
    gid_t gid;
    pid_t pid;

    if (!find_user(user, &uid, &gid, err))
        return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return err_set(err, ERR_IO, "socket pair for the launcher: %s", strerror(errno));
    if (ca_file[0] && !authorities_read(ca_file, &authorities, &refusal))
        buf_clear(&authorities);
    pid = fork();
    if (pid == 0)
        launcher_serve(ends[1], uid, gid, buf_str(&authorities));
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return err_set(err, ERR_IO, "fork of the launcher: %s", strerror(errno));
    }
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    *l = (struct launcher){
        .socket = ends[0], .pid = pid, .has_authorities = authorities.len > 0, .refusal = refusal};
    *out = l;
    return true;
}

void launcher_destroy(struct launcher *l)
{
    if (!l)
        return;
    close(l->socket);
    while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(l);
}

/* --- which program ------------------------------------------------------------------------------- */

static bool is_on_path(const char *name)
{
    const char *path = getenv("PATH");
    char file[512];

    for (struct str rest = str_from(path ? path : "/usr/bin:/bin"), part; str_cut(&rest, ':', &part);) {
        int len = snprintf(file, sizeof(file), "%.*s/%s", STR_ARG(part), name);

        if (len < (int)sizeof(file) && access(file, X_OK) == 0)
            return true;
    }
    return false;
}

static bool is_there(const char *program)
{
    return strchr(program, '/') ? access(program, X_OK) == 0 : is_on_path(program);
}

static const char *find_program(const char *wanted, struct err *err)
{
    static const char *const known[] = {"chromium-headless-shell", "chromium"};

    if (wanted[0] && is_there(wanted))
        return wanted;
    for (size_t i = 0; !wanted[0] && i < ARRAY_LEN(known); i++)
        if (is_there(known[i]))
            return known[i];
    err_set(err, ERR_MODE_UNAVAILABLE, "no browser here: %s not found",
            wanted[0] ? wanted : "chromium-headless-shell or chromium");
    return NULL;
}

static bool are_authorities_possible(const struct launcher *l, struct err *err)
{
    if (l->refusal.code != ERR_OK)
        *err = l->refusal;
    else if (l->has_authorities && !is_on_path("certutil"))
        err_set(err, ERR_MODE_UNAVAILABLE,
                "http.ca_file: certutil (package libnss3-tools) is needed to tell the browser of it");
    else
        return true;
    return false;
}

/* --- the conversation ---------------------------------------------------------------------------- */

static bool add_word(struct message *m, size_t *used, const char *word)
{
    size_t len = strlen(word) + 1;

    if (len > sizeof(m->words) - *used)
        return false;
    memcpy(m->words + *used, word, len);
    *used += len;
    return true;
}

static bool ask(struct launcher *l, const char *program, const char *const *arguments, struct err *err)
{
    struct message m = {.head = {.word = LAUNCHER_START, .serial = ++l->serial}};
    size_t used = 0;
    bool fits = add_word(&m, &used, program);

    for (int i = 0; fits && arguments[i]; i++)
        fits = i < LAUNCHER_WORDS_MAX - 4 && add_word(&m, &used, arguments[i]);
    if (!fits)
        return err_set(err, ERR_BROWSER_START, "too many arguments for %s", program);
    if (send(l->socket, &m, sizeof(m.head) + used, MSG_NOSIGNAL) >= 0)
        return true;
    l->is_gone = errno == EPIPE;
    return err_set(err, ERR_BROWSER_START, "launcher of the browser: %s", strerror(errno));
}

static void take_fds(struct msghdr *message, int fds[2])
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);

    fds[0] = fds[1] = -1;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
        memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
}

/* One answer; false when the launcher is gone or says nothing. */
static bool hear(struct launcher *l, struct launcher_head *head, int fds[2], struct err *err)
{
    struct pollfd readable = {.fd = l->socket, .events = POLLIN};
    struct iovec part = {head, sizeof(*head)};
    char control[CMSG_SPACE(2 * sizeof(int))];
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t len;

    if (poll(&readable, 1, l->has_authorities && l->serial == 1 ? AUTHORITIES_MS : ANSWER_MS) <= 0)
        return err_set(err, ERR_BROWSER_START, "launcher of the browser: no answer");
    len = recvmsg(l->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    l->is_gone = len == 0;
    if (len != (ssize_t)sizeof(*head))
        return err_set(err, ERR_BROWSER_START, "launcher of the browser: it is gone");
    take_fds(&message, fds);
    return true;
}

static void close_both(const int fds[2])
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static bool hear_own(struct launcher *l, struct launcher_head *head, int fds[2], struct err *err)
{
    while (hear(l, head, fds, err)) {
        if (head->serial == l->serial)
            return true;
        close_both(fds);
        launcher_kill(l, head->pid); /* an answer that came too late for whoever asked */
    }
    return false;
}

bool launcher_start(struct launcher *l, const char *program, const char *const *arguments,
                    struct launched *out, struct err *err)
{
    const char *found = find_program(program, err);
    struct launcher_head head;
    int fds[2];

    if (!found || !are_authorities_possible(l, err) || !ask(l, found, arguments, err) ||
        !hear_own(l, &head, fds, err))
        return false;
    if (head.failure || fds[0] < 0 || fds[1] < 0) {
        close_both(fds);
        if (head.failure == ENOKEY)
            return err_set(err, ERR_MODE_UNAVAILABLE, "http.ca_file: certutil found no authorities in it");
        return err_set(err, ERR_BROWSER_START, "start of %s: %s", found, strerror(head.failure));
    }
    for (int i = 0; i < 2; i++)
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    *out = (struct launched){.pid = head.pid, .write_fd = fds[0], .read_fd = fds[1]};
    return true;
}

bool launcher_is_gone(const struct launcher *l)
{
    return l->is_gone;
}

void launcher_kill(struct launcher *l, pid_t pid)
{
    struct launcher_head head = {.word = LAUNCHER_KILL, .pid = pid};

    if (pid <= 0)
        return;
    if (send(l->socket, &head, sizeof(head), MSG_NOSIGNAL) < 0)
        kill(-pid, SIGKILL); /* the launcher is gone */
}
