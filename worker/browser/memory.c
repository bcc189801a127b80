/*
 * memory.c - how much memory the processes of a group use, shared pages counted once.
 */
#include "worker/browser/browser_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static int64_t pss_kb(const char *pid)
{
    char path[64], line[128];
    long long kb = -1;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%.20s/smaps_rollup", pid);
    file = fopen(path, "re");
    while (file && kb < 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, "Pss: %lld", &kb) != 1)
            kb = -1;
    if (file)
        fclose(file);
    return kb;
}

static int64_t resident_kb(const char *pid)
{
    long long size = 0, resident = 0;
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%.20s/statm", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%lld %lld", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

int64_t memory_of_group_kb(pid_t group)
{
    DIR *folder = opendir("/proc");
    int64_t sum = 0;

    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int64_t kb;

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || !is_in_group(entry->d_name, group))
            continue;
        kb = pss_kb(entry->d_name);
        sum += kb >= 0 ? kb : resident_kb(entry->d_name);
    }
    if (folder)
        closedir(folder);
    return sum;
}
