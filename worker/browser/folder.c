/*
 * folder.c - see folder.h.
 */
#include "worker/browser/folder.h"

#include "common/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "tracepool-chromium-"

static const char *const bases[] = {"/tmp", "/var/tmp"};

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    remove(path);
    return 0;
}

static bool remove_tree(const char *path)
{
    return nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0 && access(path, F_OK) != 0;
}

static bool hold(struct folder *f, const char *path)
{
    f->lock = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (f->lock >= 0 && flock(f->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (f->lock >= 0)
        close(f->lock);
    f->lock = -1;
    return false;
}

/*
 * It gets its name when it is held: before that, it would look like an abandoned one. Who is killed between
 * mkdtemp() and rename() leaves an empty folder of the other name.
 */
static bool make_below(struct folder *f, const char *base)
{
    char unnamed[sizeof(f->path)];

    snprintf(unnamed, sizeof(unnamed), "%s/tracepool-new-XXXXXX", base);
    if (!mkdtemp(unnamed))
        return false;
    snprintf(f->path, sizeof(f->path), "%s/" PREFIX "%s", base, strrchr(unnamed, '-') + 1);
    if (hold(f, unnamed) && rename(unnamed, f->path) == 0)
        return true;
    rmdir(unnamed);
    folder_remove(f);
    return false;
}

bool folder_make(struct folder *f)
{
    for (size_t i = 0; i < ARRAY_LEN(bases); i++)
        if (make_below(f, bases[i]))
            return true;
    f->path[0] = '\0';
    return false;
}

bool folder_remove(struct folder *f)
{
    if (f->lock >= 0)
        close(f->lock);
    f->lock = -1;
    return remove_tree(f->path);
}

static void remove_if_abandoned(const char *path)
{
    struct folder f;
    struct stat st;

    if (!hold(&f, path))
        return;
    if (fstat(f.lock, &st) == 0 && st.st_uid == geteuid())
        remove_tree(path);
    close(f.lock);
}

void folder_remove_abandoned(void)
{
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        DIR *base = opendir(bases[i]);
        struct dirent *entry;

        while (base && (entry = readdir(base))) {
            char path[sizeof(entry->d_name) + 16];

            if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
                continue;
            snprintf(path, sizeof(path), "%s/%s", bases[i], entry->d_name);
            remove_if_abandoned(path);
        }
        if (base)
            closedir(base);
    }
}
