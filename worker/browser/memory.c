/*
 * memory.c - how much memory the processes of a group use, the files that they share counted once.
 *
 * From /proc/PID/status, which everybody may read: the exact share of each page (smaps_rollup) is only for
 * whoever may look into a process's memory, and a worker in its sandbox may not.
 */
#include "worker/browser/browser_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* The group of a process: the third field behind the name, which is in brackets and may hold anything. */
static bool is_in_group(const char *pid, pid_t group)
{
    char path[64], line[512];
    const char *behind;
    FILE *file;
    int parent, of = 0;
    char state;

    snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return false;
    behind = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return behind && sscanf(behind + 1, " %c %d %d", &state, &parent, &of) == 3 && of == group;
}

/*
 * Adds what a process has for itself; files are mapped by all of the group, and most by the largest mapper.
 */
static void add_process(const char *pid, int64_t *own_kb, int64_t *files_kb)
{
    char path[64], line[128];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        long long kb;

        if (sscanf(line, "RssAnon: %lld", &kb) == 1 || sscanf(line, "RssShmem: %lld", &kb) == 1)
            *own_kb += kb;
        else if (sscanf(line, "RssFile: %lld", &kb) == 1 && kb > *files_kb)
            *files_kb = kb;
    }
    if (file)
        fclose(file);
}

int64_t memory_of_group_kb(pid_t group)
{
    DIR *folder = opendir("/proc");
    int64_t own_kb = 0, files_kb = 0;

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && is_in_group(entry->d_name, group))
            add_process(entry->d_name, &own_kb, &files_kb);
    if (folder)
        closedir(folder);
    return own_kb + files_kb;
}
