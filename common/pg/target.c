/*
 * target.c - connection strings, taken apart and put together. See target.h.
 */
#include "common/pg/target.h"

#include "common/pg/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LIST_BYTES = 16384 };

static const char *option_value(const struct pg_target *t, const char *keyword)
{
    for (const PQconninfoOption *o = t->options; o && o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val ? o->val : "";
    return "";
}

static PQconninfoOption *option_find(PQconninfoOption *options, const char *keyword)
{
    for (PQconninfoOption *o = options; o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o;
    return NULL;
}

/* We write: a standby in a list is passed over, unless string, environment or service say otherwise. */
static void prefer_writable(PQconninfoOption *options, PQconninfoOption *given)
{
    static const char keyword[] = "target_session_attrs";
    PQconninfoOption *ours = option_find(options, keyword), *said = option_find(given, keyword);

    if (!ours || (said && said->val) || getenv(ours->envvar) || (ours->val && strcmp(ours->val, "any") != 0))
        return;
    PQfreemem(ours->val);
    ours->val = strdup("read-write");
    if (!ours->val)
        abort();
}

/* What the string says over what environment and libpq say. Values change owner. */
static void merge(PQconninfoOption *base, PQconninfoOption *given)
{
    for (PQconninfoOption *o = given; o->keyword; o++) {
        PQconninfoOption *to = option_find(base, o->keyword);

        if (!o->val || !*o->val || !to)
            continue;
        char *old = to->val;
        to->val = TAKE(o->val);
        PQfreemem(old);
    }
}

static PQconninfoOption *parse(const char *url, struct err *err)
{
    char *message = NULL;
    PQconninfoOption *given = PQconninfoParse(url, &message);

    PQfreemem(message); /* quotes the string */
    if (!given) {
        err_set(err, ERR_BAD_SETTING,
                "database.url is no connection string that libpq understands (not shown: it may hold a "
                "password)");
        return NULL;
    }
    const PQconninfoOption *service = option_find(given, "service");
    if (service && service->val && *service->val) {
        err_set(err, ERR_BAD_SETTING,
                "database.url: write the connection out, or name the service in PGSERVICE");
        PQconninfoFree(given);
        return NULL;
    }
    return given;
}

static bool is_address(struct str name)
{
    char text[PG_ADDRESS_SIZE];
    unsigned char bytes[16];

    if (!name.len || name.len >= sizeof(text))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return strchr(text, ':') || inet_pton(AF_INET, text, bytes) == 1;
}

static bool is_socket_directory(struct str name)
{
    return name.len == 0 || name.ptr[0] == '/' || name.ptr[0] == '@';
}

/* A piece of an unescaped password that ended up here is not shown. */
static bool check_host(const struct pg_host *h, struct err *err)
{
    static const char advice[] = "a password with special characters has to be percent-encoded";

    for (size_t i = 0; i < h->name.len && !is_socket_directory(h->name); i++)
        if (!isalnum((unsigned char)h->name.ptr[i]) && !strchr("-._:%", h->name.ptr[i]))
            return err_set(err, ERR_BAD_SETTING, "database.url: its host is no host name; %s", advice);
    for (size_t i = 0; i < h->port.len; i++)
        if (!isdigit((unsigned char)h->port.ptr[i]))
            return err_set(err, ERR_BAD_SETTING, "database.url: its port is no number; %s", advice);
    return true;
}

static int count_items(struct str list)
{
    int n = list.len > 0;

    for (size_t i = 0; i < list.len; i++)
        n += list.ptr[i] == ',';
    return n;
}

static struct str list_item(struct str list, int index)
{
    struct str item = {"", 0};

    for (int i = 0; i <= index; i++)
        if (!str_cut(&list, ',', &item))
            return STR("");
    return item;
}

static bool list_hosts(struct pg_target *t, struct err *err)
{
    struct str names = str_from(option_value(t, "host"));
    struct str addresses = str_from(option_value(t, "hostaddr"));
    struct str ports = str_from(option_value(t, "port"));
    int nnames = count_items(names), naddresses = count_items(addresses), nports = count_items(ports);
    int n = naddresses ? naddresses : nnames;

    if (n > PG_MAX_HOSTS)
        return err_set(err, ERR_BAD_SETTING, "database.url: %d hosts, at most %d", n, PG_MAX_HOSTS);
    if ((naddresses && nnames && naddresses != nnames) || (nports > 1 && nports != n))
        return err_set(err, ERR_BAD_SETTING, "database.url: %d hosts, %d addresses and %d ports do not match",
                       nnames, naddresses, nports);
    for (int i = 0; i < n; i++) {
        struct pg_host *h = &t->hosts[i];

        h->name = list_item(names, i);
        h->port = nports == 1 ? ports : list_item(ports, i);
        h->hostaddr = list_item(addresses, i);
        if (!h->hostaddr.len && is_address(h->name))
            h->hostaddr = h->name;
        h->needs_lookup = !h->hostaddr.len && !is_socket_directory(h->name);
        if (!check_host(h, err))
            return false;
    }
    t->nhosts = n;
    return true;
}

bool pg_target_init(struct pg_target *t, const char *url, struct err *err)
{
    PQconninfoOption *given = parse(url, err);

    bool is_tls_said = false;

    *t = (struct pg_target){0};
    if (!given)
        return false;
    t->options = PQconndefaults();
    if (t->options) {
        is_tls_said = pg_tls_is_said(t->options, given);
        prefer_writable(t->options, given);
        merge(t->options, given);
    }
    PQconninfoFree(given);
    if (!t->options)
        return err_set(err, ERR_BAD_SETTING, "libpq's defaults can't be read; is PGSERVICE a known service?");
    if (!list_hosts(t, err)) {
        pg_target_finish(t);
        return false;
    }
    if (!is_tls_said)
        pg_tls_require(t);
    return true;
}

void pg_target_finish(struct pg_target *t)
{
    PQconninfoFree(t->options);
    *t = (struct pg_target){0};
}

/* ---- for libpq ---- */

static void put(struct pg_params *p, const char *keyword, const char *value)
{
    assert(p->n + 1 < PG_MAX_PARAMS);
    p->keywords[p->n] = keyword;
    p->values[p->n++] = value;
}

static void put_number(struct pg_params *p, const char *keyword, int64_t value)
{
    char *text = p->texts + p->texts_len;
    size_t room = sizeof(p->texts) - p->texts_len;
    int len = snprintf(text, room, "%lld", (long long)value);

    assert(len > 0 && (size_t)len < room);
    p->texts_len += (size_t)len + 1;
    put(p, keyword, text);
}

/* Only where the user said nothing: a stopped or vanished server must be noticed in seconds. */
static void put_keepalive(struct pg_params *p, const struct pg_target *t, int64_t connect_timeout_ms)
{
    static const struct {
        const char *keyword;
        int64_t value;
    } wanted[] = {{"tcp_user_timeout", 3000},
                  {"keepalives_idle", 1},
                  {"keepalives_interval", 1},
                  {"keepalives_count", 3}};

    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!*option_value(t, wanted[i].keyword))
            put_number(p, wanted[i].keyword, wanted[i].value);
    if (!*option_value(t, "connect_timeout"))
        put_number(p, "connect_timeout", (connect_timeout_ms + 999) / 1000);
}

/*
 * The same for the server, which by default keeps the session of a host that vanished for two hours: so long
 * its name stands in pg_stat_activity, and whoever asks there takes it for alive.
 */
static const char server_keepalives[] = " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2"
                                        " -c tcp_keepalives_count=3 -c tcp_user_timeout=10000";

/*
 * Our queries touch few rows; compiling one takes longer than it does, and PostgreSQL judges by estimates.
 * What the operator's URL says comes later and wins.
 */
static const char no_jit[] = "-c jit=off ";

static void put_addresses(struct pg_params *p, const struct pg_target *t, const struct pg_address *addresses,
                          int n, int first)
{
    for (int i = 0; i < n; i++) {
        const struct pg_address *a = &addresses[(first + i) % n];
        const struct pg_host *h = &t->hosts[a->host];

        buf_printf(&p->host, "%s%.*s", i ? "," : "", STR_ARG(h->name));
        buf_printf(&p->hostaddr, "%s%s", i ? "," : "", a->text);
        buf_printf(&p->port, "%s%.*s", i ? "," : "", STR_ARG(h->port));
    }
    if (n == 0)
        return;
    put(p, "host", buf_cstr(&p->host));
    put(p, "hostaddr", buf_cstr(&p->hostaddr));
    put(p, "port", buf_cstr(&p->port));
}

/* Written by put_addresses and pg_params_init, whatever the string says. */
static bool is_ours(const char *keyword, const struct pg_extras *extras, bool has_hosts)
{
    if (has_hosts && (!strcmp(keyword, "host") || !strcmp(keyword, "hostaddr") || !strcmp(keyword, "port")))
        return true;
    if (!strcmp(keyword, "options"))
        return extras->statement_timeout_ms > 0;
    return !strcmp(keyword, "application_name") || !strcmp(keyword, "client_encoding");
}

void pg_params_init(struct pg_params *p, const struct pg_target *t, const struct pg_address *addresses,
                    int naddresses, int first, const struct pg_extras *extras)
{
    *p = (struct pg_params){0};
    buf_init(&p->host, MAX_LIST_BYTES);
    buf_init(&p->hostaddr, MAX_LIST_BYTES);
    buf_init(&p->port, MAX_LIST_BYTES);
    buf_init(&p->options, MAX_LIST_BYTES);
    for (const PQconninfoOption *o = t->options; o->keyword; o++)
        if (o->val && *o->val && !is_ours(o->keyword, extras, naddresses > 0))
            put(p, o->keyword, o->val);
    put_addresses(p, t, addresses, naddresses, first);
    put_keepalive(p, t, extras->connect_timeout_ms);
    put(p, "application_name", extras->application_name);
    put(p, "client_encoding", "UTF8");
    if (extras->statement_timeout_ms > 0) {
        buf_printf(&p->options, "%s%s -c statement_timeout=%lld%s", no_jit, option_value(t, "options"),
                   (long long)extras->statement_timeout_ms, server_keepalives);
        put(p, "options", buf_cstr(&p->options));
    }
    p->keywords[p->n] = NULL;
    p->values[p->n] = NULL;
}

void pg_params_finish(struct pg_params *p)
{
    buf_finish(&p->host);
    buf_finish(&p->hostaddr);
    buf_finish(&p->port);
    buf_finish(&p->options);
}

/* A password that is also the user's or the database's name is public in every message. */
static const char *secret_of(const struct pg_target *t)
{
    const char *password = option_value(t, "password");

    if (!strcmp(password, option_value(t, "user")) || !strcmp(password, option_value(t, "dbname")))
        return "";
    return password;
}

void pg_target_clean_text(const struct pg_target *t, const char *text, char *out, size_t size)
{
    const char *secret = secret_of(t);
    size_t len = 0, secret_len = strlen(secret);

    while (*text && len + 4 < size) {
        if (secret_len && strncmp(text, secret, secret_len) == 0) {
            memcpy(out + len, "***", 3);
            len += 3;
            text += secret_len;
        } else if (*text == '\n' || *text == '\t') {
            out[len++] = ' ';
            text++;
        } else {
            out[len++] = *text++;
        }
    }
    while (len && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
}
