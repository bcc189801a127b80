/*
 * clock.c - see clock.h. One for the process, used by its loop alone.
 */
#include "edge/clock.h"

#include "common/loop.h"

#include <stdbool.h>

static int64_t offset_ms;
static bool is_settled;

void clock_settle(void)
{
    offset_ms = loop_wall_ms() - loop_now_ms();
    is_settled = true;
}

int64_t clock_ms(void)
{
    if (!is_settled)
        clock_settle();
    return loop_now_ms() + offset_ms;
}
