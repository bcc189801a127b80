/*
 * folder.h - the launcher's temporary folders: Chromium's profiles, and what they share.
 *
 * A folder is held by a lock (flock(2)) that ends with the process that made it, however that ends. So a
 * launcher that was killed leaves folders that nobody holds, and the next one removes them.
 */
#ifndef TRACEPOOL_WORKER_BROWSER_FOLDER_H
#define TRACEPOOL_WORKER_BROWSER_FOLDER_H

#include <stdbool.h>

struct folder {
    char path[64]; /* "" when there is none */
    int lock;      /* ours, close-on-exec, while there is one; -1 once it was let go */
};

/* A new one below /tmp, otherwise /var/tmp, that only this user may enter. */
bool folder_make(struct folder *f);
/* With all that is in it; lets go of it first. False when something is left: it may be tried again. */
bool folder_remove(struct folder *f);
/* Removes this user's folders that nobody holds any more. What can't be removed is left to the next call. */
void folder_remove_abandoned(void);

#endif
