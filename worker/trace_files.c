/*
 * trace_files.c - see trace_files.h.
 */
#include "worker/trace_files.h"

#include "common/base64.h"
#include "common/json.h"
#include "worker/evidence/har.h"

#include <errno.h>
#include <string.h>

enum { FILE_MAX = 64 * 1024 * 1024 };

static bool complain(const char *name, const char *what)
{
    fprintf(stderr, "tracepool-worker trace: %s: %s\n", name, what);
    return false;
}

static bool open_file(const char *name, FILE **file)
{
    *file = name ? fopen(name, "we") : NULL;
    return *file || !name || complain(name, strerror(errno));
}

bool trace_files_open(struct trace_files *files, const struct trace_args *args)
{
    *files = (struct trace_files){0};
    if (open_file(args->har_file, &files->har) && open_file(args->screenshot_file, &files->screenshot))
        return true;
    if (files->har)
        fclose(files->har);
    return false;
}

static bool write_file(FILE *file, const char *name, const struct buf *bytes)
{
    bool is_written = fwrite(buf_cstr(bytes), 1, bytes->len, file) == bytes->len;

    return (fclose(file) == 0 && is_written) || complain(name, strerror(errno));
}

static bool write_har(FILE *file, const char *name, const struct trace_result *result)
{
    SCOPED_VALUE(buf) out = {.max = FILE_MAX};
    SCOPED(json_t) har = har_json(result);

    json_write(har, &out);
    return write_file(file, name, &out);
}

static bool write_screenshot(FILE *file, const char *name, const struct trace_result *result)
{
    SCOPED_VALUE(buf) out = {.max = FILE_MAX};
    const struct kept *kept = &result->kept;
    bool is_there = kept->screenshot.len && base64_take(kept->screenshot, &out);

    if (!write_file(file, name, &out))
        return false;
    if (!is_there)
        return complain(name, "no screenshot was to be had");
    if (!str_equal(kept->screenshot_type, STR("image/png")))
        fprintf(
            stderr,
            "tracepool-worker trace: %s: is %.*s, for a PNG would have passed browser.screenshot_max_bytes\n",
            name, STR_ARG(kept->screenshot_type));
    return true;
}

bool trace_files_write(struct trace_files *files, const struct trace_args *args,
                       const struct trace_result *result)
{
    bool has_har = !files->har || write_har(files->har, args->har_file, result);
    bool has_shot = !files->screenshot || write_screenshot(files->screenshot, args->screenshot_file, result);

    return has_har && has_shot;
}
