/*
 * reader.c - how many documents a second does the reader read? The measured half of tests/bench/vast/run.
 *
 *     vast_reader [--xsd DIR] FILE...    prints `ready`, then one line of name=value for each line with a
 *                                        number of passes
 *
 * A document is read as a worker reads it: into an arena of its own, with everything there is in it. With
 * --xsd it is also asked of its schema.
 */
#include "common/buf.h"
#include "common/loop.h"
#include "worker/vast/xsd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FILES_MAX = 1000, FILE_BYTES = 8 * 1024 * 1024, ARENA_MAX = 16 * 1024 * 1024 };

static struct buf files[FILES_MAX];
static int nfiles;

static bool load(const char *path)
{
    FILE *file = fopen(path, "rbe");
    char piece[16384];

    if (!file || nfiles == FILES_MAX)
        return false;
    buf_init(&files[nfiles], FILE_BYTES);
    for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0;)
        buf_append(&files[nfiles], piece, n);
    fclose(file);
    nfiles++;
    return true;
}

struct counts {
    long ads, refused, findings;
};

static void read_one(struct str bytes, struct vast_xsd *xsd, struct counts *counts)
{
    SCOPED_VALUE(arena) arena = {.ceiling = ARENA_MAX};
    struct vast_findings findings = {0};
    struct vast_doc *doc;
    struct err err;

    if (!vast_parse(&arena, bytes, &doc, &err) || vast_result_code(doc->result))
        counts->refused++;
    else
        counts->ads += doc->nads;
    if (xsd && !vast_result_code(doc->result) && vast_xsd_check(xsd, &arena, bytes, doc, &findings, &err))
        counts->findings += findings.n;
}

/* The most that was resident since this program began; getrusage would count its parent, too. */
static long peak_kb(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[128];
    long kb = 0;

    while (status && fgets(line, sizeof(line), status))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (status)
        fclose(status);
    return kb;
}

static void passes(long n, struct vast_xsd *xsd)
{
    int64_t began = loop_now_us();
    struct counts counts = {0};
    double seconds;

    for (long i = 0; i < n; i++)
        for (int k = 0; k < nfiles; k++)
            read_one(buf_str(&files[k]), xsd, &counts);
    seconds = (double)(loop_now_us() - began) / 1e6;
    printf("docs=%ld seconds=%.6f ads=%ld refused=%ld findings=%ld rss_kb=%ld\n", n * nfiles, seconds,
           counts.ads, counts.refused, counts.findings, peak_kb());
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int first = argc > 2 && strcmp(argv[1], "--xsd") == 0 ? 3 : 1;
    SCOPED(vast_xsd) xsd = NULL;
    struct err err;
    long n;

    arena_keep_heap();
    if (first == 3 && !(xsd = vast_xsd_open(argv[2], &err))) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    for (int i = first; i < argc; i++)
        if (!load(argv[i]))
            return 1;
    puts("ready");
    fflush(stdout);
    while (scanf("%ld", &n) == 1)
        passes(n, xsd);
    return 0;
}
