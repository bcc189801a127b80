/*
 * httpd_state.c - the states of connections, and when memory is given back.
 *
 * A connection's memory goes when its handle is gone and its handler has answered, whichever comes
 * last; the server's memory when all of its handles are gone and no answer is owed any more.
 */
#include "common/httpd_internal.h"

#include "common/metrics.h"
#include "common/scope.h"

#include <assert.h>

enum { MAX_SPARES = 64, SPARE_BUFFER = 8 * 1024 };

/* --- lists ------------------------------------------------------------------------------------ */

static void unlink_conn(struct httpd_conn *conn)
{
    conn->link.before->after = conn->link.after;
    conn->link.after->before = conn->link.before;
}

static void append_conn(struct conn_link *list, struct httpd_conn *conn)
{
    conn->link.before = list->before;
    conn->link.after = list;
    list->before->after = &conn->link;
    list->before = &conn->link;
}

struct httpd_conn *httpd_first(struct httpd *httpd, enum conn_state state)
{
    struct conn_link *list = &httpd->lists[state];

    return list->after == list ? NULL : container_of(list->after, struct httpd_conn, link);
}

void conn_enter(struct httpd_conn *conn, enum conn_state state)
{
    unlink_conn(conn);
    conn->state = state;
    conn->since_ms = (int64_t)uv_now(conn->httpd->options.loop);
    append_conn(&conn->httpd->lists[state], conn);
}

/* --- exchanges -------------------------------------------------------------------------------- */

struct exchange *httpd_take_exchange(struct httpd *httpd)
{
    struct exchange *x = httpd->spares;

    if (x) {
        httpd->spares = x->next_spare;
        httpd->nspares--;
    } else {
        size_t most = httpd->options.max_head + (size_t)httpd->options.max_body + 2 * (size_t)HTTPD_SCRATCH;

        x = malloc(sizeof(*x));
        if (!x)
            abort();
        buf_init(&x->in, most);
        buf_init(&x->more, HTTPD_SCRATCH);
    }
    x->looked = x->need = x->size = 0;
    x->data = NULL;
    return x;
}

static void free_exchange(struct exchange *x)
{
    buf_finish(&x->in);
    buf_finish(&x->more);
    free(x);
}

void httpd_release_exchange(struct httpd *httpd, struct exchange *x)
{
    if (httpd->nspares == MAX_SPARES || x->in.cap > SPARE_BUFFER || x->more.cap > SPARE_BUFFER) {
        free_exchange(x);
        return;
    }
    buf_clear(&x->in);
    buf_clear(&x->more);
    x->next_spare = httpd->spares;
    httpd->spares = x;
    httpd->nspares++;
}

/* --- the end of things ------------------------------------------------------------------------ */

static void free_httpd(struct httpd *httpd)
{
    while (httpd->spares) {
        struct exchange *x = httpd->spares;

        httpd->spares = x->next_spare;
        free_exchange(x);
    }
    buf_finish(&httpd->out);
    free(httpd->listeners);
    free(httpd->scratch);
    free(httpd);
}

void httpd_end_if_over(struct httpd *httpd)
{
    void (*on_closed)(void *) = httpd->on_closed;

    if (!httpd->is_destroyed || httpd->open_handles > 0)
        return;
    httpd->on_closed = NULL;
    httpd->nowed++; /* on_closed may answer what is still owed: the memory must outlive that */
    if (on_closed)
        on_closed(httpd->on_closed_arg);
    if (--httpd->nowed == 0)
        free_httpd(httpd);
}

static void free_conn(struct httpd_conn *conn)
{
    unlink_conn(conn);
    if (conn->exchange)
        httpd_release_exchange(conn->httpd, conn->exchange);
    free(conn);
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct httpd_conn *conn = container_of(handle, struct httpd_conn, handle);
    struct httpd *httpd = conn->httpd;

    conn->is_handle_gone = true;
    httpd->open_handles--;
    if (!conn->is_owed)
        free_conn(conn);
    httpd_end_if_over(httpd);
}

void conn_close(struct httpd_conn *conn)
{
    struct httpd *httpd = conn->httpd;

    if (conn->state == CONN_CLOSED)
        return;
    conn_enter(conn, CONN_CLOSED);
    uv_close(&conn->handle, on_conn_closed);
    metrics_add(METRIC_HTTP_CONNECTIONS, -1);
    if (--httpd->nconnections == 0)
        uv_timer_stop(&httpd->sweep);
}

bool conn_settle(struct httpd_conn *conn)
{
    struct httpd *httpd = conn->httpd;

    assert(conn->is_owed);
    conn->is_owed = false;
    httpd->nowed--;
    if (conn->state != CONN_CLOSED)
        return true;
    if (conn->is_handle_gone) {
        free_conn(conn);
        if (httpd->is_destroyed && httpd->open_handles == 0 && httpd->nowed == 0)
            free_httpd(httpd);
    }
    return false;
}
