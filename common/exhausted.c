/*
 * exhausted.c - see exhausted.h.
 */
#include "common/exhausted.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TO_MAX = 80 };

/* clang-format off */
static const struct limit {
    int error;
    const char *what, *raise;
} limits[] = {
    {EADDRNOTAVAIL, "local port",                         "net.ipv4.ip_local_port_range, net.ipv4.tcp_tw_reuse"},
    {EAGAIN,        "local port",                         "net.ipv4.ip_local_port_range, net.ipv4.tcp_tw_reuse"},
    {EMFILE,        "descriptor of this process",         "ulimit -n, LimitNOFILE"},
    {ENFILE,        "descriptor of this machine",         "fs.file-max"},
    {ENOBUFS,       "memory for sockets",                 "net.ipv4.tcp_mem"},
    {ENOMEM,        "memory for sockets",                 "net.ipv4.tcp_mem, the memory of machine and service"},
};
/* clang-format on */

static const struct limit *find(int error)
{
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        if (limits[i].error == error)
            return &limits[i];
    }
    return NULL;
}

bool exhausted_is(int error)
{
    return find(error) != NULL;
}

int exhausted_now(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = errno;

    if (fd >= 0)
        close(fd);
    return fd < 0 && exhausted_is(error) ? error : 0;
}

bool exhausted_explain(struct err *err, int error, const char *to, ...)
{
    const struct limit *limit = find(error);
    char whom[TO_MAX];
    va_list args;

    va_start(args, to);
    if (vsnprintf(whom, sizeof(whom), to, args) < 0)
        whom[0] = '\0';
    va_end(args);
    if (!limit)
        return err_set(err, ERR_HOST_EXHAUSTED, "no resource left for a connection to %s (%s)", whom,
                       strerror(error));
    return err_set(err, ERR_HOST_EXHAUSTED, "no %s left for a connection to %s (see %s)", limit->what, whom,
                   limit->raise);
}
