/*
 * slow_disk.c - loaded before PostgreSQL (LD_PRELOAD): each fdatasync takes SYNC_US microseconds longer.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd)
{
    const char *text = getenv("SYNC_US");
    long us = text ? atol(text) : 0;
    struct timespec left = {us / 1000000, us % 1000000 * 1000};

    if (syscall(SYS_fdatasync, fd) != 0)
        return -1;
    while (nanosleep(&left, &left) != 0) /* a signal: somebody waits for this backend */
        ;
    return 0;
}
