/*
 * queue.c - queries that wait for their turn, and the one callback that each of them gets.
 */
#include "common/pg/internal.h"

#include <assert.h>
#include <string.h>

static size_t values_size(const char *const *values, int n)
{
    size_t size = 0;

    for (int i = 0; i < n; i++)
        size += values[i] ? strlen(values[i]) + 1 : 0;
    return size;
}

struct pg_work *pg_work_create(const struct query *query, int index, const char *const *values,
                               int64_t timeout_ms, pg_done_cb done, void *arg)
{
    size_t pointers = sizeof(char *) * (size_t)query->nparams;
    struct pg_work *w = malloc(sizeof(*w) + pointers + values_size(values, query->nparams));

    if (!w)
        abort();
    *w = (struct pg_work){.query = index, .timeout_ms = timeout_ms, .done = done, .arg = arg};
    w->values = (const char **)(w + 1);
    char *bytes = (char *)(w + 1) + pointers;
    for (int i = 0; i < query->nparams; i++) {
        w->values[i] = NULL;
        if (!values[i])
            continue;
        size_t size = strlen(values[i]) + 1;
        w->values[i] = memcpy(bytes, values[i], size);
        bytes += size;
    }
    return w;
}

void pg_queue_push(struct pg_queue *queue, struct pg_work *work)
{
    if (queue->last)
        queue->last->next = work;
    else
        queue->first = work;
    queue->last = work;
    queue->length++;
}

int pg_queue_together(const struct pg_queue *queue)
{
    return queue->first->next && queue->first->next->is_joined ? 2 : 1;
}

static struct pg_work *pop(struct pg_queue *queue)
{
    struct pg_work *w = queue->first;

    assert(w);
    queue->first = w->next;
    if (!queue->first)
        queue->last = NULL;
    queue->length--;
    return w;
}

void pg_queue_answer_first(struct pg_queue *queue, PGresult *res, const struct err *err)
{
    struct pg_work *w = pop(queue); /* first: the callback may send again, or destroy the connection */
    const char *sqlstate = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;

    if (w->done)
        w->done(w->arg, res, sqlstate ? sqlstate : "", err);
    free(w);
}

void pg_queue_answer_all(struct pg_queue *queue, const struct err *err)
{
    struct pg_queue now = *queue;

    *queue = (struct pg_queue){0};
    while (now.first)
        pg_queue_answer_first(&now, NULL, err);
}
