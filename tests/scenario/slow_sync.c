/*
 * slow_sync.c - loaded before an edge (LD_PRELOAD): its fdatasync hangs for as long as a file is there.
 *
 * The file's name is in SLOW_SYNC_FILE.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOK_US = 1000 };

int fdatasync(int fd)
{
    const char *file = getenv("SLOW_SYNC_FILE");

    while (file && access(file, F_OK) == 0)
        usleep(LOOK_US);
    return (int)syscall(SYS_fdatasync, fd);
}
