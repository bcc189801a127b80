/*
 * turns.c - see turns.h.
 */
#include "worker/turns.h"

#include "common/loop.h"

#include <stdlib.h>

enum {
    LOOK_SHARE = 20,   /* slow looks take one part in so many of the time */
    LOOK_QUICK_MS = 3, /* one that takes no longer costs no more than a claim at the cursors */
    LOOK_PAUSE_MIN_MS = 5,
};

/* When a look that took so long may be made again. */
static int64_t look_again_ms(int64_t took_ms)
{
    return loop_now_ms() + (took_ms > LOOK_QUICK_MS ? took_ms * LOOK_SHARE : LOOK_PAUSE_MIN_MS);
}

bool turns_want_full(const struct turns *t)
{
    return turns_until_full(t) <= 0 && (t->wants_full || loop_now_ms() >= t->full_due_ms);
}

int64_t turns_until_full(const struct turns *t)
{
    return t->full_from_ms - loop_now_ms();
}

void turns_note_full(struct turns *t, int64_t took_ms, int64_t full_scan_s)
{
    t->full_from_ms = look_again_ms(took_ms);
    t->full_due_ms = loop_now_ms() + full_scan_s * 1000;
}

bool turns_may_go_around(const struct turns *t)
{
    return loop_now_ms() >= t->around_from_ms;
}

void turns_note_around(struct turns *t, int64_t took_ms)
{
    t->around_from_ms = look_again_ms(took_ms);
}

int64_t turns_rest(struct turns *t, int64_t gather_ms)
{
    int64_t jitter = gather_ms / 2, pause = gather_ms - (jitter > 0 ? random() % jitter : 0);

    t->rests_until_ms = loop_now_ms() + pause;
    return pause;
}

int64_t turns_until_rested(const struct turns *t)
{
    return t->rests_until_ms - loop_now_ms();
}
