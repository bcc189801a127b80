/*
 * service.c - systemd's side of our processes, in the few lines that its protocols take.
 */
#include "common/service.h"

#include "common/log.h"
#include "common/loop.h"
#include "common/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, PASSED_MAX = 16, NAME_MAX_BYTES = 64, MESSAGE_MAX_BYTES = 512, US_PER_MS = 1000 };

static struct {
    int notify; /* a datagram socket towards the manager; 0: nobody wants to hear */
    struct sockaddr_un address;
    socklen_t address_len;
    int64_t alive_ms;
    struct {
        char name[NAME_MAX_BYTES];
        bool is_taken;
    } passed[PASSED_MAX];
    int npassed;
} service;

/* ---- what the environment says ---- */

/*
 * "/path", or "@name" of the abstract namespace. Other families (vsock) are for virtual machines as a whole.
 */
static void open_notify(struct str path)
{
    struct sockaddr_un *to = &service.address;

    if (path.len < 2 || path.len >= sizeof(to->sun_path) || (path.ptr[0] != '/' && path.ptr[0] != '@'))
        return;
    to->sun_family = AF_UNIX;
    memcpy(to->sun_path, path.ptr, path.len);
    if (path.ptr[0] == '@')
        to->sun_path[0] = '\0';
    service.address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    service.notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (service.notify < 0)
        service.notify = 0;
}

/* Whether an entry that names a process means us; one that is missing means everybody. */
static bool is_for_us(const char *pid)
{
    int64_t number;

    return !pid || (str_to_int(str_from(pid), &number) && number == getpid());
}

static void read_watchdog(void)
{
    int64_t us;

    if (is_for_us(getenv("WATCHDOG_PID")) && str_to_int(str_from(getenv("WATCHDOG_USEC")), &us) && us > 0)
        service.alive_ms = us / 2 / US_PER_MS > 0 ? us / 2 / US_PER_MS : 1;
}

static void read_sockets(void)
{
    struct str rest = str_from(getenv("LISTEN_FDNAMES")), name;
    int64_t n;

    if (!getenv("LISTEN_PID") || !is_for_us(getenv("LISTEN_PID")) ||
        !str_to_int(str_from(getenv("LISTEN_FDS")), &n))
        return;
    service.npassed = n > PASSED_MAX ? PASSED_MAX : (int)n;
    for (int i = 0; i < service.npassed; i++) {
        fcntl(FIRST_FD + i, F_SETFD, FD_CLOEXEC);
        if (str_cut(&rest, ':', &name) && name.len < NAME_MAX_BYTES)
            memcpy(service.passed[i].name, name.ptr, name.len);
    }
}

void service_init(void)
{
    static const char *const entries[] = {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
                                          "LISTEN_PID",    "LISTEN_FDS",   "LISTEN_FDNAMES"};

    open_notify(str_from(getenv("NOTIFY_SOCKET")));
    read_watchdog();
    read_sockets();
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        unsetenv(entries[i]);
}

/* ---- sockets ---- */

static bool is_listening_stream(int fd)
{
    int type = 0, listens = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* By its name; else the first without one. systemd calls a socket "unknown" when its maker gave no name. */
static int find_passed(const char *name)
{
    int nameless = -1;

    for (int i = 0; i < service.npassed; i++) {
        const char *given = service.passed[i].name;

        if (service.passed[i].is_taken)
            continue;
        if (strcmp(given, name) == 0)
            return i;
        if (nameless < 0 && (!given[0] || strcmp(given, "unknown") == 0))
            nameless = i;
    }
    return nameless;
}

bool service_take_socket(const char *name, int *fd, struct err *err)
{
    int i = find_passed(name), on = 1;

    *fd = -1;
    if (i < 0)
        return true;
    if (!is_listening_stream(FIRST_FD + i))
        return err_set(err, ERR_BAD_SETTING, "LISTEN_FDS: descriptor %d is no listening stream socket",
                       FIRST_FD + i);
    service.passed[i].is_taken = true;
    *fd = FIRST_FD + i;
    fcntl(*fd, F_SETFL, O_NONBLOCK);
    setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof(on)); /* inherited by what it accepts; not for unix */
    log_info("socket.passed", kv("socket", name), kv("fd", *fd));
    return true;
}

bool service_took_all_sockets(struct err *err)
{
    for (int i = 0; i < service.npassed; i++)
        if (!service.passed[i].is_taken)
            return err_set(
                err, ERR_BAD_SETTING,
                "LISTEN_FDS: nobody wants descriptor %d, \"%s\": the socket unit's FileDescriptorName= "
                "says what a socket is for, and one of each is taken",
                FIRST_FD + i, service.passed[i].name);
    return true;
}

/* ---- words ---- */

/* A manager that does not read is not waited for: it has its own deadlines. */
static void tell(const char *message)
{
    if (service.notify && sendto(service.notify, message, strlen(message), MSG_NOSIGNAL,
                                 (struct sockaddr *)&service.address, service.address_len) < 0)
        log_warn("service.unheard", kv("error", strerror(errno)));
}

void service_tell_ready(const char *status)
{
    char message[MESSAGE_MAX_BYTES];

    snprintf(message, sizeof(message), "READY=1\nSTATUS=%s", status);
    tell(message);
}

/* The time tells the manager which READY belongs to which reload. */
void service_tell_reloading(void)
{
    char message[MESSAGE_MAX_BYTES];

    snprintf(message, sizeof(message),
             "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=replacing the children", loop_now_us());
    tell(message);
}

void service_tell_stopping(void)
{
    tell("STOPPING=1\nSTATUS=draining");
}

void service_tell_status(const char *status)
{
    char message[MESSAGE_MAX_BYTES];

    snprintf(message, sizeof(message), "STATUS=%s", status);
    tell(message);
}

int64_t service_alive_ms(void)
{
    return service.alive_ms;
}

void service_tell_alive(void)
{
    tell("WATCHDOG=1");
}
