/*
 * fire.c - see fire.h. One `shot` is one request with the redirects that follow it.
 *
 * start_hop is the only place that puts a request on the wire, and it asks allow_url first. Whether a byte
 * may have left is known by libcurl's PREREQFUNCTION, which it calls when the connection stands and right
 * before it writes: not called means that nothing was sent.
 */
#include "worker/vast/fire_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    REDIRECTS_MAX = 5,
    BODY_MAX = 64 * 1024,
    SHOT_MEMORY_MAX = 1024 * 1024,
};

/* --- callbacks of libcurl --- */

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct shot *s = arg;

    (void)purpose;
    s->has_opened = true;
    if (!guard_allows_connect(&address->addr, &s->fire->policy, &s->guard_err)) {
        s->is_guarded = true;
        return CURL_SOCKET_BAD;
    }
    return curl_loop_open(address, &s->socket_errno);
}

/*
 * The connection stands; what follows is the request's first byte. When a kept connection died of it, libcurl
 * takes the next kept one, and so on; one death is told and the others are spared: on_transfer asks for a
 * fresh one.
 */
static int on_send(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct shot *s = arg;

    (void)local;
    (void)remote_port;
    (void)local_port;
    if (s->fire->is_stopped) {
        s->is_stopped = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (s->sends == 1 && !s->has_opened) {
        s->wants_fresh = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (s->sends++ == 0)
        s->is_reused = !s->has_opened;
    s->is_sent = s->was_sent = true;
    snprintf(s->result.remote, sizeof(s->result.remote), "%s", remote ? remote : "");
    return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct shot *s = arg;

    (void)bytes;
    s->body_bytes += size * n;
    s->is_body_cut = s->body_bytes > BODY_MAX;
    return s->is_body_cut ? 0 : size * n;
}

/* --- the end --- */

static void free_shot(struct shot *s)
{
    if (s->is_on_wire)
        curl_loop_remove(s->fire->wire, s->easy);
    curl_easy_cleanup(s->easy);
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    arena_finish(&s->arena);
    free(s);
}

static bool speaks_against_host(const struct fire_result *r)
{
    bool is_overload = r->status == 429 || r->status >= 500;

    return r->outcome != FIRE_HELD && r->outcome != FIRE_BLOCKED && r->err.code != ERR_HOST_EXHAUSTED &&
           (r->status == 0 || is_overload);
}

static void end_shot(struct shot *s)
{
    struct fire *f = s->fire;
    struct fire_result result = s->result;
    void *owner = s->owner;

    hosts_put(&f->hosts, s->host, result.status > 0, speaks_against_host(&result), fire_now_ms(f));
    free_shot(s);
    f->options.done(f->options.arg, owner, &result);
}

static void on_soon(uv_timer_t *timer)
{
    struct fire *f = container_of(timer, struct fire, soon);
    struct shot *next;

    for (struct shot *s = f->shots; s; s = next) {
        next = s->next;
        if (s->is_over)
            end_shot(s);
    }
}

/* Known before anything went on the wire, perhaps within fire_send: told on the next turn of the loop. */
static void end_soon(struct shot *s, enum fire_outcome outcome)
{
    s->is_over = true;
    s->result.outcome = outcome;
    uv_timer_start(&s->fire->soon, on_soon, 0, 0);
}

/* --- hops --- */

static void count_connections(struct shot *s)
{
    const struct fire_options *o = &s->fire->options;
    long connects = 0;

    curl_easy_getinfo(s->easy, CURLINFO_NUM_CONNECTS, &connects);
    for (long i = 0; i < connects; i++)
        o->count(o->arg, FIRE_OPENED, s->is_billing);
    if (s->sends > 0 && s->is_reused)
        o->count(o->arg, FIRE_REUSED, s->is_billing);
    for (int i = 1; i < s->sends; i++)
        o->count(o->arg, FIRE_DIED, s->is_billing);
    s->result.is_reused = s->is_reused && s->sends == 1;
}

static void set_options(struct shot *s)
{
    const struct fire_options *o = &s->fire->options;
    CURL *easy = s->easy;

    curl_set(easy, CURLOPT_PROXY, "");
    curl_set(easy, CURLOPT_NOPROXY, "*");
    curl_set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_set(easy, CURLOPT_USERAGENT, o->user_agent);
    curl_set(easy, CURLOPT_HTTPHEADER, s->fire->headers);
    curl_set(easy, CURLOPT_NOSIGNAL, 1L);
    curl_set(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_set(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_set(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
    curl_set(easy, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    curl_set(easy, CURLOPT_MAXAGE_CONN, (long)o->keepalive_s);
    curl_set(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_set(easy, CURLOPT_OPENSOCKETDATA, s);
    curl_set(easy, CURLOPT_PREREQFUNCTION, on_send);
    curl_set(easy, CURLOPT_PREREQDATA, s);
    curl_set(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_set(easy, CURLOPT_WRITEDATA, s);
    curl_set(easy, CURLOPT_ERRORBUFFER, s->error);
    if (o->ca_file[0])
        curl_set(easy, CURLOPT_CAINFO, o->ca_file);
    if (s->is_billing) { /* HTTP/2 may repeat a stream by itself */
        curl_set(easy, CURLOPT_FORBID_REUSE, 1L);
        curl_set(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    }
}

bool fire_allows(const struct fire *f, const struct url *url, struct err *err)
{
    return allow_url(&f->allowed, url, err) && guard_allows_hop(url, &f->policy, err);
}

static bool put_on_wire(struct shot *s)
{
    const char *href = arena_cstr(&s->arena, url_without_fragment(&s->url));
    long is_fresh = s->is_billing || s->wants_fresh;

    s->wants_fresh = false;
    s->is_on_wire = href && curl_easy_setopt(s->easy, CURLOPT_URL, href) == CURLE_OK &&
                    curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, is_fresh) == CURLE_OK &&
                    curl_loop_add(s->fire->wire, s->easy, s);
    return s->is_on_wire;
}

static void start_hop(struct shot *s)
{
    if (s->fire->is_stopped) {
        fire_judge_stop(s);
        return end_soon(s, s->result.outcome);
    }
    if (!fire_allows(s->fire, &s->url, &s->result.err))
        return end_soon(s, FIRE_BLOCKED);
    s->is_sent = s->is_reused = s->has_opened = s->is_guarded = s->is_body_cut = s->wants_fresh = false;
    s->sends = 0;
    s->body_bytes = 0;
    s->error[0] = '\0';
    s->socket_errno = 0;
    if (put_on_wire(s))
        return;
    fire_judge_refusal(s);
    end_soon(s, s->result.outcome);
}

/* True when there is another hop, on the wire or already refused. */
static bool follow(struct shot *s)
{
    int status = s->result.status;
    struct curl_header *location;
    struct url next;

    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return false;
    if (curl_easy_header(s->easy, "Location", 0, CURLH_HEADER, -1, &location) != CURLHE_OK)
        return false;
    s->result.phase = "answered";
    if (s->redirects++ >= REDIRECTS_MAX) {
        err_set(&s->result.err, ERR_TOO_MANY_HOPS, "more than %d redirects", REDIRECTS_MAX);
        end_soon(s, FIRE_FAILED);
        return true;
    }
    if (!url_parse(&s->arena, str_from(location->value), &s->url, &next, &s->result.err)) {
        end_soon(s, FIRE_FAILED);
        return true;
    }
    s->url = next;
    start_hop(s);
    return true;
}

static void on_transfer(void *arg, CURL *easy, CURLcode code)
{
    struct shot *s = arg;
    long status = 0;

    curl_loop_remove(s->fire->wire, easy);
    s->is_on_wire = false;
    if (s->wants_fresh && put_on_wire(s))
        return;
    count_connections(s);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    s->result.status = status >= 200 ? (int)status : 0;
    if (s->is_guarded) {
        s->result.err = s->guard_err;
        s->result.outcome = FIRE_BLOCKED;
    } else if (s->is_stopped) {
        fire_judge_stop(s);
    } else if (!s->result.status) {
        fire_judge_silence(s, code);
    } else if (follow(s)) {
        return;
    } else {
        fire_judge_answer(s);
    }
    end_shot(s);
}

/* --- the sender as a whole --- */

struct fire *fire_create(const struct fire_options *options)
{
    struct fire *f = calloc(1, sizeof(*f));

    if (!f)
        abort();
    f->options = *options;
    f->policy.allow_private = options->allow_private;
    f->hosts.limits = (struct host_limits){options->host_concurrency, options->host_rate,
                                           options->breaker_failures, options->breaker_ms};
    f->wire = curl_loop_create(options->loop, on_transfer);
    curl_loop_limit(f->wire, options->max_connections, options->kept_connections);
    f->headers = curl_slist_append(NULL, "Accept: */*");
    if (!f->headers)
        abort();
    uv_timer_init(options->loop, &f->soon);
    f->open_handles = 2; /* the timer, and all of the curl loop */
    return f;
}

static void handle_closed(struct fire *f)
{
    if (--f->open_handles > 0)
        return;
    if (f->on_closed)
        f->on_closed(f->arg);
    free(f);
}

static void on_soon_closed(uv_handle_t *handle)
{
    handle_closed(container_of((uv_timer_t *)handle, struct fire, soon));
}

static void on_wire_closed(void *arg)
{
    handle_closed(arg);
}

void fire_destroy(struct fire *f, void (*on_closed)(void *arg), void *arg)
{
    if (!f)
        return;
    f->on_closed = on_closed;
    f->arg = arg;
    while (f->shots)
        free_shot(f->shots);
    hosts_finish(&f->hosts);
    arena_finish(&f->list_arena);
    curl_slist_free_all(f->headers);
    uv_close((uv_handle_t *)&f->soon, on_soon_closed);
    curl_loop_destroy(f->wire, on_wire_closed, f);
}

void fire_set_allowed(struct fire *f, const struct allow_list *list)
{
    struct str *hosts;

    arena_finish(&f->list_arena);
    arena_init(&f->list_arena, SIZE_MAX);
    f->allowed = (struct allow_list){0};
    hosts = arena_alloc(&f->list_arena, sizeof(*hosts) * (size_t)(list->n + 1));
    for (int i = 0; hosts && i < list->n; i++)
        hosts[i] = arena_copy(&f->list_arena, list->hosts[i]);
    if (hosts)
        f->allowed = (struct allow_list){hosts, list->n};
}

void fire_set_stopped(struct fire *f, bool is_stopped)
{
    f->is_stopped = is_stopped;
}

int64_t fire_room(struct fire *f, struct str host)
{
    return hosts_take(&f->hosts, host, fire_now_ms(f));
}

void fire_give_up(struct fire *f, struct str host)
{
    hosts_put(&f->hosts, host, false, false, fire_now_ms(f));
}

void fire_send(struct fire *f, const struct url *url, bool is_billing, void *owner)
{
    struct shot *s = calloc(1, sizeof(*s));
    struct err err;

    if (!s)
        abort();
    *s = (struct shot){.fire = f, .owner = owner, .is_billing = is_billing, .started_ms = fire_now_ms(f)};
    s->result = (struct fire_result){.phase = "held", .response_ms = -1};
    arena_init(&s->arena, SHOT_MEMORY_MAX);
    s->next = f->shots;
    s->link = &f->shots;
    if (f->shots)
        f->shots->link = &s->next;
    f->shots = s;
    s->easy = curl_easy_init();
    if (!s->easy)
        abort();
    set_options(s);
    s->host = arena_copy(&s->arena, allow_host(url));
    if (url_parse(&s->arena, url->href, NULL, &s->url, &err)) {
        start_hop(s);
    } else {
        s->result.err = err;
        end_soon(s, FIRE_FAILED);
    }
}
