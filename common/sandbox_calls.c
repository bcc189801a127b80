/*
 * sandbox_calls.c - the filter of system calls, by libseccomp. Which ones is sandbox_table.h.
 *
 * Rules of one call never overlap, so that their order means nothing. The kernel keeps a bitmap of the calls
 * that are allowed whatever their arguments are and does not run the filter for these; for the others the
 * filter is a binary tree.
 */
#include "common/sandbox_internal.h"
#include "common/sandbox_table.h"
#include "common/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 40, BINARY_TREE = 2, SOCK_TYPE_BITS = 0xf };

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* libc names its memory */
#endif

struct filter {
    scmp_filter_ctx context;
    unsigned who; /* bit of the profile */
    int failure;  /* the first one, as a positive errno */
};

static void note(struct filter *f, int result)
{
    /* EDOM: this architecture has no such call. */
    if (result != 0 && result != -EDOM && !f->failure)
        f->failure = -result;
}

static void add(struct filter *f, uint32_t action, const char *name, unsigned ntests,
                const struct scmp_arg_cmp *tests)
{
    int number = seccomp_syscall_resolve_name(name);

    if (number != __NR_SCMP_ERROR)
        note(f, seccomp_rule_add_array(f->context, action, number, ntests, tests));
}

static void add_list(struct filter *f, unsigned who, uint32_t action, const char *names)
{
    struct str rest = str_from(names), part;
    char name[NAME_MAX_BYTES];

    while ((who & f->who) && rest.len && str_cut(&rest, ' ', &part)) {
        snprintf(name, sizeof(name), "%.*s", STR_ARG(part));
        add(f, action, name, 0, NULL);
    }
}

/* One argument, masked. */
static void add_if(struct filter *f, uint32_t action, const char *name, unsigned argument, uint64_t mask,
                   uint64_t value)
{
    add(f, action, name, 1, &SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value));
}

/* --- calls that depend on their arguments ------------------------------------------------------- */

/* Streams and datagrams of three families. Names are looked up without NETLINK, and libc copes with that. */
static void add_sockets(struct filter *f)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};

    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct scmp_arg_cmp family = SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)families[i], 0);

        for (size_t j = 0; j < ARRAY_LEN(types); j++)
            add(f, SCMP_ACT_ALLOW, "socket", 2,
                (struct scmp_arg_cmp[]){family,
                                        SCMP_A1_32(SCMP_CMP_MASKED_EQ, SOCK_TYPE_BITS, (uint32_t)types[j])});
        add(f, SCMP_ACT_KILL_PROCESS, "socket", 2,
            (struct scmp_arg_cmp[]){family, SCMP_A1_32(SCMP_CMP_MASKED_EQ, SOCK_TYPE_BITS, SOCK_RAW)});
    }
    add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), "socket", 1, &SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK, 0));
    add(f, SCMP_ACT_KILL_PROCESS, "socket", 1, &SCMP_A0_32(SCMP_CMP_GT, AF_NETLINK, 0));
    add(f, SCMP_ACT_ALLOW, "socketpair", 1, &SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX, 0));
}

/* Threads, not processes. clone3 keeps its flags where no filter can look: ENOSYS, and libc takes clone. */
static void add_threads(struct filter *f)
{
    if (TRACEPOOL_INSTRUMENTED) {
        add_list(f, f->who, SCMP_ACT_ALLOW, "clone");
        return;
    }
    add_if(f, SCMP_ACT_ALLOW, "clone", 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM);
    add_if(f, SCMP_ACT_KILL_PROCESS, "clone", 0, CLONE_THREAD, 0);
}

/*
 * Memory is written or executed, never both. What is executed comes from a file: libc loads modules when it
 * needs them (a name service, a character set of a page).
 */
static void add_memory(struct filter *f)
{
    const uint64_t both = PROT_EXEC | PROT_WRITE;
    const struct scmp_arg_cmp is_code = SCMP_A2_64(SCMP_CMP_MASKED_EQ, both, PROT_EXEC);

    add_if(f, SCMP_ACT_ALLOW, "mprotect", 2, PROT_EXEC, 0);
    add_if(f, SCMP_ACT_KILL_PROCESS, "mprotect", 2, PROT_EXEC, PROT_EXEC);
    add_if(f, SCMP_ACT_ALLOW, "mmap", 2, PROT_EXEC, 0);
    add_if(f, SCMP_ACT_KILL_PROCESS, "mmap", 2, both, both);
    add(f, SCMP_ACT_ALLOW, "mmap", 2,
        (struct scmp_arg_cmp[]){is_code, SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0)});
    add(f, SCMP_ACT_KILL_PROCESS, "mmap", 2,
        (struct scmp_arg_cmp[]){is_code, SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS)});
}

/* Whoever writes no files opens none for it; Landlock says which ones may be read. */
static void add_reading(struct filter *f)
{
    const uint64_t flags = O_ACCMODE | O_CREAT | O_TRUNC;

    if (f->who & EDGE)
        return; /* the table has it whole */
    if (TRACEPOOL_INSTRUMENTED) {
        add_list(f, f->who, SCMP_ACT_ALLOW, "openat open");
        return;
    }
    add_if(f, SCMP_ACT_ALLOW, "openat", 2, flags, O_RDONLY);
    add_if(f, SCMP_ACT_ALLOW, "open", 1, flags, O_RDONLY);
    for (uint64_t how = O_WRONLY; how <= O_RDWR; how++) {
        add_if(f, SCMP_ACT_ERRNO(EACCES), "openat", 2, O_ACCMODE, how);
        add_if(f, SCMP_ACT_ERRNO(EACCES), "open", 1, O_ACCMODE, how);
    }
}

static void add_about_itself(struct filter *f)
{
    static const int names[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE};
    static const unsigned long controls[] = {FIONBIO, FIONREAD, FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ};

    for (size_t i = 0; i < ARRAY_LEN(names) && !TRACEPOOL_INSTRUMENTED; i++)
        add(f, SCMP_ACT_ALLOW, "prctl", 1, &SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)names[i], 0));
    for (size_t i = 0; i < ARRAY_LEN(controls); i++)
        add(f, SCMP_ACT_ALLOW, "ioctl", 1, &SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)controls[i], 0));
    add(f, SCMP_ACT_KILL_PROCESS, "ioctl", 1, &SCMP_A1_32(SCMP_CMP_EQ, TIOCSTI, 0));
    add(f, SCMP_ACT_ALLOW, "prlimit64", 1, &SCMP_A2_64(SCMP_CMP_EQ, 0, 0));
    add(f, SCMP_ACT_ALLOW, "tgkill", 1, &SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)getpid(), 0)); /* abort() */
    add(f, SCMP_ACT_ERRNO(EPERM), "kill", 0, NULL);
    if (TRACEPOOL_INSTRUMENTED)
        add_list(f, f->who, SCMP_ACT_ALLOW,
                 "prctl ptrace wait4 execve fork vfork unlink ftruncate flock mkdir");
}

/* --- the whole ----------------------------------------------------------------------------------- */

static void add_child(struct filter *f)
{
#define ALLOW(who, names) add_list(f, who, SCMP_ACT_ALLOW, names);
#define KILL(who, names) add_list(f, who, SCMP_ACT_KILL_PROCESS, names);
    SANDBOX_ALLOWED(ALLOW)
    SANDBOX_FORBIDDEN(KILL)
    if (!TRACEPOOL_INSTRUMENTED) {
        SANDBOX_FORBIDDEN_PLAIN(KILL)
    }
#undef ALLOW
#undef KILL
    add_sockets(f);
    add_threads(f);
    add_memory(f);
    add_reading(f);
    add_about_itself(f);
}

static void add_parent(struct filter *f)
{
#define REFUSE(who, names) add_list(f, who, SCMP_ACT_ERRNO(EPERM), names);
    SANDBOX_FORBIDDEN(REFUSE)
#undef REFUSE
}

static void set(struct filter *f, enum scmp_filter_attr attribute, uint32_t value)
{
    note(f, seccomp_attr_set(f->context, attribute, value));
}

int sandbox_filter_calls(enum sandbox_profile profile)
{
    uint32_t otherwise = profile == SANDBOX_PARENT ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS);
    struct filter f = {.context = seccomp_init(otherwise), .who = 1U << profile};

    if (!f.context)
        return ENOSYS;
    set(&f, SCMP_FLTATR_CTL_NNP, 1);
    set(&f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(f.context, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE); /* an older libseccomp has it not */
    seccomp_attr_set(f.context, SCMP_FLTATR_CTL_SSB,
                     1); /* no price for a defence of code that we don't run */
    if (profile == SANDBOX_PARENT)
        add_parent(&f);
    else
        add_child(&f);
    if (!f.failure)
        note(&f, seccomp_load(f.context));
    seccomp_release(f.context);
    return f.failure;
}
