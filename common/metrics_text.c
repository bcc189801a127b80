/*
 * metrics_text.c - the table of metrics as rows, as Prometheus text and as JSON.
 */
#include "common/metrics_internal.h"

#include "common/json.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct metric_row rows[] = {
#define METRIC_ROW(ident, program, kind, name, labels, help)                                                 \
    {METRICS_##program, METRIC_##kind, name, labels, help, 0, {0}},
    METRICS_MAP(METRIC_ROW)
#undef METRIC_ROW
};

static void read_bounds(struct metric_row *row)
{
    char *end;

    for (const char *p = row->labels; *p; p = end) {
        double seconds = strtod(p, &end);

        assert(end > p && row->nbounds < METRIC_MAX_BOUNDS);
        row->bounds_us[row->nbounds++] = llround(seconds * 1e6);
        end += strspn(end, " ");
    }
}

const struct metric_row *metrics_row(enum metric m)
{
    struct metric_row *row = &rows[m];

    if (row->kind == METRIC_HISTOGRAM && row->nbounds == 0)
        read_bounds(row);
    return row;
}

/* --- Prometheus text -------------------------------------------------------------------------- */

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_row_head(struct buf *out, const struct metric_row *row)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    put_head(out, row->name, types[row->kind], row->help);
}

static void put_simple(struct buf *out, const struct metric_row *row, enum metric m)
{
    if (row->labels[0])
        buf_printf(out, "%s{%s} %" PRId64 "\n", row->name, row->labels, metrics_value(m));
    else
        buf_printf(out, "%s %" PRId64 "\n", row->name, metrics_value(m));
}

/* The count is that of the buckets just written, so the three always agree while others observe. */
static void put_histogram(struct buf *out, const struct metric_row *row, enum metric m)
{
    int64_t count = 0;

    for (int i = 0; i < row->nbounds; i++) {
        count += metrics_cell(m, i);
        buf_printf(out, "%s_bucket{le=\"%g\"} %" PRId64 "\n", row->name, (double)row->bounds_us[i] / 1e6,
                   count);
    }
    count += metrics_cell(m, row->nbounds);
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n", row->name, count);
    buf_printf(out, "%s_sum %.6f\n", row->name, (double)metrics_cell(m, METRIC_SUM_CELL) / 1e6);
    buf_printf(out, "%s_count %" PRId64 "\n", row->name, count);
}

/* --- the process itself ----------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    int64_t pages = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%*d %" SCNd64, &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static int open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = -3; /* ".", ".." and the directory's own descriptor */

    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* Ticks from boot to the process's start: field 22 of stat, counted behind the name's last ')'. */
static double started_after_boot(void)
{
    char line[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    unsigned long long ticks = 0;
    const char *p;

    if (!f)
        return 0;
    p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
    fclose(f);
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p)
        ticks = strtoull(p, NULL, 10);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static double start_time(void)
{
    struct timespec wall, boot;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (double)(wall.tv_sec - boot.tv_sec) + (double)(wall.tv_nsec - boot.tv_nsec) / 1e9 +
           started_after_boot();
}

static void put_process(struct buf *out)
{
    put_head(out, "tracepool_build_info", "gauge", "Always 1; the version is a label.");
    buf_append_str(out, STR("tracepool_build_info{version=\"" TRACEPOOL_VERSION "\"} 1\n"));
    put_head(out, "process_start_time_seconds", "gauge",
             "Start of the answering process, seconds since 1970.");
    buf_printf(out, "process_start_time_seconds %.2f\n", start_time());
    put_head(out, "process_resident_memory_bytes", "gauge", "Resident memory of the answering process.");
    buf_printf(out, "process_resident_memory_bytes %" PRId64 "\n", resident_bytes());
    put_head(out, "process_open_fds", "gauge", "Open file descriptors of the answering process.");
    buf_printf(out, "process_open_fds %d\n", open_fds());
    put_head(out, "process_cpu_seconds_total", "counter", "User and system time of the answering process.");
    buf_printf(out, "process_cpu_seconds_total %.6f\n", cpu_seconds());
}

void metrics_render(enum metrics_program program, struct buf *out)
{
    const char *family = "";

    for (int m = 0; m < METRIC_COUNT; m++) {
        const struct metric_row *row = metrics_row(m);

        if (!(row->program & program))
            continue;
        if (strcmp(family, row->name) != 0)
            put_row_head(out, row);
        family = row->name;
        if (row->kind == METRIC_HISTOGRAM)
            put_histogram(out, row, m);
        else
            put_simple(out, row, m);
    }
    put_process(out);
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* As in the text: buckets add up, the sum is in seconds. */
static void put_json_histogram(json_t *object, const struct metric_row *row, enum metric m)
{
    int64_t count = 0;
    char key[200];

    for (int i = 0; i < row->nbounds; i++) {
        count += metrics_cell(m, i);
        snprintf(key, sizeof(key), "%s_bucket{le=\"%g\"}", row->name, (double)row->bounds_us[i] / 1e6);
        json_put_int(object, key, count);
    }
    snprintf(key, sizeof(key), "%s_count", row->name);
    json_put_int(object, key, count + metrics_cell(m, row->nbounds));
    snprintf(key, sizeof(key), "%s_sum", row->name);
    json_put(object, key, json_real((double)metrics_cell(m, METRIC_SUM_CELL) / 1e6));
}

static void put_json(json_t *object, const struct metric_row *row, enum metric m)
{
    char key[200];

    if (row->kind == METRIC_HISTOGRAM) {
        put_json_histogram(object, row, m);
        return;
    }
    snprintf(key, sizeof(key), row->labels[0] ? "%s{%s}" : "%s%s", row->name, row->labels);
    json_put_int(object, key, metrics_value(m));
}

json_t *metrics_json(enum metrics_program program)
{
    json_t *object = json_object();

    if (!object)
        abort();
    for (int m = 0; m < METRIC_COUNT; m++)
        if (metrics_row(m)->program & program)
            put_json(object, metrics_row(m), m);
    return object;
}
