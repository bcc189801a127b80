/*
 * secrets.h - proxy passwords by name, from the files of one folder.
 *
 * The database knows names only (proxy_providers.secret_name). The value is the file's content without
 * its trailing newline. A file is looked at again when the cached value is older than a second, so a
 * changed password takes effect without a restart; what changed while a trace runs is that trace's
 * failure and the next one's success. Values are never logged and never part of an error.
 */
#ifndef TRACEPOOL_WORKER_SECRETS_H
#define TRACEPOOL_WORKER_SECRETS_H

#include "common/arena.h"
#include "common/err.h"

#include <stdint.h>
#include <sys/stat.h>

enum { SECRETS_CACHED = 16, SECRET_NAME_MAX = 64, SECRET_MAX_BYTES = 4096 };

struct secret {
    char name[SECRET_NAME_MAX + 1]; /* empty: a free place */
    char *value;                    /* owned */
    size_t len;
    struct timespec changed; /* of the file, with ino and size: how a change is noticed */
    ino_t ino;
    off_t size;
    int64_t checked_ms, used_ms;
};

struct secrets {
    const char *dir; /* borrowed */
    struct secret cached[SECRETS_CACHED];
};

void secrets_init(struct secrets *s, const char *dir);
/* Overwrites the values in memory. Accepts zeroed memory. */
void secrets_finish(struct secrets *s);

/*
 * A copy of the secret in the arena. now_ms: the loop's clock. ERR_PROXY_UNKNOWN names the secret and
 * what is wrong with its file: a bad name (letters, digits, "_", "-", "." not first), missing, not
 * readable, empty, longer than SECRET_MAX_BYTES.
 */
NODISCARD bool secrets_get(struct secrets *s, struct str name, int64_t now_ms, struct arena *a,
                           struct str *out, struct err *err);

#endif
