/*
 * limits.c - how fast the machine and the libraries are with nothing of ours around them.
 *
 *     bench_limits sync DIR SECONDS              appends of 512 bytes, each one synced
 *     bench_limits parse SECONDS FILE...         libxml2 builds and frees the tree of each document, nothing
 * reads it bench_limits curl PORT SECONDS URL         libcurl follows URL through the proxy at PORT: one
 * handle for ever, its connections kept
 *
 * Prints rate=N (syncs, documents or chains a second) and cpu_us=N for each.
 */
#include "common/scope.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { RECORD = 512, MAX_DOCUMENTS = 1000, NAMES = 64 };

struct document {
    char *bytes;
    int len;
};

static struct document documents[MAX_DOCUMENTS];
static int ndocuments;
static CURL *curl;
static int sync_fd;

static double seconds_now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool read_document(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct document *d = &documents[ndocuments];
    long len;

    if (!file || ndocuments == MAX_DOCUMENTS || fseek(file, 0, SEEK_END) != 0 || (len = ftell(file)) < 0)
        return false;
    rewind(file);
    d->bytes = malloc((size_t)len + 1);
    d->len = (int)len;
    ndocuments++;
    bool is_whole = d->bytes && fread(d->bytes, 1, (size_t)len, file) == (size_t)len;
    fclose(file);
    return is_whole;
}

static int sync_once(void)
{
    static char record[RECORD];

    return write(sync_fd, record, RECORD) == RECORD && fdatasync(sync_fd) == 0 ? 1 : -1;
}

static int parse_once(void)
{
    for (int i = 0; i < ndocuments; i++)
        xmlFreeDoc(xmlReadMemory(documents[i].bytes, documents[i].len, NULL, NULL,
                                 XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_COMPACT | XML_PARSE_NOERROR |
                                     XML_PARSE_NOWARNING));
    return ndocuments;
}

static int curl_once(void)
{
    return curl_easy_perform(curl) == CURLE_OK ? 1 : -1;
}

static size_t forget(char *bytes, size_t size, size_t n, void *to)
{
    (void)bytes, (void)to;
    return size * n;
}

static bool open_curl(const char *port, const char *url)
{
    char proxy[NAMES];

    snprintf(proxy, sizeof(proxy), "http://user:secret@127.0.0.1:%s", port);
    curl = curl_easy_init();
    return curl && !curl_easy_setopt(curl, CURLOPT_URL, url) &&
           !curl_easy_setopt(curl, CURLOPT_PROXY, proxy) &&
           !curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L) &&
           !curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, forget);
}

static bool open_sync(const char *folder)
{
    sync_fd = open(folder, O_TMPFILE | O_WRONLY, 0600);
    return sync_fd >= 0;
}

/* Until the time is over; the first one warms up and is not counted. */
static int measure(int (*once)(void), double seconds)
{
    double began, cpu;
    long done = 0;

    if (once() < 0)
        return 1;
    began = seconds_now(CLOCK_MONOTONIC);
    cpu = seconds_now(CLOCK_PROCESS_CPUTIME_ID);
    while (seconds_now(CLOCK_MONOTONIC) - began < seconds) {
        int n = once();

        if (n < 0)
            return 1;
        done += n;
    }
    printf("rate=%.1f cpu_us=%.2f\n", (double)done / (seconds_now(CLOCK_MONOTONIC) - began),
           (seconds_now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)done * 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 3 ? argv[1] : "";

    if (!strcmp(what, "sync") && open_sync(argv[2]))
        return measure(sync_once, atof(argv[3]));
    if (!strcmp(what, "curl") && argc > 4 && open_curl(argv[2], argv[4]))
        return measure(curl_once, atof(argv[3]));
    for (int i = 3; !strcmp(what, "parse") && i < argc; i++)
        if (!read_document(argv[i]))
            return fprintf(stderr, "%s cannot be read\n", argv[i]), 1;
    if (ndocuments > 0)
        return measure(parse_once, atof(argv[2]));
    fprintf(stderr, "usage: bench_limits sync DIR SECONDS | parse SECONDS FILE... | curl PORT SECONDS URL\n");
    return 2;
}
