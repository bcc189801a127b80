/*
 * sandbox_files.c - which files may be opened, by Landlock. Without a library: three system calls.
 *
 * A rule holds for the file or folder that is there now, not for its name: a file that is replaced by
 * another one of the same name is out of reach. So the resolver's files, which are replaced while we run,
 * are reached by their folders.
 */
#include "common/sandbox_internal.h"

#include "common/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h; headers of an older kernel than the one we run on lack half of it. */
enum { SYS_CREATE_RULESET = 444, SYS_ADD_RULE, SYS_RESTRICT_SELF, RULE_PATH_BENEATH = 1, GET_VERSION = 1 };

struct ruleset {
    uint64_t handled_fs, handled_net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_VERSION_1 = (1 << 13) - 1, /* what version 1 knows: execute, write, ... make a symbolic link */
    FS_REFER = 1 << 13,           /* since 2 */
    FS_TRUNCATE = 1 << 14,        /* since 3 */
    FS_IOCTL_DEV = 1 << 15,       /* since 5 */
    SCOPED_SIGNAL = 1 << 1,       /* since 6 */
    READS = FS_READ_FILE | FS_READ_DIR,
    WRITES = READS | FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_TRUNCATE,
    OF_A_FILE = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE,
};

/* What libc, OpenSSL, libcurl and libpq read on their own account. */
static const char *const system_paths[] = {
    "/usr",
    "/lib",
    "/lib64",
    "/etc", /* libraries, character sets, authorities, names */
    "/var/lib/ca-certificates",
    "/run/nscd",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/dev/null",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/sys/devices/system/cpu",
    "/proc", /* how many; what Chromium weighs, and libc of itself */
};

/* Where libc and OpenSSL are told to look instead. */
static const char *const named_by[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "OPENSSL_MODULES",
                                       "GCONV_PATH"};

struct rules {
    int fd;
    uint64_t handled;
};

static int version(void)
{
    long found = syscall(SYS_CREATE_RULESET, NULL, 0, GET_VERSION);

    return found < 0 ? 0 : (int)found;
}

static void allow(const struct rules *r, const char *path, uint64_t rights)
{
    struct path_rule rule = {.allowed = rights & r->handled, .fd = open(path, O_PATH | O_CLOEXEC)};
    struct stat st;

    if (rule.fd < 0)
        return; /* what is not there can't be opened */
    if (fstat(rule.fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed &= OF_A_FILE;
    syscall(SYS_ADD_RULE, r->fd, RULE_PATH_BENEATH, &rule, 0);
    close(rule.fd);
}

static void allow_folder_of(const struct rules *r, const char *path, uint64_t rights)
{
    SCOPED(char) folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (slash)
        *(slash == folder ? slash + 1 : slash) = '\0';
    if (folder)
        allow(r, slash ? folder : ".", rights);
}

static void allow_system(const struct rules *r)
{
    SCOPED(char) resolver = realpath("/etc/resolv.conf", NULL);

    for (size_t i = 0; i < ARRAY_LEN(system_paths); i++)
        allow(r, system_paths[i], READS);
    if (resolver)
        allow_folder_of(r, resolver, READS);
    for (size_t i = 0; i < ARRAY_LEN(named_by); i++)
        if (getenv(named_by[i]))
            allow(r, getenv(named_by[i]), READS);
    if (TRACEPOOL_INSTRUMENTED) /* reports read sources, coverage writes beside them */
        allow(r, "/", WRITES | FS_EXECUTE);
}

static void allow_own(const struct rules *r, const struct sandbox_paths *paths)
{
    for (int i = 0; paths && i < paths->n; i++) {
        if (!paths->is_written[i])
            allow(r, paths->text[i], READS);
        else if (access(paths->text[i], F_OK) == 0)
            allow(r, paths->text[i], WRITES);
        else
            allow_folder_of(r, paths->text[i], WRITES);
    }
}

int sandbox_restrict_files(const struct sandbox_paths *paths)
{
    int abi = version();
    struct ruleset set = {.handled_fs = FS_VERSION_1,
                          .scoped = abi >= 6 && !TRACEPOOL_INSTRUMENTED ? SCOPED_SIGNAL : 0};
    size_t size = abi >= 6 ? sizeof(set) : offsetof(struct ruleset, handled_net);
    struct rules r;

    if (!abi)
        return 0;
    set.handled_fs |=
        (abi >= 2 ? FS_REFER : 0U) | (abi >= 3 ? FS_TRUNCATE : 0U) | (abi >= 5 ? FS_IOCTL_DEV : 0U);
    r = (struct rules){.fd = (int)syscall(SYS_CREATE_RULESET, &set, size, 0), .handled = set.handled_fs};
    if (r.fd < 0)
        return 0;
    allow_system(&r);
    allow_own(&r, paths);
    if (syscall(SYS_RESTRICT_SELF, r.fd, 0) != 0)
        abi = 0;
    close(r.fd);
    return abi;
}
