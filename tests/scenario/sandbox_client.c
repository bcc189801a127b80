/*
 * sandbox_client.c - puts itself into a program's sandbox and tries one thing there.
 *
 *     sandbox_client PROFILE TRY READABLE WRITABLE ELSEWHERE
 *
 * PROFILE is parent, edge, worker or monitor; the three folders are what the profile is told of, and one
 * that it is not. Prints "ok" or the errno's name of what was tried; a process that the sandbox killed prints
 * nothing. The tries are one table, and test_sandbox.py has what each profile should make of them.
 */
#include "common/log.h"
#include "common/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *readable, *writable, *elsewhere;

static const char *path_in(const char *folder, const char *name)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* 0, or the errno. */
static int seen(long result)
{
    return result < 0 ? errno : 0;
}

static int open_and_close(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600), failure = seen(fd);

    if (fd >= 0)
        close(fd);
    return failure;
}

static int try_exec(void)
{
    return seen(execl("/bin/echo", "echo", "ok", (char *)NULL));
}

static int try_execveat(void)
{
    char *const argv[] = {(char[]){"echo"}, (char[]){"ok"}, NULL};

    return seen(syscall(SYS_execveat, AT_FDCWD, "/bin/echo", argv, argv + 2, 0));
}

static int try_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : seen(waitpid(pid, NULL, 0));
}

static void *nothing(void *arg)
{
    return arg;
}

static int try_thread(void)
{
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, nothing, NULL);

    return failure ? failure : pthread_join(thread, NULL);
}

static int try_ptrace(void)
{
    return seen(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_read_memory(void)
{
    return seen(syscall(SYS_process_vm_readv, (long)getpid(), NULL, 0L, NULL, 0L, 0L));
}

static int try_kill_parent(void)
{
    return seen(kill(getppid(), 0));
}

static int try_abort_signal(void)
{
    signal(SIGUSR1, SIG_IGN);
    return raise(SIGUSR1) ? errno : 0;
}

static int map(int protection, int flags, int fd)
{
    return mmap(NULL, 4096, protection, flags, fd, 0) == MAP_FAILED ? errno : 0;
}

static int try_mmap_exec(void)
{
    return map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int try_mmap_write_exec(void)
{
    return map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int try_mmap_library(void)
{
    int fd = open("/bin/echo", O_RDONLY | O_CLOEXEC);

    return fd < 0 ? errno : map(PROT_READ | PROT_EXEC, MAP_PRIVATE, fd);
}

static int try_mprotect_exec(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? errno : seen(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int try_memfd(void)
{
    return seen(memfd_create("x", MFD_CLOEXEC));
}

static int open_socket(int family, int type)
{
    return seen(socket(family, type | SOCK_CLOEXEC, 0));
}

static int try_socket_tcp(void)
{
    return open_socket(AF_INET, SOCK_STREAM);
}

static int try_socket_udp6(void)
{
    return open_socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK);
}

static int try_socket_unix(void)
{
    return open_socket(AF_UNIX, SOCK_STREAM);
}

static int try_socket_raw(void)
{
    return open_socket(AF_INET, SOCK_RAW);
}

static int try_socket_packet(void)
{
    return open_socket(AF_PACKET, SOCK_DGRAM);
}

static int try_socket_netlink(void)
{
    return open_socket(AF_NETLINK, SOCK_RAW);
}

static int try_socket_vsock(void)
{
    return open_socket(AF_VSOCK, SOCK_STREAM);
}

static int try_listen(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0)
        return errno;
    return seen(listen(fd, 1));
}

static int try_mount(void)
{
    return seen(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int try_bpf(void)
{
    return seen(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_io_uring(void)
{
    return seen(syscall(SYS_io_uring_setup, 1, NULL));
}

static int try_unshare(void)
{
    return seen(unshare(CLONE_NEWUSER));
}

static int try_setuid(void)
{
    return seen(setuid(65534));
}

static int try_keyring(void)
{
    return seen(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int try_load_module(void)
{
    return seen(syscall(SYS_finit_module, -1, "", 0));
}

static int try_perf(void)
{
    return seen(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static int try_type_for_others(void)
{
    return seen(ioctl(STDERR_FILENO, TIOCSTI, "x"));
}

static int try_unknown_call(void)
{
    return seen(syscall(1022));
}

static int try_read_etc(void)
{
    return open_and_close("/etc/nsswitch.conf", O_RDONLY);
}

static int try_read_own(void)
{
    return open_and_close(path_in(readable, "file"), O_RDONLY);
}

static int try_read_elsewhere(void)
{
    return open_and_close(path_in(elsewhere, "file"), O_RDONLY);
}

static int try_list_elsewhere(void)
{
    return open_and_close(elsewhere, O_RDONLY | O_DIRECTORY);
}

static int try_write_own(void)
{
    return open_and_close(path_in(writable, "new"), O_WRONLY | O_CREAT);
}

static int try_write_readable(void)
{
    return open_and_close(path_in(readable, "new"), O_WRONLY | O_CREAT);
}

static int try_write_elsewhere(void)
{
    return open_and_close(path_in(elsewhere, "file"), O_RDWR);
}

static int try_rename_own(void)
{
    SCOPED(char) from = strdup(path_in(writable, "file"));

    return seen(rename(from, path_in(writable, "renamed")));
}

static int try_rename_elsewhere(void)
{
    SCOPED(char) from = strdup(path_in(writable, "file"));

    return seen(rename(from, path_in(elsewhere, "renamed")));
}

static int try_unlink_elsewhere(void)
{
    return seen(unlink(path_in(elsewhere, "file")));
}

static int try_resolve(void)
{
    struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
    int failure = getaddrinfo("localhost", "80", &hints, &list);

    if (list)
        freeaddrinfo(list);
    return failure ? ENOENT : 0;
}

static int try_charset(void)
{
    iconv_t to = iconv_open("UTF-8", "WINDOWS-1252");

    if (to == (iconv_t)-1)
        return errno;
    return iconv_close(to);
}

static int try_core(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_CORE, &limit);
    return limit.rlim_max ? EFBIG : 0;
}

static int try_raise_core(void)
{
    const struct rlimit more = {1, 1};

    return seen(setrlimit(RLIMIT_CORE, &more));
}

static int try_be_looked_at(void)
{
    return prctl(PR_GET_DUMPABLE) == 0 ? 0 : EACCES;
}

static const struct {
    const char *name;
    int (*run)(void);
} tries[] = {
    {"exec", try_exec},
    {"execveat", try_execveat},
    {"fork", try_fork},
    {"thread", try_thread},
    {"ptrace", try_ptrace},
    {"read_memory", try_read_memory},
    {"kill_parent", try_kill_parent},
    {"abort_signal", try_abort_signal},
    {"mmap_exec", try_mmap_exec},
    {"mmap_write_exec", try_mmap_write_exec},
    {"mmap_library", try_mmap_library},
    {"mprotect_exec", try_mprotect_exec},
    {"memfd", try_memfd},
    {"socket_tcp", try_socket_tcp},
    {"socket_udp6", try_socket_udp6},
    {"socket_unix", try_socket_unix},
    {"socket_raw", try_socket_raw},
    {"socket_packet", try_socket_packet},
    {"socket_netlink", try_socket_netlink},
    {"socket_vsock", try_socket_vsock},
    {"listen", try_listen},
    {"mount", try_mount},
    {"bpf", try_bpf},
    {"io_uring", try_io_uring},
    {"unshare", try_unshare},
    {"setuid", try_setuid},
    {"keyring", try_keyring},
    {"load_module", try_load_module},
    {"perf", try_perf},
    {"type_for_others", try_type_for_others},
    {"unknown_call", try_unknown_call},
    {"read_etc", try_read_etc},
    {"read_own", try_read_own},
    {"read_elsewhere", try_read_elsewhere},
    {"list_elsewhere", try_list_elsewhere},
    {"write_own", try_write_own},
    {"write_readable", try_write_readable},
    {"write_elsewhere", try_write_elsewhere},
    {"rename_own", try_rename_own},
    {"rename_elsewhere", try_rename_elsewhere},
    {"unlink_elsewhere", try_unlink_elsewhere},
    {"resolve", try_resolve},
    {"charset", try_charset},
    {"core", try_core},
    {"raise_core", try_raise_core},
    {"be_looked_at", try_be_looked_at},
};

static enum sandbox_profile profile_of(const char *name)
{
    int i = 0;

    while (i < SANDBOX_PROFILES && strcmp(sandbox_profile_name((enum sandbox_profile)i), name) != 0)
        i++;
    return (enum sandbox_profile)i;
}

static bool enter(const char *name)
{
    SCOPED_VALUE(sandbox_paths) paths = {.n = 0};
    enum sandbox_profile profile = profile_of(name);
    struct err err;

    if (profile == SANDBOX_PROFILES)
        return false;
    sandbox_may_read(&paths, readable);
    sandbox_may_write(&paths, writable);
    sandbox_hide_memory("on");
    if (sandbox_enter(profile, "on", &paths, &err))
        return true;
    fprintf(stderr, "%s\n", err.detail);
    return false;
}

int main(int argc, char **argv)
{
    int failure;

    if (argc != 6)
        return 2;
    readable = argv[3];
    writable = argv[4];
    elsewhere = argv[5];
    log_init(LOG_INFO, LOG_LOGFMT, "sandbox");
    if (!enter(argv[1]))
        return 2;
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        if (strcmp(tries[i].name, argv[2]) != 0)
            continue;
        failure = tries[i].run();
        puts(failure ? strerrorname_np(failure) : "ok");
        return 0;
    }
    return 2;
}
