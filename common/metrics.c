/*
 * metrics.c - the table's cells in shared memory, and how they are read.
 *
 * The memory is an array of banks, two for each slot, because while a child is being replaced the old
 * and the new one share a slot. A bank belongs to one process at a time. Counters of all banks count,
 * whoever wrote them; a gauge counts only while its writer lives, so a dead child's "connections open"
 * is gone with it. Every write is one relaxed atomic addition into the process's own bank.
 */
#include "common/metrics.h"

#include "common/metrics_internal.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BANKS_A_SLOT = 2, MAX_SLOTS = 4096 };

struct cells {
#define METRIC_CELLS(ident, program, kind, name, labels, help) _Atomic int64_t ident[METRIC_CELLS_##kind];
    METRICS_MAP(METRIC_CELLS)
#undef METRIC_CELLS
};

struct bank {
    _Alignas(64) _Atomic int32_t owner; /* process id; 0: never used */
    struct cells cells;
};

static const size_t offsets[] = {
#define METRIC_OFFSET(ident, program, kind, name, labels, help) offsetof(struct cells, ident),
    METRICS_MAP(METRIC_OFFSET)
#undef METRIC_OFFSET
};

static struct bank private_bank;
static struct bank *banks = &private_bank;
static int nbanks = 1;
static struct bank *own = &private_bank;

static _Atomic int64_t *cell(struct bank *bank, enum metric m)
{
    return (_Atomic int64_t *)((char *)&bank->cells + offsets[m]);
}

bool metrics_create(int slots, int *fd, struct err *err)
{
    int made;

    assert(slots > 0 && slots <= MAX_SLOTS);
    made = memfd_create("tracepool-metrics", MFD_CLOEXEC);
    if (made < 0)
        return err_set(err, ERR_IO, "memory for metrics: %s", strerror(errno));
    if (ftruncate(made, (off_t)(sizeof(struct bank) * BANKS_A_SLOT * (size_t)slots)) != 0) {
        err_set(err, ERR_IO, "memory for metrics: %s", strerror(errno));
        close(made);
        return false;
    }
    *fd = made;
    return true;
}

static bool is_alive(int32_t pid)
{
    return pid != 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static void clear_gauges(struct bank *bank)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        if (metrics_row(m)->kind == METRIC_GAUGE)
            atomic_store_explicit(cell(bank, m), 0, memory_order_relaxed);
}

static bool take_bank(struct bank *bank)
{
    int32_t before = atomic_load(&bank->owner);

    if (is_alive(before) && before != getpid())
        return false;
    if (!atomic_compare_exchange_strong(&bank->owner, &before, getpid()))
        return false;
    clear_gauges(bank);
    own = bank;
    return true;
}

bool metrics_attach(int fd, int slot, struct err *err)
{
    struct stat st;
    struct bank *pair;
    void *map;

    if (fstat(fd, &st) != 0 || st.st_size % (off_t)(sizeof(struct bank) * BANKS_A_SLOT) != 0 || slot < 0 ||
        st.st_size / (off_t)(sizeof(struct bank) * BANKS_A_SLOT) <= slot)
        return err_set(err, ERR_INTERNAL, "metrics: descriptor %d has no slot %d of this program", fd, slot);
    map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_set(err, ERR_IO, "metrics: map: %s", strerror(errno));
    banks = map;
    nbanks = (int)(st.st_size / (off_t)sizeof(struct bank));
    pair = &banks[slot * BANKS_A_SLOT];
    if (!take_bank(&pair[0]) && !take_bank(&pair[1]))
        own = &pair[1]; /* three in one slot: share, rather than not count */
    return true;
}

void metrics_add(enum metric m, int64_t n)
{
    atomic_fetch_add_explicit(cell(own, m), n, memory_order_relaxed);
}

void metrics_set(enum metric m, int64_t value)
{
    atomic_store_explicit(cell(own, m), value, memory_order_relaxed);
}

void metrics_observe_us(enum metric m, int64_t us)
{
    const struct metric_row *row = metrics_row(m);
    _Atomic int64_t *cells = cell(own, m);
    int i = 0;

    assert(row->kind == METRIC_HISTOGRAM);
    while (i < row->nbounds && us > row->bounds_us[i])
        i++;
    atomic_fetch_add_explicit(&cells[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells[METRIC_SUM_CELL], us, memory_order_relaxed);
}

int64_t metrics_cell(enum metric m, int index)
{
    bool only_living = metrics_row(m)->kind == METRIC_GAUGE && banks != &private_bank;
    int64_t sum = 0;

    for (int i = 0; i < nbanks; i++)
        if (!only_living || is_alive(atomic_load(&banks[i].owner)))
            sum += atomic_load_explicit(cell(&banks[i], m) + index, memory_order_relaxed);
    return sum;
}

int64_t metrics_value(enum metric m)
{
    int64_t count = 0;

    if (metrics_row(m)->kind != METRIC_HISTOGRAM)
        return metrics_cell(m, 0);
    for (int i = 0; i <= metrics_row(m)->nbounds; i++)
        count += metrics_cell(m, i);
    return count;
}
