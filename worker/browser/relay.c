/*
 * relay.c - the listener on loopback, and the passes that open the way through it.
 */
#include "worker/browser/relay_internal.h"

#include "common/loop.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { BACKLOG = 128 };

void relay_handle_closed(struct relay *r)
{
    if (--r->open_handles > 0)
        return;
    if (r->on_closed)
        r->on_closed(r->closed_arg);
    free(r);
}

static void on_listener_closed(uv_handle_t *handle)
{
    relay_handle_closed(container_of((uv_tcp_t *)handle, struct relay, listener));
}

static void on_wire_closed(void *arg)
{
    relay_handle_closed(arg);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct relay *r = container_of((uv_tcp_t *)stream, struct relay, listener);

    if (status == 0 && !r->is_closing)
        relay_conn_accept(r);
}

static void on_dialled(void *arg, CURL *easy, CURLcode code)
{
    (void)easy; /* stays in the multi: CURLOPT_CONNECT_ONLY needs that */
    relay_conn_dialled(arg, code);
}

static int listen_on_loopback(struct relay *r)
{
    struct sockaddr_storage name;
    int len = sizeof(name), status;

    uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *)&name);
    status = uv_tcp_bind(&r->listener, (const struct sockaddr *)&name, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&r->listener, BACKLOG, on_connection);
    if (status == 0)
        status = uv_tcp_getsockname(&r->listener, (struct sockaddr *)&name, &len);
    if (status == 0)
        snprintf(r->address, sizeof(r->address), "127.0.0.1:%d",
                 ntohs(((struct sockaddr_in *)&name)->sin_port));
    return status;
}

bool relay_create(uv_loop_t *loop, struct relay **out, struct err *err)
{
    struct relay *r = calloc(1, sizeof(*r));
    int status;

    if (!r)
        abort();
    r->loop = loop;
    r->wire = curl_loop_create(loop, on_dialled);
    uv_tcp_init(loop, &r->listener);
    r->open_handles = 2;
    status = listen_on_loopback(r);
    if (status != 0) {
        relay_destroy(r, NULL, NULL);
        return err_set(err, ERR_IO, "browser relay: listen on 127.0.0.1: %s", uv_strerror(status));
    }
    *out = r;
    return true;
}

void relay_destroy(struct relay *r, void (*on_closed)(void *arg), void *arg)
{
    if (!r)
        return;
    r->is_closing = true;
    r->on_closed = on_closed;
    r->closed_arg = arg;
    while (r->passes)
        relay_close(r->passes);
    for (struct relay_conn *c = r->conns, *next; c; c = next) {
        next = c->next;
        relay_conn_close(c);
    }
    uv_close((uv_handle_t *)&r->listener, on_listener_closed);
    curl_loop_destroy(r->wire, on_wire_closed, r);
}

const char *relay_address(const struct relay *r)
{
    return r->address;
}

static void put_random_hex(char *out, size_t bytes)
{
    unsigned char random[32];

    assert(bytes <= sizeof(random));
    if (getrandom(random, bytes, 0) != (ssize_t)bytes)
        abort();
    for (size_t i = 0; i < bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

struct relay_pass *relay_open(struct relay *r, const struct relay_options *options)
{
    struct relay_pass *pass = calloc(1, sizeof(*pass));

    if (!pass)
        abort();
    *pass = (struct relay_pass){.relay = r,
                                .next = r->passes,
                                .link = &r->passes,
                                .options = *options,
                                .opened_ms = loop_now_ms(),
                                .proxy_ms = -1};
    put_random_hex(pass->user, 8);
    put_random_hex(pass->password, 16);
    if (r->passes)
        r->passes->link = &pass->next;
    r->passes = pass;
    return pass;
}

struct relay_pass *relay_find_pass(struct relay *r, struct str user, struct str password)
{
    for (struct relay_pass *pass = r->passes; pass; pass = pass->next)
        if (str_equal(user, str_from(pass->user)))
            return str_equal_secret(password, str_from(pass->password)) ? pass : NULL;
    return NULL;
}

const char *relay_pass_user(const struct relay_pass *pass)
{
    return pass->user;
}

const char *relay_pass_password(const struct relay_pass *pass)
{
    return pass->password;
}

int64_t relay_pass_proxy_ms(const struct relay_pass *pass)
{
    return pass->proxy_ms;
}

int64_t relay_pass_bytes(const struct relay_pass *pass)
{
    return pass->bytes;
}

void relay_close(struct relay_pass *pass)
{
    if (!pass)
        return;
    for (struct relay_conn *c = pass->relay->conns, *next; c; c = next) {
        next = c->next;
        if (c->pass == pass)
            relay_conn_close(c);
    }
    *pass->link = pass->next;
    if (pass->next)
        pass->next->link = pass->link;
    explicit_bzero(pass->password, sizeof(pass->password));
    free(pass);
}
