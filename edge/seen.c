/*
 * seen.c - two tables in shared memory, each of small sets whose oldest member gives way.
 *
 * A set's mutex is shared between processes and robust: a child that is killed while it holds one leaves at
 * worst a torn entry, which the next one to come throws away.
 */
#include "edge/seen.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { WAYS = 8, SETS = 8 * 1024, UNCONFIRMED_MS = 2000 };

struct first {
    uint64_t key; /* 0: free */
    int64_t at_ms;
    char id[UUID_TEXT];
    bool is_kept;
};

struct bucket {
    uint64_t key;
    int64_t full_at_us; /* when it would be full again if nobody came */
};

struct set {
    pthread_mutex_t mutex;
    struct first firsts[WAYS];
    struct bucket buckets[WAYS];
};

struct seen {
    uint64_t secret[2];
    struct set sets[SETS];
};

/* ---- keys: SipHash-2-4 (Aumasson, Bernstein) ---- */

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

/* A text is its length, then its bytes in words filled up with zeroes. */
static void sip_text(uint64_t v[4], struct str text)
{
    sip_word(v, text.len);
    for (size_t i = 0; i < text.len; i += 8) {
        uint64_t word = 0;

        memcpy(&word, text.ptr + i, text.len - i < 8 ? text.len - i : 8);
        sip_word(v, word);
    }
}

uint64_t seen_key(const struct seen *seen, const struct str *texts, size_t n)
{
    uint64_t a = seen->secret[0], b = seen->secret[1], key;
    uint64_t v[4] = {a ^ 0x736f6d6570736575u, b ^ 0x646f72616e646f6du, a ^ 0x6c7967656e657261u,
                     b ^ 0x7465646279746573u};

    for (size_t i = 0; i < n; i++)
        sip_text(v, texts[i]);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    key = v[0] ^ v[1] ^ v[2] ^ v[3];
    return key ? key : 1;
}

/* ---- sets ---- */

static struct set *lock_set(struct seen *seen, uint64_t key)
{
    struct set *set = &seen->sets[key % SETS];

    if (pthread_mutex_lock(&set->mutex) == EOWNERDEAD) {
        memset(set->firsts, 0, sizeof(set->firsts));
        memset(set->buckets, 0, sizeof(set->buckets));
        pthread_mutex_consistent(&set->mutex);
    }
    return set;
}

static void unlock_set(struct set *set)
{
    pthread_mutex_unlock(&set->mutex);
}

static struct first *find_first(struct set *set, uint64_t key)
{
    for (int i = 0; i < WAYS; i++)
        if (set->firsts[i].key == key)
            return &set->firsts[i];
    return NULL;
}

static struct first *oldest_first(struct set *set)
{
    struct first *oldest = set->firsts;

    for (int i = 0; i < WAYS; i++) {
        if (set->firsts[i].key == 0)
            return &set->firsts[i];
        if (set->firsts[i].at_ms < oldest->at_ms)
            oldest = &set->firsts[i];
    }
    return oldest;
}

static bool is_recent(const struct first *f, int64_t now_ms, int64_t window_ms)
{
    int64_t age = now_ms - f->at_ms;

    return age < window_ms && (f->is_kept || age < UNCONFIRMED_MS);
}

bool seen_before(struct seen *seen, uint64_t key, int64_t now_ms, int64_t window_ms, const struct uuid *id,
                 struct uuid *first)
{
    struct set *set = lock_set(seen, key);
    struct first *f = find_first(set, key);
    bool is_repeat = f && is_recent(f, now_ms, window_ms);

    if (is_repeat) {
        memcpy(first->text, f->id, UUID_TEXT);
        first->text[UUID_TEXT] = '\0';
    } else if (id) {
        f = f ? f : oldest_first(set);
        *f = (struct first){.key = key, .at_ms = now_ms};
        memcpy(f->id, id->text, UUID_TEXT);
    }
    unlock_set(set);
    return is_repeat;
}

void seen_keep(struct seen *seen, uint64_t key, const struct uuid *id, bool is_kept)
{
    struct set *set = lock_set(seen, key);
    struct first *f = find_first(set, key);

    if (f && memcmp(f->id, id->text, UUID_TEXT) == 0) {
        f->is_kept = is_kept;
        f->key = is_kept ? key : 0;
    }
    unlock_set(set);
}

/* That of the key, or a full one in place of the one that has rested longest. */
static struct bucket *find_bucket(struct set *set, uint64_t key)
{
    struct bucket *oldest = set->buckets;

    for (int i = 0; i < WAYS; i++) {
        if (set->buckets[i].key == key)
            return &set->buckets[i];
        if (set->buckets[i].full_at_us < oldest->full_at_us)
            oldest = &set->buckets[i];
    }
    *oldest = (struct bucket){.key = key};
    return oldest;
}

bool seen_allows(struct seen *seen, uint64_t key, int64_t now_us, int64_t interval_us, int64_t burst,
                 bool takes)
{
    struct set *set = lock_set(seen, key);
    struct bucket *b = find_bucket(set, key);
    int64_t full_at = b->full_at_us > now_us ? b->full_at_us : now_us;
    bool is_allowed = full_at - now_us <= (burst - 1) * interval_us;

    if (is_allowed && takes)
        b->full_at_us = full_at + interval_us;
    unlock_set(set);
    return is_allowed;
}

/* ---- beginning and end ---- */

static void init_mutexes(struct seen *seen)
{
    pthread_mutexattr_t shared;

    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    for (int i = 0; i < SETS; i++)
        pthread_mutex_init(&seen->sets[i].mutex, &shared);
    pthread_mutexattr_destroy(&shared);
}

bool seen_attach(int fd, struct seen **out, struct err *err)
{
    void *memory = mmap(NULL, sizeof(struct seen), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return err_set(err, ERR_IO, "memory for repeated clicks: %s", strerror(errno));
    *out = memory;
    return true;
}

void seen_detach(struct seen *seen)
{
    if (seen)
        munmap(seen, sizeof(*seen));
}

bool seen_create(int *fd, struct err *err)
{
    int made = memfd_create("tracepool-seen", MFD_CLOEXEC);
    struct seen *seen;

    if (made < 0 || ftruncate(made, sizeof(struct seen)) != 0) {
        err_set(err, ERR_IO, "memory for repeated clicks: %s", strerror(errno));
        if (made >= 0)
            close(made);
        return false;
    }
    if (!seen_attach(made, &seen, err)) {
        close(made);
        return false;
    }
    if (getrandom(seen->secret, sizeof(seen->secret), 0) != sizeof(seen->secret))
        abort();
    init_mutexes(seen);
    seen_detach(seen);
    *fd = made;
    return true;
}
