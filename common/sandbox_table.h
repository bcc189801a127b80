/*
 * sandbox_table.h - which system calls each profile may make.
 *
 * Calls that depend on their arguments (socket, clone, mmap, mprotect, open, prctl, ioctl, ...) are in
 * sandbox_calls.c. Names that this machine's architecture has not are passed over. A call that stands in
 * neither table is refused with ENOSYS.
 */
#ifndef TRACEPOOL_COMMON_SANDBOX_TABLE_H
#define TRACEPOOL_COMMON_SANDBOX_TABLE_H

/* clang-format off */
#define EDGE    (1 << SANDBOX_EDGE)
#define WORKER  (1 << SANDBOX_WORKER)
#define MONITOR (1 << SANDBOX_MONITOR)
#define PARENT  (1 << SANDBOX_PARENT)
#define CHILDREN (EDGE | WORKER | MONITOR)

/*    who       system calls, by what they are for */
#define SANDBOX_ALLOWED(X)                                                                                              \
    /* the loop */                                                                                                      \
    X(CHILDREN, "epoll_wait epoll_pwait epoll_pwait2 epoll_ctl epoll_create1 epoll_create eventfd2 eventfd")            \
    X(CHILDREN, "poll ppoll select pselect6 pipe pipe2 timerfd_create timerfd_settime timerfd_gettime")                 \
    X(CHILDREN, "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times")                         \
    /* bytes */                                                                                                         \
    X(CHILDREN, "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close lseek")                 \
    X(CHILDREN, "dup dup2 dup3 fcntl sendfile")                                                                         \
    /* sockets that exist */                                                                                            \
    X(CHILDREN, "accept accept4 connect sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown")                    \
    X(CHILDREN, "getsockname getpeername getsockopt setsockopt listen")                                                 \
    X(WORKER,   "bind") /* the browser's relay: a loopback port for each trace */                                       \
    /* looking at files */                                                                                              \
    X(CHILDREN, "stat lstat fstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat")     \
    X(CHILDREN, "getdents getdents64 getcwd")                                                                           \
    /* memory and threads */                                                                                            \
    X(CHILDREN, "brk munmap mremap madvise mincore mlock munlock futex futex_wait futex_wake set_robust_list")           \
    X(CHILDREN, "get_robust_list rseq membarrier sched_yield sched_getaffinity set_tid_address arch_prctl")             \
    X(CHILDREN, "exit exit_group restart_syscall")                                                                      \
    /* signals to itself */                                                                                             \
    X(CHILDREN, "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack")      \
    /* who and what am I */                                                                                             \
    X(CHILDREN, "getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid")    \
    X(CHILDREN, "getsid getrusage getrlimit getcpu uname sysinfo getrandom")                                            \
    /* the end of a child: of the browser's launcher */                                                                 \
    X(WORKER,   "wait4 waitid")                                                                                         \
    /* the spool, the offers' snapshot, the access log */                                                               \
    X(EDGE,     "openat open unlink unlinkat rename renameat renameat2 mkdir mkdirat ftruncate fallocate")              \
    X(EDGE,     "fsync fdatasync sync_file_range flock fchmod utimensat")

/*
 * Killed: in a child nothing of ours and nothing under it asks for these. The parent is refused (EPERM) what
 * is its: Chromium inherits that, and some version of it may try.
 */
#define SANDBOX_FORBIDDEN(X)                                                                                            \
    X(CHILDREN,          "process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise")                         \
    X(CHILDREN,          "unshare setns chroot personality memfd_create memfd_secret mknod mknodat link linkat")        \
    X(CHILDREN,          "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset")      \
    X(CHILDREN,          "pkey_mprotect remap_file_pages fanotify_init shmat shmget msgget semget mq_open vmsplice")    \
    X(CHILDREN | PARENT, "mount umount2 pivot_root move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr")  \
    X(CHILDREN | PARENT, "bpf perf_event_open userfaultfd keyctl add_key request_key open_by_handle_at")                \
    X(CHILDREN | PARENT, "init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff")     \
    X(CHILDREN | PARENT, "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname acct quotactl")   \
    X(CHILDREN | PARENT, "iopl ioperm modify_ldt syslog lookup_dcookie vhangup nfsservctl")

/* But for builds with sanitizers: they look at the process from one of their own, and start a symbolizer. */
#define SANDBOX_FORBIDDEN_PLAIN(X)                                                                                      \
    X(CHILDREN,          "ptrace execve execveat fork vfork")
/* clang-format on */

#endif
