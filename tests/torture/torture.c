/*
 * torture.c - makes one call fail that can fail: the linker sends the calls of a unit test here
 * (tests/unit/meson.build).
 *
 * TORTURE_LEDGER=FILE  a `struct ledger` (below) of zeros, where it is written down what happened
 * TORTURE_FAIL=N       the Nth call fails, and is named on stderr too; without it none does
 * TORTURE_ONLY=NAMES   of these alone, with commas between; the others are not counted
 *
 * A program and all that it forks count as one, and write into one ledger. Only calls of the program's own
 * objects come here, not those within a library. A call that fails does nothing else: what the real one would
 * have left behind is not imitated. tests/torture/run does the rest.
 */
#include <curl/curl.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <iconv.h>
#include <idn2.h>
#include <ini.h>
#include <inttypes.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <libxml/HTMLparser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xpath.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

/* Our own descriptor comes behind those that are counted. */
enum { FOLDERS_MAX = 8, DESCRIPTORS_MAX = 200, PLACES_MAX = 1 << 20 };

/* tests/torture/run reads it: keep both alike. */
struct ledger {
    int64_t calls;
    int64_t place;                 /* of the call that failed, in the program */
    int64_t own_left;              /* descriptors that were open when the program ended by itself */
    int64_t children_left;         /* the same of what it forked: the most that any of them had */
    char failed[32];               /* the name of the call; "" until it came */
    char folders[FOLDERS_MAX][64]; /* temporary ones that were made */
    int64_t places[PLACES_MAX];    /* of each call that was made, in the program */
};

static struct ledger no_ledger, *ledger = &no_ledger;
static int64_t failing;
static const char *only, *base;
static pid_t first_pid;
/* Standard error as it was: a test may put another file in its place. */
static int report = STDERR_FILENO;

int __real_fcntl64(int fd, int what, ...);
int __real_open64(const char *path, int flags, ...);
void *__real_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset);

/* Of the sanitizers, where the build has them: whoever has no standard error writes FILE.PID. */
__attribute__((weak)) void __sanitizer_set_report_path(const char *file);

__attribute__((constructor)) static void torture_begin(void)
{
    const char *n = getenv("TORTURE_FAIL"), *file = getenv("TORTURE_LEDGER");
    int fd = file ? __real_open64(file, O_RDWR | O_CLOEXEC) : -1;
    Dl_info program;
    void *at =
        fd < 0 ? MAP_FAILED : __real_mmap64(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (file && __sanitizer_set_report_path)
        __sanitizer_set_report_path(file); /* makes calls of its own, which are not counted */
    if (at != MAP_FAILED)
        ledger = at;
    if (fd >= 0)
        close(fd);
    if (dladdr((void *)torture_begin, &program))
        base = program.dli_fbase;
    only = getenv("TORTURE_ONLY");
    failing = n ? atol(n) : 0;
    first_pid = getpid();
    if (failing)
        report = __real_fcntl64(STDERR_FILENO, F_DUPFD_CLOEXEC, DESCRIPTORS_MAX);
}

static int64_t open_descriptors(void)
{
    int64_t n = 0;

    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        n += __real_fcntl64(fd, F_GETFD) >= 0;
    return n;
}

__attribute__((destructor)) static void torture_end(void)
{
    if (first_pid == getpid())
        ledger->own_left = open_descriptors();
}

static int is_meant(const char *name)
{
    size_t len = strlen(name);

    for (const char *at = only; at && (at = strstr(at, name)) != NULL; at += len) {
        if ((at == only || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
            return 1;
    }
    return !only;
}

static int fails(const char *name, const char *from)
{
    int64_t n;

    if (!is_meant(name))
        return 0;
    n = __atomic_add_fetch(&ledger->calls, 1, __ATOMIC_RELAXED);
    if (n <= PLACES_MAX)
        ledger->places[n - 1] = from - base;
    if (n != failing)
        return 0;
    ledger->place = from - base;
    snprintf(ledger->failed, sizeof(ledger->failed), "%s", name);
    dprintf(report, "torture: %s fails at +0x%" PRIx64 "\n", name, ledger->place);
    return 1;
}

#define FAILS(name) fails(name, __builtin_return_address(0))

/* A call, what it returns when it fails, and errno then. */
#define WRAP(type, name, parameters, arguments, failure, error)                                              \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        if (!FAILS(#name))                                                                                   \
            return __real_##name arguments;                                                                  \
        errno = error;                                                                                       \
        return failure;                                                                                      \
    }

/* clang-format off */
WRAP(void *, malloc, (size_t n), (n), NULL, ENOMEM)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL, ENOMEM)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL, ENOMEM)
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), NULL, ENOMEM)
WRAP(char *, strdup, (const char *s), (s), NULL, ENOMEM)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), NULL, ENOMEM)
WRAP(void *, mmap64, (void *at, size_t n, int prot, int flags, int fd, off_t offset), (at, n, prot, flags, fd, offset), MAP_FAILED, ENOMEM)

WRAP(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n), -1, EIO)
WRAP(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n), -1, ENOSPC)
WRAP(ssize_t, pread64, (int fd, void *to, size_t n, off_t at), (fd, to, n, at), -1, EIO)
WRAP(ssize_t, pwrite64, (int fd, const void *from, size_t n, off_t at), (fd, from, n, at), -1, ENOSPC)
WRAP(int, fsync, (int fd), (fd), -1, EIO)
WRAP(int, fdatasync, (int fd), (fd), -1, EIO)
WRAP(int, ftruncate64, (int fd, off_t n), (fd, n), -1, EFBIG)
WRAP(int, fstat64, (int fd, struct stat *st), (fd, st), -1, EIO)
WRAP(int, stat64, (const char *path, struct stat *st), (path, st), -1, EACCES)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1, EACCES)
WRAP(int, unlink, (const char *path), (path), -1, EACCES)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1, EACCES)
WRAP(DIR *, opendir, (const char *path), (path), NULL, EMFILE)
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), NULL, EMFILE)
WRAP(FILE *, open_memstream, (char **text, size_t *len), (text, len), NULL, ENOMEM)
WRAP(char *, realpath, (const char *path, char *to), (path, to), NULL, ENOENT)
WRAP(struct dirent *, readdir64, (DIR *dir), (dir), NULL, EIO)
WRAP(int, flock, (int fd, int how), (fd, how), -1, ENOLCK)
WRAP(char *, fgets, (char *to, int n, FILE *from), (to, n, from), NULL, EIO)
WRAP(int, fflush, (FILE *to), (to), EOF, ENOSPC)
WRAP(size_t, fread, (void *to, size_t size, size_t n, FILE *from), (to, size, n, from), 0, EIO)
WRAP(size_t, fwrite, (const void *from, size_t size, size_t n, FILE *to), (from, size, n, to), 0, ENOSPC)
WRAP(int, fputs, (const char *s, FILE *to), (s, to), EOF, ENOSPC)
WRAP(ssize_t, __getdelim, (char **to, size_t *n, int end, FILE *from), (to, n, end, from), -1, EIO)
WRAP(ssize_t, __read_chk, (int fd, void *to, size_t n, size_t room), (fd, to, n, room), -1, EIO)
WRAP(int, access, (const char *path, int how), (path, how), -1, EACCES)
WRAP(int, symlink, (const char *to, const char *path), (to, path), -1, EACCES)
WRAP(int, nftw64, (const char *path, int (*each)(const char *, const struct stat64 *, int, struct FTW *), int fds, int how), (path, each, fds, how), -1, EACCES)
WRAP(int, gethostname, (char *to, size_t n), (to, n), -1, ENAMETOOLONG)
WRAP(size_t, iconv, (iconv_t c, char **from, size_t *left, char **to, size_t *room), (c, from, left, to, room), (size_t)-1, EILSEQ)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1, EMFILE)
WRAP(iconv_t, iconv_open, (const char *to, const char *from), (to, from), (iconv_t)-1, ENOMEM)
WRAP(int, idn2_lookup_u8, (const uint8_t *from, uint8_t **to, int flags), (from, to, flags), IDN2_MALLOC, ENOMEM)

WRAP(int, remove, (const char *path), (path), -1, EACCES)
WRAP(int, chdir, (const char *path), (path), -1, EACCES)
WRAP(int, setenv, (const char *name, const char *value, int how), (name, value, how), -1, ENOMEM)
WRAP(int, ini_parse_stream, (ini_reader read_line, void *from, ini_handler each, void *arg), (read_line, from, each, arg), -2, ENOMEM)

WRAP(struct passwd *, getpwnam, (const char *name), (name), NULL, EMFILE)
WRAP(struct passwd *, getpwuid, (uid_t uid), (uid), NULL, EMFILE)
WRAP(int, setgroups, (size_t n, const gid_t *groups), (n, groups), -1, EPERM)
WRAP(int, setgid, (gid_t gid), (gid), -1, EPERM)
WRAP(int, setuid, (uid_t uid), (uid), -1, EAGAIN)
WRAP(int, execv, (const char *path, char *const *words), (path, words), -1, ENOMEM)
WRAP(int, execvp, (const char *file, char *const *words), (file, words), -1, ENOMEM)
WRAP(int, execvpe, (const char *file, char *const *words, char *const *environment), (file, words, environment), -1, ENOMEM)
WRAP(pid_t, fork, (void), (), -1, EAGAIN)
WRAP(int, pipe2, (int fds[2], int flags), (fds, flags), -1, EMFILE)
WRAP(int, dup3, (int from, int to, int flags), (from, to, flags), -1, EBUSY)
WRAP(pid_t, waitpid, (pid_t pid, int *status, int how), (pid, status, how), -1, EINTR)
WRAP(int, epoll_create1, (int flags), (flags), -1, EMFILE)
WRAP(int, epoll_ctl, (int set, int what, int fd, struct epoll_event *event), (set, what, fd, event), -1, ENOSPC)
WRAP(int, epoll_wait, (int set, struct epoll_event *events, int n, int ms), (set, events, n, ms), -1, EINTR)
WRAP(int, poll, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms), -1, EINTR)
WRAP(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), -1, EMFILE)
WRAP(int, dup2, (int from, int to), (from, to), -1, EBUSY)
WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), -1, EMFILE)
WRAP(int, socketpair, (int family, int type, int protocol, int fds[2]), (family, type, protocol, fds), -1, EMFILE)
WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t n), (fd, to, n), -1, ECONNREFUSED)
WRAP(int, bind, (int fd, const struct sockaddr *to, socklen_t n), (fd, to, n), -1, EADDRINUSE)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), -1, EADDRINUSE)
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t n), (fd, level, name, value, n), -1, ENOPROTOOPT)
WRAP(int, getsockname, (int fd, struct sockaddr *to, socklen_t *n), (fd, to, n), -1, ENOBUFS)
WRAP(ssize_t, send, (int fd, const void *from, size_t n, int flags), (fd, from, n, flags), -1, ECONNRESET)
WRAP(ssize_t, recv, (int fd, void *to, size_t n, int flags), (fd, to, n, flags), -1, ECONNRESET)
WRAP(ssize_t, sendto, (int fd, const void *from, size_t n, int flags, const struct sockaddr *to, socklen_t len), (fd, from, n, flags, to, len), -1, ECONNREFUSED)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), -1, EPIPE)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), -1, ECONNRESET)
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *n), (fd, level, name, value, n), -1, ENOBUFS)
WRAP(int, getnameinfo, (const struct sockaddr *a, socklen_t n, char *host, socklen_t hosts, char *port, socklen_t ports, int flags), (a, n, host, hosts, port, ports, flags), EAI_MEMORY, ENOMEM)
WRAP(int, shutdown, (int fd, int how), (fd, how), -1, ENOTCONN)

WRAP(PGconn *, PQconnectStartParams, (const char *const *keys, const char *const *values, int more), (keys, values, more), NULL, ENOMEM)
WRAP(PQconninfoOption *, PQconninfoParse, (const char *text, char **why), (text, why), NULL, ENOMEM)
WRAP(PQconninfoOption *, PQconndefaults, (void), (), NULL, ENOMEM)
WRAP(int, PQsendQuery, (PGconn *c, const char *sql), (c, sql), 0, ECONNRESET)
WRAP(int, PQsendPrepare, (PGconn *c, const char *name, const char *sql, int n, const Oid *types), (c, name, sql, n, types), 0, ECONNRESET)
WRAP(int, PQsendQueryPrepared, (PGconn *c, const char *name, int n, const char *const *values, const int *lengths, const int *formats, int format), (c, name, n, values, lengths, formats, format), 0, ECONNRESET)
WRAP(int, PQsendQueryParams, (PGconn *c, const char *sql, int n, const Oid *types, const char *const *values, const int *lengths, const int *formats, int format), (c, sql, n, types, values, lengths, formats, format), 0, ECONNRESET)
WRAP(int, PQenterPipelineMode, (PGconn *c), (c), 0, ECONNRESET)
WRAP(PostgresPollingStatusType, PQconnectPoll, (PGconn *c), (c), PGRES_POLLING_FAILED, ECONNREFUSED)
WRAP(int, PQexitPipelineMode, (PGconn *c), (c), 0, ECONNRESET)
WRAP(int, PQpipelineSync, (PGconn *c), (c), 0, ECONNRESET)
WRAP(int, PQconsumeInput, (PGconn *c), (c), 0, ECONNRESET)
WRAP(int, PQflush, (PGconn *c), (c), -1, ECONNRESET)
WRAP(int, PQsetnonblocking, (PGconn *c, int on), (c, on), -1, ECONNRESET)
WRAP(char *, PQescapeIdentifier, (PGconn *c, const char *s, size_t n), (c, s, n), NULL, ENOMEM)

WRAP(CURLcode, curl_global_init, (long what), (what), CURLE_OUT_OF_MEMORY, ENOMEM)
WRAP(CURL *, curl_easy_init, (void), (), NULL, ENOMEM)
WRAP(CURLM *, curl_multi_init, (void), (), NULL, ENOMEM)
WRAP(CURLMcode, curl_multi_add_handle, (CURLM *m, CURL *c), (m, c), CURLM_OUT_OF_MEMORY, ENOMEM)
WRAP(CURLMcode, curl_multi_remove_handle, (CURLM *m, CURL *c), (m, c), CURLM_BAD_EASY_HANDLE, EINVAL)
WRAP(CURLMcode, curl_multi_socket_action, (CURLM *m, curl_socket_t fd, int what, int *running), (m, fd, what, running), CURLM_OUT_OF_MEMORY, ENOMEM)
WRAP(CURLSH *, curl_share_init, (void), (), NULL, ENOMEM)
WRAP(CURLU *, curl_url, (void), (), NULL, ENOMEM)
WRAP(CURLUcode, curl_url_set, (CURLU *u, CURLUPart part, const char *text, unsigned flags), (u, part, text, flags), CURLUE_OUT_OF_MEMORY, ENOMEM)
WRAP(CURLcode, curl_easy_recv, (CURL *c, void *to, size_t n, size_t *got), (c, to, n, got), CURLE_RECV_ERROR, ECONNRESET)
WRAP(CURLcode, curl_easy_send, (CURL *c, const void *from, size_t n, size_t *sent), (c, from, n, sent), CURLE_SEND_ERROR, ECONNRESET)
WRAP(CURLHcode, curl_easy_header, (CURL *c, const char *name, size_t at, unsigned from, int request, struct curl_header **out), (c, name, at, from, request, out), CURLHE_OUT_OF_MEMORY, ENOMEM)
WRAP(CURLMcode, curl_multi_assign, (CURLM *m, curl_socket_t fd, void *p), (m, fd, p), CURLM_BAD_SOCKET, EBADF)
WRAP(struct curl_slist *, curl_slist_append, (struct curl_slist *list, const char *s), (list, s), NULL, ENOMEM)

WRAP(int, uv_loop_init, (uv_loop_t *l), (l), UV_ENOMEM, ENOMEM)
WRAP(int, uv_async_init, (uv_loop_t *l, uv_async_t *h, uv_async_cb cb), (l, h, cb), UV_ENOMEM, ENOMEM)
WRAP(int, uv_thread_create, (uv_thread_t *t, uv_thread_cb run, void *arg), (t, run, arg), UV_EAGAIN, EAGAIN)
WRAP(int, uv_queue_work, (uv_loop_t *l, uv_work_t *w, uv_work_cb run, uv_after_work_cb after), (l, w, run, after), UV_ENOMEM, ENOMEM)
WRAP(int, uv_getaddrinfo, (uv_loop_t *l, uv_getaddrinfo_t *r, uv_getaddrinfo_cb cb, const char *node, const char *service, const struct addrinfo *hints), (l, r, cb, node, service, hints), UV_ENOMEM, ENOMEM)
WRAP(int, uv_poll_init, (uv_loop_t *l, uv_poll_t *h, int fd), (l, h, fd), UV_ENOMEM, ENOMEM)
WRAP(int, uv_poll_start, (uv_poll_t *h, int events, uv_poll_cb cb), (h, events, cb), UV_ENOMEM, ENOMEM)
WRAP(int, uv_poll_init_socket, (uv_loop_t *l, uv_poll_t *h, uv_os_sock_t fd), (l, h, fd), UV_ENOMEM, ENOMEM)
WRAP(int, uv_listen, (uv_stream_t *s, int backlog, uv_connection_cb cb), (s, backlog, cb), UV_EADDRINUSE, EADDRINUSE)
WRAP(int, uv_accept, (uv_stream_t *from, uv_stream_t *to), (from, to), UV_EMFILE, EMFILE)
WRAP(int, uv_tcp_open, (uv_tcp_t *h, uv_os_sock_t fd), (h, fd), UV_EMFILE, EMFILE)
WRAP(int, uv_tcp_bind, (uv_tcp_t *h, const struct sockaddr *a, unsigned flags), (h, a, flags), UV_EADDRINUSE, EADDRINUSE)
WRAP(int, uv_tcp_nodelay, (uv_tcp_t *h, int on), (h, on), UV_EINVAL, EINVAL)
WRAP(int, uv_tcp_getsockname, (const uv_tcp_t *h, struct sockaddr *a, int *n), (h, a, n), UV_ENOBUFS, ENOBUFS)
WRAP(int, uv_tcp_getpeername, (const uv_tcp_t *h, struct sockaddr *a, int *n), (h, a, n), UV_ENOTCONN, ENOTCONN)
WRAP(int, uv_read_start, (uv_stream_t *s, uv_alloc_cb alloc, uv_read_cb cb), (s, alloc, cb), UV_ENOTCONN, ENOTCONN)
WRAP(int, uv_write, (uv_write_t *r, uv_stream_t *s, const uv_buf_t bufs[], unsigned n, uv_write_cb cb), (r, s, bufs, n, cb), UV_EPIPE, EPIPE)
WRAP(int, uv_try_write, (uv_stream_t *s, const uv_buf_t bufs[], unsigned n), (s, bufs, n), UV_EPIPE, EPIPE)

WRAP(json_t *, json_object, (void), (), NULL, ENOMEM)
WRAP(json_t *, json_array, (void), (), NULL, ENOMEM)
WRAP(json_t *, json_stringn, (const char *s, size_t n), (s, n), NULL, ENOMEM)
WRAP(json_t *, json_integer, (json_int_t n), (n), NULL, ENOMEM)
WRAP(json_t *, json_string, (const char *s), (s), NULL, ENOMEM)
WRAP(json_t *, json_real, (double n), (n), NULL, ENOMEM)
WRAP(json_t *, json_deep_copy, (const json_t *v), (v), NULL, ENOMEM)
WRAP(int, json_object_update, (json_t *to, json_t *from), (to, from), -1, ENOMEM)
WRAP(int, json_object_update_missing, (json_t *to, json_t *from), (to, from), -1, ENOMEM)
WRAP(json_t *, json_vpack_ex, (json_error_t *why, size_t flags, const char *format, va_list args), (why, flags, format, args), NULL, ENOMEM)
WRAP(char *, json_dumps, (const json_t *v, size_t flags), (v, flags), NULL, ENOMEM)
WRAP(int, json_dump_callback, (const json_t *v, json_dump_callback_t cb, void *arg, size_t flags), (v, cb, arg, flags), -1, ENOMEM)

WRAP(xmlParserCtxtPtr, xmlNewParserCtxt, (void), (), NULL, ENOMEM)
WRAP(xmlDocPtr, xmlCtxtReadMemory, (xmlParserCtxtPtr c, const char *s, int n, const char *url, const char *encoding, int flags), (c, s, n, url, encoding, flags), NULL, ENOMEM)
WRAP(xmlDocPtr, xmlReadMemory, (const char *s, int n, const char *url, const char *encoding, int flags), (s, n, url, encoding, flags), NULL, ENOMEM)
WRAP(xmlSchemaParserCtxtPtr, xmlSchemaNewParserCtxt, (const char *url), (url), NULL, ENOMEM)
WRAP(xmlSchemaPtr, xmlSchemaParse, (xmlSchemaParserCtxtPtr c), (c), NULL, ENOMEM)
WRAP(xmlSchemaValidCtxtPtr, xmlSchemaNewValidCtxt, (xmlSchemaPtr s), (s), NULL, ENOMEM)
WRAP(int, xmlSchemaValidateDoc, (xmlSchemaValidCtxtPtr c, xmlDocPtr d), (c, d), -1, ENOMEM)
WRAP(xmlXPathCompExprPtr, xmlXPathCtxtCompile, (xmlXPathContextPtr c, const xmlChar *s), (c, s), NULL, ENOMEM)
WRAP(xmlXPathObjectPtr, xmlXPathEvalExpression, (const xmlChar *s, xmlXPathContextPtr c), (s, c), NULL, ENOMEM)
WRAP(xmlChar *, xmlXPathCastNodeToString, (xmlNodePtr n), (n), NULL, ENOMEM)
WRAP(xmlChar *, xmlXPathCastToString, (xmlXPathObjectPtr o), (o), NULL, ENOMEM)
WRAP(xmlXPathContextPtr, xmlXPathNewContext, (xmlDocPtr d), (d), NULL, ENOMEM)
WRAP(const xmlChar *, xmlDictQLookup, (xmlDictPtr d, const xmlChar *prefix, const xmlChar *name), (d, prefix, name), NULL, ENOMEM)
WRAP(int, xmlSwitchEncoding, (xmlParserCtxtPtr c, xmlCharEncoding encoding), (c, encoding), -1, ENOMEM)
WRAP(htmlParserCtxtPtr, htmlCreateMemoryParserCtxt, (const char *s, int n), (s, n), NULL, ENOMEM)
/* clang-format on */

/* Those with three dots. One word behind them is all that they are ever given. */
#undef curl_easy_setopt
#undef curl_multi_setopt
#undef curl_share_setopt
#define WRAP_SETOPT(type, name, handle, option, failure)                                                     \
    type __real_##name(handle *h, option o, ...);                                                            \
    type __wrap_##name(handle *h, option o, ...);                                                            \
    type __wrap_##name(handle *h, option o, ...)                                                             \
    {                                                                                                        \
        va_list more;                                                                                        \
        void *value;                                                                                         \
                                                                                                             \
        va_start(more, o);                                                                                   \
        value = va_arg(more, void *);                                                                        \
        va_end(more);                                                                                        \
        return FAILS(#name) ? failure : __real_##name(h, o, value);                                          \
    }
WRAP_SETOPT(CURLcode, curl_easy_setopt, CURL, CURLoption, CURLE_OUT_OF_MEMORY)
WRAP_SETOPT(CURLSHcode, curl_share_setopt, CURLSH, CURLSHoption, CURLSHE_NOMEM)
WRAP_SETOPT(CURLMcode, curl_multi_setopt, CURLM, CURLMoption, CURLM_OUT_OF_MEMORY)

/* These own what they are given, also when they fail. */
int __real_json_object_set_new(json_t *object, const char *key, json_t *value);
int __wrap_json_object_set_new(json_t *object, const char *key, json_t *value);
int __wrap_json_object_set_new(json_t *object, const char *key, json_t *value)
{
    if (!FAILS("json_object_set_new"))
        return __real_json_object_set_new(object, key, value);
    json_decref(value);
    return -1;
}

int __real_json_array_append_new(json_t *array, json_t *value);
int __wrap_json_array_append_new(json_t *array, json_t *value);
int __wrap_json_array_append_new(json_t *array, json_t *value)
{
    if (!FAILS("json_array_append_new"))
        return __real_json_array_append_new(array, value);
    json_decref(value);
    return -1;
}

/* Without memory they have nothing to say. */
#define WRAP_LOAD(name, parameters, arguments)                                                               \
    json_t *__real_##name parameters;                                                                        \
    json_t *__wrap_##name parameters;                                                                        \
    json_t *__wrap_##name parameters                                                                         \
    {                                                                                                        \
        if (!FAILS(#name))                                                                                   \
            return __real_##name arguments;                                                                  \
        if (why)                                                                                             \
            why->text[0] = '\0';                                                                             \
        return NULL;                                                                                         \
    }
WRAP_LOAD(json_loadb, (const char *s, size_t n, size_t flags, json_error_t *why), (s, n, flags, why))
WRAP_LOAD(json_loads, (const char *s, size_t flags, json_error_t *why), (s, flags, why))

/* A file whose last bytes could not be written is closed all the same. */
int __real_fclose(FILE *file);
int __wrap_fclose(FILE *file);
int __wrap_fclose(FILE *file)
{
    if (!FAILS("fclose"))
        return __real_fclose(file);
    __real_fclose(file);
    errno = ENOSPC;
    return EOF;
}

/* Whoever made a folder removes it, whatever fails in between. */
char *__real_mkdtemp(char *path);
char *__wrap_mkdtemp(char *path);
char *__wrap_mkdtemp(char *path)
{
    if (FAILS("mkdtemp")) {
        errno = EACCES;
        return NULL;
    }
    if (!__real_mkdtemp(path))
        return NULL;
    for (int i = 0; i < FOLDERS_MAX; i++) {
        if (ledger->folders[i][0])
            continue;
        snprintf(ledger->folders[i], sizeof(ledger->folders[i]), "%s", path);
        break;
    }
    return path;
}

/* How a process ends that was forked: with 0 where it had the time to clean up. */
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__exit(int status)
{
    int64_t left = open_descriptors();

    if (status == 0 && left > ledger->children_left && first_pid != getpid())
        ledger->children_left = left;
    __real__exit(status);
}

int __wrap_fcntl64(int fd, int what, ...);
int __wrap_fcntl64(int fd, int what, ...)
{
    va_list more;
    long value;

    va_start(more, what);
    value = va_arg(more, long);
    va_end(more);
    if (!FAILS("fcntl64"))
        return __real_fcntl64(fd, what, value);
    errno = EMFILE;
    return -1;
}

int __real_ioctl(int fd, unsigned long what, ...);
int __wrap_ioctl(int fd, unsigned long what, ...);
int __wrap_ioctl(int fd, unsigned long what, ...)
{
    va_list more;
    void *value;

    va_start(more, what);
    value = va_arg(more, void *);
    va_end(more);
    if (!FAILS("ioctl"))
        return __real_ioctl(fd, what, value);
    errno = EIO;
    return -1;
}

int __wrap___isoc99_fscanf(FILE *from, const char *format, ...);
int __wrap___isoc99_fscanf(FILE *from, const char *format, ...)
{
    va_list more;
    int n;

    if (FAILS("fscanf"))
        return EOF;
    va_start(more, format);
    n = vfscanf(from, format, more);
    va_end(more);
    return n;
}

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list more;
    mode_t mode;

    va_start(more, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (!FAILS("open64"))
        return __real_open64(path, flags, mode);
    errno = EMFILE;
    return -1;
}
