/*
 * launcher_serve.c - the launcher process: starts Chromium when told, ends it when told or left alone.
 *
 * It holds nothing but its socket: no database, no secret. Chromium gets a session of its own, so that all
 * of its processes can be ended by one signal, and a profile folder that is removed when the last of them is
 * gone. The launcher adopts what a dying Chromium leaves behind (PR_SET_CHILD_SUBREAPER), otherwise zombies
 * would count as members of the group for ever.
 */
#include "worker/browser/launcher_internal.h"

#include "common/scope.h"
#include "worker/browser/authorities.h"
#include "worker/browser/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    INSTANCES_MAX = 8, /* one that runs, and some that are on their way out */
    ENDING_POLL_MS = 10,
    LAST_ROUNDS = 300,
    REMOVALS_MAX = 10,
};

struct instance {
    pid_t pid; /* and process group; 0: free */
    bool is_ending;
    int removals; /* of its profile, tried in vain since the group was empty */
    struct folder profile;
};

struct server {
    int socket, signals;
    int refusal;               /* errno for every START; 0 */
    struct folder authorities; /* what Chromium is to trust beside its own list */
    struct instance instances[INSTANCES_MAX];
};

/* --- one Chromium -------------------------------------------------------------------------------- */

static bool make_profile(const struct server *s, struct folder *profile)
{
    folder_remove_abandoned();
    if (!folder_make(profile))
        return false;
    if (!s->authorities.path[0] || authorities_show(s->authorities.path, profile->path))
        return true;
    folder_remove(profile);
    return false;
}

static void kill_group(struct instance *at)
{
    kill(-at->pid, SIGKILL);
    at->is_ending = true;
}

/* In the new process. Descriptors 3 and 4 are what --remote-debugging-pipe reads and writes. */
static _Noreturn void become_chromium(char **words, int commands, int answers)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), in, out;
    sigset_t none;

    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    in = fcntl(commands, F_DUPFD_CLOEXEC, 10);
    out = fcntl(answers, F_DUPFD_CLOEXEC, 10);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (dup2(in, 3) < 0 || dup2(out, 4) < 0 || chdir("/") != 0)
        _exit(127);
    close_range(5, ~0U, 0);
    umask(077);
    execvp(words[0], words);
    _exit(127);
}

/* Nothing of the worker's environment reaches Chromium, except where programs are found. */
static bool clean_environment(const char *profile)
{
    const char *path = getenv("PATH");
    char kept[1024];

    snprintf(kept, sizeof(kept), "%s", path ? path : "/usr/local/bin:/usr/bin:/bin");
    clearenv();
    return setenv("PATH", kept, 1) == 0 && setenv("HOME", profile, 1) == 0 &&
           setenv("TMPDIR", profile, 1) == 0 && setenv("LANG", "C.UTF-8", 1) == 0;
}

/* The caller's ends in fds: commands to write, answers to read. Returns the process id or -errno. */
static pid_t start_chromium(char **words, const char *profile, int fds[2])
{
    int commands[2], answers[2];
    pid_t pid;

    if (pipe2(commands, O_CLOEXEC) != 0)
        return -errno;
    if (pipe2(answers, O_CLOEXEC) != 0) {
        close(commands[0]);
        close(commands[1]);
        return -EMFILE;
    }
    pid = fork();
    if (pid == 0) {
        if (clean_environment(profile))
            become_chromium(words, commands[0], answers[1]);
        _exit(127);
    }
    close(commands[0]);
    close(answers[1]);
    if (pid < 0) {
        close(commands[1]);
        close(answers[0]);
        return -EAGAIN;
    }
    fds[0] = commands[1];
    fds[1] = answers[0];
    return pid;
}

/* --- being asked --------------------------------------------------------------------------------- */

/* The words of the message with ours in between: where the profile is, and to talk over the pipe. */
static bool read_words(char *text, size_t len, char **words, char *profile_word)
{
    static char pipe_word[] = "--remote-debugging-pipe", start_page[] = "about:blank";
    int n = 0;

    if (!len || text[len - 1])
        return false;
    for (char *at = text; at < text + len && n < LAUNCHER_WORDS_MAX - 4; at += strlen(at) + 1)
        words[n++] = at;
    words[n++] = pipe_word;
    words[n++] = profile_word;
    words[n++] = start_page;
    words[n] = NULL;
    return true;
}

static void answer(const struct server *s, const struct launcher_head *head, const int *fds)
{
    struct iovec part = {(void *)head, sizeof(*head)};
    char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fds) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
    }
    sendmsg(s->socket, &message, MSG_NOSIGNAL);
}

static struct instance *find_instance(struct server *s, pid_t pid)
{
    for (int i = 0; i < INSTANCES_MAX; i++)
        if (s->instances[i].pid == pid)
            return &s->instances[i];
    return NULL;
}

static void serve_start(struct server *s, struct launcher_head *head, char *text, size_t len)
{
    struct instance *at = find_instance(s, 0);
    char *words[LAUNCHER_WORDS_MAX], profile_word[96];
    int fds[2] = {-1, -1};
    pid_t pid = -EINVAL;

    head->failure = s->refusal ? s->refusal : at ? 0 : EAGAIN;
    if (!head->failure && !make_profile(s, &at->profile))
        head->failure = EACCES;
    if (head->failure)
        return answer(s, head, NULL);
    snprintf(profile_word, sizeof(profile_word), "--user-data-dir=%s", at->profile.path);
    if (read_words(text, len, words, profile_word))
        pid = start_chromium(words, at->profile.path, fds);
    if (pid < 0) {
        folder_remove(&at->profile);
        head->failure = -pid;
        return answer(s, head, NULL);
    }
    at->pid = pid;
    at->is_ending = false;
    at->removals = 0;
    head->pid = pid;
    answer(s, head, fds);
    close(fds[0]);
    close(fds[1]);
}

/* False when the worker is gone. */
static bool serve_message(struct server *s)
{
    static struct {
        struct launcher_head head;
        char text[LAUNCHER_MESSAGE_MAX];
    } m;
    ssize_t len = recv(s->socket, &m, sizeof(m), 0);
    struct instance *at;

    if (len < 0 && errno == EINTR)
        return true;
    if (len < (ssize_t)sizeof(m.head))
        return false;
    if (m.head.word == LAUNCHER_START) {
        serve_start(s, &m.head, m.text, (size_t)len - sizeof(m.head));
    } else if (m.head.pid > 0 && (at = find_instance(s, m.head.pid))) {
        kill_group(at);
    }
    return true;
}

/* --- ends ---------------------------------------------------------------------------------------- */

static void reap(struct server *s)
{
    struct signalfd_siginfo info;
    struct instance *at;

    while (read(s->signals, &info, sizeof(info)) > 0)
        ;
    for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
        if ((at = find_instance(s, pid)))
            kill_group(at);
}

/* True while some group is not empty yet. */
static bool clean_up(struct server *s)
{
    bool is_waiting = false;

    for (int i = 0; i < INSTANCES_MAX; i++) {
        struct instance *at = &s->instances[i];

        if (!at->pid || !at->is_ending)
            continue;
        if (!at->removals && (kill(-at->pid, SIGKILL) == 0 || errno != ESRCH))
            is_waiting = true;
        else if (!folder_remove(&at->profile) && ++at->removals < REMOVALS_MAX)
            is_waiting = true;
        else
            at->pid = 0;
    }
    return is_waiting;
}

static _Noreturn void leave(struct server *s)
{
    for (int i = 0; i < INSTANCES_MAX; i++)
        if (s->instances[i].pid)
            kill_group(&s->instances[i]);
    for (int round = 0; round < LAST_ROUNDS; round++) {
        reap(s);
        if (!clean_up(s))
            break;
        poll(NULL, 0, ENDING_POLL_MS);
    }
    for (int i = 0; i < REMOVALS_MAX && s->authorities.path[0] && !folder_remove(&s->authorities); i++)
        ;
    _exit(0);
}

/* --- the process --------------------------------------------------------------------------------- */

static void become_nobody(uid_t uid, gid_t gid)
{
    if (uid && (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0))
        _exit(1);
}

/* Its only descriptors are the socket and /dev/null: whoever reads the worker's output sees its end. */
static int settle_down(int socket)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT};
    int null = open("/dev/null", O_RDWR), kept = fcntl(socket, F_DUPFD, 10);
    sigset_t children;

    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (dup3(kept, 3, O_CLOEXEC) < 0)
        _exit(1);
    close_range(4, ~0U, 0);
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_SETMASK, &children, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "tp-launcher");
    return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Once for all Chromiums to come. */
static void learn_authorities(struct server *s, struct str pem)
{
    if (!folder_make(&s->authorities) || !authorities_make(s->authorities.path, pem))
        s->refusal = ENOKEY;
}

void launcher_serve(int socket, uid_t uid, gid_t gid, struct str authorities)
{
    static struct server server;
    bool is_waiting = false;

    become_nobody(uid, gid);
    server.signals = settle_down(socket);
    server.socket = 3;
    if (authorities.len)
        learn_authorities(&server, authorities);
    while (true) {
        struct pollfd fds[] = {{.fd = server.socket, .events = POLLIN},
                               {.fd = server.signals, .events = POLLIN}};

        poll(fds, 2, is_waiting ? ENDING_POLL_MS : -1);
        if (fds[0].revents && !serve_message(&server))
            leave(&server);
        reap(&server);
        is_waiting = clean_up(&server);
    }
}
